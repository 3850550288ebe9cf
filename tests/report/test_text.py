"""Errors and tables as people read them."""

from dataclasses import replace

import pytest

from i2v3d.errors import Problem, SpecError, StageError, StepFailure, UsageError
from i2v3d.execute.build import BuildResult
from i2v3d.report.problems import error_text, problem_text
from i2v3d.report.tables import columns_text, duration_text, parse_size, result_text, size_text

PLACED = Problem(
    "camera[1].zoom", "400 is above 50", "give 0.05 to 50", None, 14, 9, "  - {at: 1s, zoom: 400}", "error"
)


def test_a_problem_points_at_its_column():
    lines = problem_text(PLACED).splitlines()
    assert lines[0] == ":14:9  camera[1].zoom: 400 is above 50; give 0.05 to 50"
    assert lines[1].index("|") == lines[2].index("|")
    excerpt_start = lines[1].index("| ") + 2
    assert lines[2].index("^") == excerpt_start + PLACED.column - 1


def test_problems_are_counted_and_come_in_the_order_of_the_file(tmp_path):
    earlier = Problem("name", "missing", "", None, 2, 1)
    text = error_text(SpecError((PLACED, earlier)))
    assert text.index("name: missing") < text.index("camera[1].zoom")
    assert text.endswith("2 problems")


def test_a_failed_step_shows_the_end_of_its_log(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("line of Blender\nSegmentation fault\n")
    error = StageError("assemble: the worker died", failure=StepFailure("assemble", tmp_path, log))
    text = error_text(error)
    assert text.startswith("error: step assemble failed: the worker died")
    assert "    Segmentation fault" in text


def test_a_stages_own_error_is_told_without_its_traceback(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("Traceback (most recent call last):\n  File ...\ni2v3d.errors.StageError: no ground\n")
    error = StageError("layout: no ground", failure=StepFailure("layout", tmp_path, log, is_expected=True))
    assert "Traceback" not in error_text(error)


def test_the_hint_is_the_last_line():
    assert error_text(UsageError("no such spec", hint="make one with `i2v3d init`")).endswith("i2v3d init`")


@pytest.mark.parametrize(
    ("text", "size"), [("500MB", 500_000_000), ("2.5 GB", 2_500_000_000), ("10kb", 10_000), ("7", 7), ("1T", 10**12)]
)
def test_sizes_are_powers_of_a_thousand(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "5 apples", "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="not a size"):
        parse_size(text)


def test_durations_and_sizes_are_short():
    assert [duration_text(s) for s in (0.04, 9.96, 12.4, 185)] == ["0.0 s", "10.0 s", "12 s", "3 min 05 s"]
    assert [size_text(s) for s in (999, 1500, 2_340_000)] == ["999 B", "1.5 kB", "2.3 MB"]


def test_columns_line_up_without_trailing_blanks():
    assert columns_text([("a", "bb", "c"), ("aaa", "b", "")]) == "a    bb  c\naaa  b"


def test_a_stages_own_error_is_told_at_its_place_in_the_spec(tmp_path):
    failure = StepFailure("layout", tmp_path, None, is_expected=True, spec_path="camera[1].zoom")
    error = StageError("layout: 400 is above 50", hint="give 0.05 to 50", failure=failure)
    text = error_text(error, lambda problem: PLACED if problem.path == PLACED.path else problem)
    assert text.startswith(f"{problem_text(PLACED)}\n  failed step: layout\n")


def test_numbered_files_of_one_folder_are_one_line_of_a_result(tmp_path):
    paths = ("scene.glb", "keyframes/000000.png", "check/findings.json", "keyframes/000015.png", "stills/000000.png")
    result = BuildResult({path: tmp_path / path for path in paths}, (), (), (), {}, {}, tmp_path, 1)
    result = replace(result, written=(tmp_path / "report.html",))
    assert result_text(result, tmp_path).splitlines()[1:-1] == [
        "  check/findings.json",
        "  keyframes/ (2 files)",
        "  report.html",
        "  scene.glb",
        "  stills/000000.png",
    ]
