import dataclasses
import json
from pathlib import Path

import pytest

from i2v3d.errors import Problem, SpecError, StageError, StepFailure
from i2v3d.execute.watch_state import WatchState, changed_fields
from i2v3d.report.watch_page import PageState, page_title
from i2v3d.report.watch_text import TerminalReport, changed_text, preview_text, round_text
from i2v3d.spec import load_scene

ROCKET = Path(__file__).parents[2] / "specs" / "rocket"
SPEC = ROCKET / "scene.yaml"


@pytest.fixture(scope="module")
def rocket():
    return load_scene(ROCKET)


def ready(rocket, **values):
    ran = (("scene_script", 0.2), ("assemble", 1.3), ("preview", 0.9))
    state = WatchState(2, "ready", SPEC, (SPEC,), ("camera[1].tilt",), "", ran, 7, 2.43, 2, loaded=rocket)
    return dataclasses.replace(state, **values)


def wrong():
    excerpt = "    mehs: lathe"
    problem = Problem("objects.rocket.mehs", "unknown key `mehs`", "did you mean `mesh`?", SPEC, 14, 5, excerpt)
    return SpecError((problem,))


def test_a_round_is_told_by_what_changed_what_ran_and_how_long_it_took(rocket):
    what, _, took = round_text(ready(rocket)).partition("; ")
    assert what == "scene.yaml (camera[1].tilt): scene_script, assemble, preview ran, 7 reused"
    assert took == "preview 2.4 s after the save"


def test_a_round_that_changes_no_step_says_so(rocket):
    assert round_text(ready(rocket, ran=(), fields=())).startswith("scene.yaml: no step had to run, 7 reused")


def test_many_files_and_fields_are_counted(rocket):
    state = ready(rocket, changed=tuple(Path(f"{n}.obj") for n in range(9)), fields=())
    assert changed_text(state) == "0.obj, 1.obj, 2.obj, 3.obj and 5 more"


def test_the_terminal_gets_one_line_a_round_and_each_warning_once(rocket):
    lines: list[str] = []
    report = TerminalReport(lines.append)
    warning = Problem("camera", "the camera is behind the backdrop", severity="warning")
    states = (
        WatchState(1),
        WatchState(1, running="assemble"),
        ready(rocket, number=1, changed=()),
        ready(rocket, number=1, changed=(), warnings=(warning,)),
        ready(rocket, number=1, changed=(), warnings=(warning,), is_done=True),
        ready(rocket, phase="building"),
        ready(rocket),
        ready(rocket, warnings=(warning,)),
    )
    for state in states:
        report(state)
    assert len(lines) == 3
    assert "started: " in lines[0]
    assert lines[1] == "warning: camera: the camera is behind the backdrop"
    assert "scene.yaml (camera[1].tilt)" in lines[2]


def test_a_broken_spec_is_told_with_its_place_and_that_the_preview_stays(rocket):
    lines: list[str] = []
    state = ready(rocket, phase="failed", error=wrong(), ran=(), seconds=None)
    TerminalReport(lines.append)(state)
    assert lines[0].endswith("scene.yaml (camera[1].tilt): it can not be built")
    assert "scene.yaml:14:5  objects.rocket.mehs: unknown key `mehs`; did you mean `mesh`?" in lines[1]
    assert lines[2] == "the last good preview stays"


def test_the_page_shows_problems_with_their_lines_and_keeps_the_preview(rocket, tmp_path):
    (tmp_path / "preview.mp4").write_bytes(b"x")
    (tmp_path / "preview.png").write_bytes(b"x")
    state = ready(
        rocket, phase="failed", error=wrong(), ran=(), out_dir=tmp_path, places=("preview.mp4", "preview.png")
    )
    page = PageState()(state)
    shown = json.loads(json.dumps(page.state))
    assert (shown["phase"], shown["video"]) == ("failed", "/files/preview.mp4?v=2")
    assert shown["problems_title"] == "1 problem"
    (problem,) = shown["problems"]
    assert problem["head"] == "scene.yaml:14:5  objects.rocket.mehs: unknown key `mehs`; did you mean `mesh`?"
    assert problem["lines"].startswith("   14 |     mehs: lathe\n")


def test_the_page_says_which_step_failed_and_where_in_the_spec(rocket):
    failure = StepFailure("assemble", is_expected=True, spec_path="camera")
    error = StageError("assemble: the camera is inside `rocket` in frame 3", hint="shorten its way", failure=failure)
    (problem,) = PageState()(ready(rocket, phase="failed", error=error)).state["problems"]
    assert f"scene.yaml:{_line_of('camera:') + 1}:3  camera: " in problem["head"]
    assert "inside `rocket` in frame 3" in problem["head"]


def _line_of(start):
    lines = SPEC.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def test_a_preview_of_an_earlier_watch_is_not_shown_as_this_one(rocket, tmp_path):
    (tmp_path / "preview.mp4").write_bytes(b"x")
    state = WatchState(1, loaded=rocket, out_dir=tmp_path, places=("preview.mp4", "preview.png"))
    assert PageState()(state).state["video"] == ""
    assert PageState()(dataclasses.replace(state, phase="ready")).state["video"] == "/files/preview.mp4?v=0"


def test_results_of_a_whole_build_are_offered_where_they_are(rocket, tmp_path):
    for name in ("video.mp4", "report.html", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    state = ready(rocket, out_dir=tmp_path, places=("video.mp4",), full="ready", results=3)
    shown = PageState()(state).state
    assert shown["files"] == [
        {"name": "report", "url": "/report"},
        {"name": "video.mp4", "url": "/files/video.mp4?v=3"},
    ]
    assert shown["full"].startswith("the whole result is built")


def test_steps_of_one_name_are_one_row_of_the_page(rocket):
    ran = (("assemble", 1.25), ("render[0]", 0.5), ("encode[render]", 0.3), ("render[1]", 0.25))
    assert PageState()(ready(rocket, ran=ran)).state["steps"] == [
        {"name": "assemble", "seconds": 1.25},
        {"name": "render x2", "seconds": 0.75},
        {"name": "encode[render]", "seconds": 0.3},
    ]


def test_a_preview_says_what_makes_the_video_itself(rocket):
    assert preview_text(rocket) == "the render at 512x288, every 4th frame"
    paper = load_scene(ROCKET, profile="paper", overrides=("keyframes.every=30",))
    text = preview_text(paper)
    assert "the video itself is made from it by SDXL with depth ControlNet" in text
    assert "Stable Video Diffusion" in text


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": 1}, {"a": True}, ["a"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"camera": [{"at": 0}, {"pan": 1}]}, {"camera": [{"at": 0}, {"pan": 2}]}, ["camera[1].pan"]),
        ({"camera": [{"at": 0}]}, {"camera": [{"at": 0, "zoom": 3}]}, ["camera[0].zoom"]),
        ({"camera": [1]}, {"camera": [1, 2]}, ["camera"]),
        ({"camera": [1]}, {"camera": {"preset": "orbit"}}, ["camera"]),
    ],
)
def test_fields_that_differ_are_named(before, after, fields):
    assert list(changed_fields(before, after)) == fields


def test_the_page_is_called_after_the_scene():
    assert page_title(Path("specs/rocket/scene.yaml")) == "rocket"
    assert page_title(Path("specs/hero.yaml")) == "hero"
