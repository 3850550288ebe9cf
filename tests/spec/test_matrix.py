"""Names and combinations of a matrix, out of texts of the command line."""

import re

import pytest

from i2v3d.errors import SpecError, UsageError
from i2v3d.spec.matrix import members_of, parse_sweep, parse_variants, shown_value


def names(variants, *sweeps, **options):
    parsed = [parse_sweep(text, number) for number, text in enumerate(sweeps, start=1)]
    return [member.suffix for member in members_of(variants, parsed, **options)]


def test_values_are_yaml_and_commas_in_brackets_do_not_part_them():
    assert parse_sweep("guidance.strength=1.0,0.5, 2", 1).values == (1.0, 0.5, 2)
    assert parse_sweep("output.size=[512,288],[1024, 576]", 1).values == ([512, 288], [1024, 576])
    assert parse_sweep("camera=[{at: 0s}, {at: 2s, zoom: 2}]", 1).values == ([{"at": "0s"}, {"at": "2s", "zoom": 2}],)
    assert parse_sweep('source.prompt="a, b",c', 1).values == ("a, b", "c")
    assert parse_sweep("camera[1].zoom=1.5", 1).path == ("camera", 1, "zoom")


@pytest.mark.parametrize(
    "text", ["guidance.strength", "=1,2", "seed=", "a..b=1", "seed=[1", "seed=1]", "seed={a: 1, a: 2}"]
)
def test_what_is_no_sweep_is_refused_with_its_place(text):
    with pytest.raises(SpecError) as caught:
        parse_sweep(text, 3)
    problem = caught.value.problems[0]
    assert str(problem.file) == "--sweep"
    assert problem.line == 3
    assert problem.excerpt == text


def test_the_place_of_a_wrong_value_is_its_own_column():
    with pytest.raises(SpecError) as caught:
        parse_sweep("seed={a: 1, a: 2}", 1)
    assert caught.value.problems[0].column == len("seed={a: 1, ") + 1


def test_variants_are_named_all_or_one_by_one_and_base_is_the_spec_itself():
    assert parse_variants("all", ["a", "b"]) == ("a", "b")
    assert parse_variants("b, a", ["a", "b"]) == ("b", "a")
    assert parse_variants("base,all", ["a", "b"]) == (None, "a", "b")
    assert parse_variants("base", ["base"]) == ("base",)


@pytest.mark.parametrize(
    ("text", "known", "words"),
    [
        ("slwo", ["slow"], "did you mean `slow`?"),
        ("all", [], "the spec has no variants"),
        ("a,a", ["a"], "`a` is given twice"),
        ("all,a", ["a"], "`a` is given twice"),
        ("", ["a"], "there is no variant ``"),
    ],
)
def test_wrong_variants_are_refused(text, known, words):
    with pytest.raises(UsageError) as caught:
        parse_variants(text, known)
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_names_tell_the_members_apart_and_are_safe_for_folders():
    assert names([None], "guidance.strength=1.0,0.5") == ["strength-1.0", "strength-0.5"]
    assert names([None], "camera[1].orbit.azimuth=-8deg,8deg") == ["azimuth--8deg", "azimuth-8deg"]
    assert names([None], "output.size=[512,288]") == ["size-512x288"]
    assert names([None, "close"], "seed=1,2") == ["seed-1", "seed-2", "close-seed-1", "close-seed-2"]
    assert names([None, "close"]) == ["", "close"]
    for name in names([None], 'source.prompt="../../a b/ü\\n","' + "long " * 40 + '"'):
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", name), name


def test_fields_that_end_alike_are_named_by_more_of_their_paths():
    assert names([None], "objects.a.height=1m", "objects.b.height=2m") == ["a.height-1m-b.height-2m"]


def test_the_last_sweep_changes_fastest():
    assert names([None], "seed=1,2", "keyframes.every=5,15") == [
        "seed-1-every-5",
        "seed-1-every-15",
        "seed-2-every-5",
        "seed-2-every-15",
    ]


def test_a_member_overrides_as_the_command_line_would():
    (member,) = members_of([None], [parse_sweep("output.size=[512,288]", 1), parse_sweep("source.prompt=a b", 2)])
    assert member.overrides == ("output.size=[512, 288]", 'source.prompt="a b"')


@pytest.mark.parametrize(
    ("sweeps", "words"),
    [
        (("seed=1,1",), "two members of the matrix would be called `seed-1`: `seed 1` twice"),
        (
            ("source.prompt=a b,a-b",),
            "two members of the matrix would be called `prompt-a-b`: `prompt a b` and `prompt a-b`",
        ),
        (("source.prompt=Cat,cat",), "two members of the matrix would be called"),
        (("seed=1,2", "seed=3"), "`seed` is swept twice"),
        (("seed=1,2,3", "keyframes.every=1,2"), "the matrix has 6 members (3 x 2), more than 5"),
    ],
)
def test_members_that_collide_or_are_too_many_are_refused(sweeps, words):
    with pytest.raises(UsageError) as caught:
        names([None], *sweeps, max_members=5)
    assert words in caught.value.message


def test_values_are_shown_short():
    shown = [shown_value(value) for value in (True, None, 0.5, [512, 288], ["a", 1], {"a": [1, 2]})]
    assert shown == ["true", "null", "0.5", "512x288", "[a, 1]", "{a: 1x2}"]
