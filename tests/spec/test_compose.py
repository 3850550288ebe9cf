"""Includes, variables, variants and overrides: what wins, and where it points."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.errors import SpecError
from i2v3d.spec import load_scene
from i2v3d.spec.resolved import Lathe

SPEC = """\
source: photo.jpg
vars: {up: 60m, who: rocket}
output: {fps: 24}
objects:
  rocket:
    segment: {box: [0.60, 0.28, 0.66, 0.97]}
    mesh: lathe
motion:
  rocket: [{at: 100%, move: [0, 0, "${up}"]}]
variants:
  slow: {output.duration: 5s}
  tall: {vars: {up: 80m}, objects: {rocket: {height: 70m}}}
"""


@pytest.fixture
def project(tmp_path):
    folder = make_project(tmp_path / "project")
    (folder / "scene.yaml").write_text(SPEC)
    return folder


def problems(*args, **options):
    with pytest.raises(SpecError) as caught:
        load_scene(*args, **options)
    return [str(problem) for problem in caught.value.problems]


def test_the_command_line_beats_the_variant_beats_the_file_beats_the_included_file(project):
    (project / "low.yaml").write_text("output: {fps: 10, duration: 1s}\nseed: 3\nkeyframes: {every: 5}\n")
    (project / "scene.yaml").write_text(
        "include: low.yaml\nsource: photo.jpg\noutput: {fps: 20}\nvariants: {fast: {output: {fps: 30}}}\n"
    )
    plain = load_scene(project / "scene.yaml").scene
    assert (plain.output.fps, plain.output.frame_count, plain.seed) == (20, 21, 3)
    assert load_scene(project / "scene.yaml", variant="fast").scene.output.fps == 30
    assert load_scene(project / "scene.yaml", variant="fast", overrides=("output.fps=60",)).scene.output.fps == 60


def test_a_variant_is_named_and_all_are_listed(project):
    loaded = load_scene(project / "scene.yaml", variant="slow")
    assert loaded.scene.name == "project-slow"
    assert loaded.scene.output.frame_count == 121
    assert loaded.variants == {
        "slow": {"output.duration": "5s"},
        "tall": {"vars": {"up": "80m"}, "objects": {"rocket": {"height": "70m"}}},
    }


def test_a_variant_may_change_variables(project):
    scene = load_scene(project / "scene.yaml", variant="tall").scene
    assert scene.motion["rocket"][-1].move_m == (0.0, 0.0, 80.0)
    assert scene.objects[0].height_m == 70.0


def test_an_unknown_variant_is_an_error_with_suggestion(project):
    assert problems(project / "scene.yaml", variant="slwo") == [
        f"{project}/scene.yaml  variants: there is no variant `slwo`; did you mean `slow`?"
    ]


def test_variables_of_the_command_line_are_strongest(project):
    scene = load_scene(project / "scene.yaml", variables={"up": "7m"}).scene
    assert scene.motion["rocket"][-1].move_m == (0.0, 0.0, 7.0)


def test_a_variable_that_nothing_asks_for_is_a_warning(project):
    (warning,) = load_scene(project / "scene.yaml", variables={"upp": 3}).warnings
    assert str(warning) == "--vars:1:1  nothing asks for the variable `upp`; did you mean `up`?"
    assert warning.severity == "warning"


def test_a_bad_variable_points_at_where_it_is_used(project):
    (line,) = problems(project / "scene.yaml", variables={"up": "7mn"})
    assert (
        line == f"{project}/scene.yaml:9:36  motion.rocket[0].move[2]: `mn` is not a unit of length; did you mean `7m`?"
    )


def test_a_variable_keeps_its_type_alone_and_is_text_in_a_text(project):
    (project / "scene.yaml").write_text(
        'vars: {n: 12, size: [640, 426], who: cat}\nsource: {image: photo.jpg, prompt: "$$5 ${who} ${n}"}\n'
        'output: {fps: "${n}", size: "${size}"}\n'
    )
    scene = load_scene(project / "scene.yaml").scene
    assert scene.output.fps == 12
    assert scene.photo.prompt == "$5 cat 12"


OVERRIDES = {
    "output.fpss=3": "--set:1:1  output.fpss: unknown key `fpss`; did you mean `fps`?",
    "output.fps=abc": "--set:1:12  output.fps: expected a number, got the text `abc`",
    "motion.rocket[4].at=1s": (
        "--set:1:1  motion.rocket[4].at: motion.rocket has no entry 4; it has 1 entries, counted from 0"
    ),
    "objects.rocket.mesh.lathe.segments=3": (
        "--set:1:1  objects.rocket.mesh.lathe.segments: objects.rocket.mesh is `lathe`, it has no "
        "`lathe`; set `objects.rocket.mesh` as a whole"
    ),
    "motion.rocket.at=1s": (
        "--set:1:1  motion.rocket.at: motion.rocket is a list, it has no `at`; write `motion.rocket[0].at`"
    ),
    "camera[0].zoom=2": (
        "--set:1:1  camera[0].zoom: there is no `camera` in the spec that could have an entry 0; "
        "set the list as a whole: `camera=[...]`"
    ),
    "output.fps": "--set:1:1  `output.fps` is not `path=value`; for example `output.duration=4s`",
    "output..fps=3": "--set:1:1  `output..fps` is not a path such as `objects.rocket.height` or `camera[1].zoom`",
    "output.size=[1,": (
        "--set:1:13  not YAML: did not find expected node content while parsing a flow node (line "
        "1); indent with spaces, close every bracket and quote"
    ),
    "objects.rokcet.height=3m": (
        "--set:1:1  objects.rokcet: nothing says what `rokcet` looks like; give `segment: {box: "
        "[...]}`, `copy: NAME`, or `mesh: {file: x.glb}` with `place`"
    ),
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_wrong_override_points_at_the_command_line(project, override):
    found = problems(project / "scene.yaml", overrides=(override,))
    assert found == [OVERRIDES[override]]


@pytest.mark.parametrize("override", ["include=base.yaml", "variants.slow=null"])
def test_what_an_override_could_not_change_is_refused(project, override):
    (line,) = problems(project / "scene.yaml", overrides=(override,))
    assert "can't be given by a variant or on the command line" in line


def test_an_override_may_set_a_variable(project):
    scene = load_scene(project / "scene.yaml", overrides=("vars.up=9m",)).scene
    assert scene.motion["rocket"][-1].move_m == (0.0, 0.0, 9.0)


def test_all_overrides_are_checked_at_once(project):
    found = problems(project / "scene.yaml", overrides=("output.fps=abc", "seeed=1"))
    assert [line.split("  ")[0] for line in found] == ["--set:1:12", "--set:2:1"]


def test_an_override_may_make_what_was_not_there(project):
    scene = load_scene(project / "scene.yaml", overrides=("guidance.depth=0.5", "camera=[{at: 1s, zoom: 2}]")).scene
    assert scene.generation.guidance.depth == 0.5
    assert scene.camera_path[-1].zoom == 2.0


def test_the_profile_option_is_stronger_than_the_file(project):
    loaded = load_scene(project / "scene.yaml", profile="paper")
    assert loaded.scene.profile == "paper"
    assert loaded.scene.backends["keyframes"] == "sdxl"
    assert str(loaded.warnings[0]).startswith("--profile:1:1  profile: profile paper has no models of its own for")


def test_null_takes_away_what_an_included_file_says(project):
    (project / "base.yaml").write_text(SPEC)
    (project / "scene.yaml").write_text("include: base.yaml\nobjects: {rocket: {mesh: card}}\nmotion: null\n")
    scene = load_scene(project / "scene.yaml").scene
    assert scene.motion == {}
    assert scene.objects[0].shape != Lathe(64)


def test_files_are_found_beside_the_file_that_names_them(project):
    (project / "parts").mkdir()
    (project / "photo.jpg").rename(project / "parts" / "photo.jpg")
    (project / "parts" / "source.yaml").write_text("source: photo.jpg\n")
    (project / "scene.yaml").write_text("include: parts/source.yaml\n")
    loaded = load_scene(project)
    assert loaded.scene.photo.file == (project / "parts" / "photo.jpg").resolve()
    assert [file.name for file in loaded.files] == ["scene.yaml", "source.yaml"]


def test_an_included_template_gets_its_own_variables(project):
    (project / "many.yaml.j2").write_text(
        "objects:\n{% for i in range(n) %}\n"
        "  thing{{ i }}: {segment: [0.1, 0.1, 0.5, 0.5], height: {{ tall }}}\n{% endfor %}\n"
    )
    (project / "scene.yaml").write_text(
        "source: photo.jpg\nvars: {tall: 3m, n: 1}\ninclude: [{file: many.yaml.j2, vars: {n: 2}}]\n"
    )
    scene = load_scene(project / "scene.yaml").scene
    assert [(thing.name, thing.height_m) for thing in scene.objects] == [("thing0", 3.0), ("thing1", 3.0)]


def test_a_folder_stands_for_its_scene(project):
    assert load_scene(project).scene.name == "project"
    with pytest.raises(SpecError, match=r"there is no scene.yaml in this folder"):
        load_scene(project / "folder.png")


def test_a_missing_spec_is_an_error_with_its_path(project):
    assert problems(project / "nothing.yaml") == [
        f"{project}/nothing.yaml  there is no such file; give the path of a scene.yaml"
    ]


def test_a_comment_key_order_or_layout_changes_nothing_in_the_scene(project):
    before = load_scene(project / "scene.yaml").scene
    lines = SPEC.replace("output: {fps: 24}", "output:\n    # frames a second\n    fps:   24.0").splitlines()
    (project / "scene.yaml").write_text("\n".join([*lines[1:], lines[0], "# end"]))
    assert load_scene(project / "scene.yaml").scene == before
