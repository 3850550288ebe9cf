"""YAML 1.2 scalars, places of keys and values, and paths."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v3d.errors import SpecError
from i2v3d.spec.marks import parse_path, path_text
from i2v3d.spec.yaml_marks import parse_yaml, source_of

FILE = Path("scene.yaml")


def read(text):
    return parse_yaml(text, source_of(FILE, text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("017", 17),
        ("0o17", 15),
        ("0x1f", 31),
        ("1e-4", 1e-4),
        ("1_000", "1_000"),
        (".5", 0.5),
        ("true", True),
        ("~", None),
        ("'24'", "24"),
        ("2026-01-01", "2026-01-01"),
        ("=", "="),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    found = read(f"key: {text}").plain()["key"]
    assert found == value
    assert type(found) is type(value)


def test_places_of_keys_and_values_are_those_of_the_text():
    tree = read("a:\n  b: [1, {c: two}]\n  'd': |\n    long\n")
    assert (tree.find(("a", "b", 1, "c")).mark.line, tree.find(("a", "b", 1, "c")).mark.column) == (2, 14)
    assert (tree.key_mark(("a", "d")).line, tree.key_mark(("a", "d")).column) == (3, 3)
    assert tree.find(("a", "nothing", "here")).mark.line == 2


def test_columns_count_characters_not_bytes():
    assert read("a: {é: 1, ö: 2}").key_mark(("a", "ö")).column == 11


def test_an_alias_stands_for_its_anchor():
    assert read("a: &x {b: 1}\nc: *x\n").plain() == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    from i2v3d.spec.yaml_marks import read_text

    file = tmp_path / "scene.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read(read_text(file)).plain() == {"a": 1, "b": 2}


def test_a_too_large_file_is_refused(tmp_path):
    from i2v3d.spec.yaml_marks import read_text

    file = tmp_path / "scene.yaml"
    file.write_text("a: 1\n" * 250_000)
    with pytest.raises(SpecError, match="1,250,000 bytes is above the limit of 1,000,000"):
        read_text(file)


NAMES = st.text(max_size=8)
PATHS = st.lists(st.one_of(NAMES, st.integers(0, 99)), max_size=5).map(
    lambda steps: tuple(steps) if steps and isinstance(steps[0], str) else ()
)


@given(PATHS)
def test_a_path_written_and_read_is_the_same(path):
    assert parse_path(path_text(path)) == path


class QuotingDumper(yaml.SafeDumper):
    """Writes every string in quotes."""


QuotingDumper.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)

PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats(-1e6, 1e6), st.text(max_size=10)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.text(max_size=6), below, max_size=3)),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=6), PLAIN, max_size=4))
def test_any_dumped_data_reads_back(data):
    # All strings quoted: PyYAML writes YAML 1.1, where a plain `0E0` is a string; we read YAML 1.2, where it is 0.
    text = yaml.dump(data, Dumper=QuotingDumper, allow_unicode=False)
    try:
        found = read(text).plain()
    except SpecError as error:
        assert "merge keys" in str(error)  # the only data that we refuse
        return
    assert _close(found, data)


def _close(found, data):
    if isinstance(data, dict):
        return isinstance(found, dict) and found.keys() == data.keys() and all(_close(found[k], data[k]) for k in data)
    if isinstance(data, list):
        return len(found) == len(data) and all(map(_close, found, data))
    return found == data
