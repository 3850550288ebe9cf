"""Matrices of real specs: loaded, named, merged, refused; what is built is in `tests/end_to_end/test_matrix.py`."""

from pathlib import Path

import pytest
import yaml
from PIL import Image

from i2v3d.errors import SpecError, UsageError
from i2v3d.execute.matrix import MatrixOptions, open_matrix
from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.report.matrix_text import matrix_plan_text, unread_text

SPEC = {
    "name": "shot",
    "source": {"image": "photo.png", "camera": {"fov": "40deg"}},
    "output": {"size": [128, 96], "fps": 8, "duration": "1s"},
    "objects": {"cup": {"segment": {"box": [0.2, 0.2, 0.6, 0.8]}, "mesh": "card", "stands": False, "distance": "3m"}},
    "background": {"layout": "backdrop", "distance": "5m"},
    "camera": [{"at": 0}, {"at": 8, "zoom": 1.2}],
    "variants": {"closer": {"camera[1].zoom": 1.5}, "larger": {"objects": {"cup": {"height": "1m"}}}},
}


@pytest.fixture
def spec(tmp_path):
    Image.new("RGB", (128, 96), (90, 120, 160)).save(tmp_path / "photo.png")
    (tmp_path / "scene.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    return tmp_path / "scene.yaml"


def matrix(spec, variants=None, *sweeps, max_members=64, batch=(), **options):
    return open_matrix(ProjectOptions(spec, **options), MatrixOptions(variants, sweeps, tuple(batch), max_members))


def test_members_are_called_and_placed_as_their_own_builds_are(spec):
    opened = matrix(spec, "base,all", "seed=1,2")
    names = [member.name for member in opened.members]
    assert names == [f"shot{variant}-seed-{seed}" for variant in ("", "-closer", "-larger") for seed in (1, 2)]
    assert [member.project.out_dir for member in opened.members] == [spec.parent / "out" / name for name in names]
    assert [member.project.loaded.scene.seed for member in opened.members] == [1, 2] * 3
    assert opened.out_dir == spec.parent / "out" / "shot" / "matrix"
    (alone,) = matrix(spec, "closer").members
    by_itself = open_project(ProjectOptions(spec, variant="closer"))
    assert alone.project.out_dir == by_itself.out_dir
    assert alone.project.options.identity() == by_itself.options.identity()  # the next build of it alone is a no-op


def test_an_output_folder_holds_a_folder_for_each_member(spec, tmp_path):
    opened = matrix(spec, "all", out=tmp_path / "there")
    assert [member.project.out_dir for member in opened.members] == [
        tmp_path / "there" / "shot-closer",
        tmp_path / "there" / "shot-larger",
    ]
    assert opened.out_dir == tmp_path / "there" / "matrix"


def test_a_folder_that_the_comparison_needs_is_no_members(spec, tmp_path):
    with pytest.raises(UsageError, match="would be called"):
        matrix(spec, "base", overrides=("name=matrix",), out=tmp_path / "there")


def test_what_the_camera_does_not_touch_is_shared(spec):
    opened = matrix(spec, None, "camera[1].zoom=1.1,1.2,1.3")
    nodes, users = opened.merged.graph.nodes, opened.merged.users
    assert {"prepare", "segment[cup]", "inpaint", "background_mesh", "foreground_mesh[cup]"} <= set(nodes)
    assert all(len(users[step]) == 3 for step in ("prepare", "segment[cup]", "foreground_mesh[cup]"))
    assert "shot-zoom-1.1/assemble" in nodes
    text = matrix_plan_text(opened, opened.plan())
    assert "shared: " in text
    assert "3 members" in text


def test_a_sweep_that_nothing_reads_is_told_with_its_field(spec):
    opened = matrix(spec, "base,closer", "guidance.strength=1.0,0.5")
    assert opened.unread() == (
        (("shot-strength-1.0", "shot-strength-0.5"), ("guidance.strength",)),
        (("shot-closer-strength-1.0", "shot-closer-strength-0.5"), ("guidance.strength",)),
    )
    text = unread_text(opened)
    assert text.startswith("warning: `guidance.strength` makes no difference to any step (profile draft): ")
    assert "shot-strength-1.0 = shot-strength-0.5" in text
    assert matrix(spec, None, "camera[1].zoom=1.1,1.2").unread() == ()


def test_a_variant_that_changes_nothing_is_told_with_its_fields(spec):
    spec.write_text(spec.read_text().replace("closer:\n    camera[1].zoom: 1.5", "closer:\n    guidance.depth: 0.5"))
    assert matrix(spec, "base,closer").unread() == ((("shot", "shot-closer"), ("guidance.depth",)),)


def test_problems_of_some_members_name_them_and_those_of_all_do_not(spec):
    with pytest.raises(SpecError) as caught:
        matrix(spec, None, "camera[1].zoom=1.1,-1,x", "seed=1,2", overrides=("profile=drft",))
    told = {problem.path: problem for problem in caught.value.problems}
    zooms = [problem for problem in caught.value.problems if problem.path == "camera[1].zoom"]
    assert "(in " not in told["profile"].message
    assert str(told["profile"].file) == "--set"
    assert [problem.message.partition(" (in ")[2] for problem in zooms] == [
        "zoom--1-seed-1, zoom--1-seed-2)",
        "zoom-x-seed-1, zoom-x-seed-2)",
    ]
    assert {(str(problem.file), problem.line) for problem in zooms} == {("--sweep", 1)}


def test_an_unavailable_member_is_refused_by_name_before_anything_runs(spec):
    with pytest.raises(SpecError) as caught:
        _ = matrix(spec, None, "backends.render=gl,nonsense").merged
    assert "(in render-nonsense)" in caught.value.problems[0].message


@pytest.mark.parametrize(
    ("variants", "sweeps", "options", "words"),
    [
        ("all", (), {"variant": "closer"}, "`--variant` and `--variants` can't be combined"),
        ("closr", (), {}, "there is no variant `closr`"),
        (None, ("seed=1,2,3",), {"max_members": 2}, "the matrix has 3 members"),
    ],
)
def test_wrong_matrices_are_refused(spec, variants, sweeps, options, words):
    with pytest.raises(UsageError) as caught:
        matrix(spec, variants, *sweeps, **options)
    assert words in caught.value.message


def test_one_variant_may_be_swept(spec):
    names = [member.name for member in matrix(spec, None, "seed=1,2", variant="closer").members]
    assert names == ["shot-closer-seed-1", "shot-closer-seed-2"]


def test_a_template_makes_a_member_for_each_file_of_variables(spec, tmp_path):
    template = tmp_path / "card.yaml.j2"
    text = spec.read_text().replace("name: shot\n", "").replace("zoom: 1.2", "zoom: {{ zoom }}")
    template.write_text(text.replace("mesh: card", "mesh: {{ mesh }}"))
    files = [tmp_path / "mug.yaml", tmp_path / "tall glass.yaml"]
    files[0].write_text("{zoom: 1.1, mesh: card}\n")
    files[1].write_text("{zoom: 1.3, mesh: box}\n")
    opened = matrix(template, None, batch=files)
    assert [member.name for member in opened.members] == ["card-mug", "card-tall-glass"]
    assert [member.project.loaded.scene.camera_path[-1].zoom for member in opened.members] == [1.1, 1.3]
    assert opened.members[1].project.out_dir == tmp_path / "out" / "card-tall-glass"
    assert len(opened.merged.users["segment[cup]"]) == 2
    names = [member.name for member in matrix(template, "base,closer", batch=files).members]
    assert names == ["card-mug", "card-mug-closer", "card-tall-glass", "card-tall-glass-closer"]
    files[0].write_text("{zoom: 1.1}\n")
    with pytest.raises(SpecError) as caught:
        matrix(template, None, batch=files)
    assert "(in mug)" in str(caught.value)
    with pytest.raises(UsageError, match="can't be combined"):
        matrix(template, None, batch=files, variables=files[0])
    with pytest.raises(UsageError, match="would be called `mug`"):
        matrix(template, None, batch=[files[1], files[1].with_name("mug.yaml"), files[0]])


def test_shipped_variants_load():
    root = Path(__file__).resolve().parents[2] / "specs"
    for file in root.glob("*/scene.yaml"):
        if "\nvariants:" in file.read_text(encoding="utf-8"):
            assert len(matrix(file, "base,all").members) > 1
