"""A build as people see it: lines in CI, a table on a terminal."""

from dataclasses import replace

from rich.console import Console

from i2v3d.errors import StageError, StepFailure
from i2v3d.execute.events import (
    BuildFinished,
    BuildStarted,
    StepFailed,
    StepFinished,
    StepProgress,
    StepReused,
    StepSkipped,
    StepStarted,
    StepWarned,
)
from i2v3d.report.progress import LineReport, LiveTable, warning_text


def lines_of(*events) -> list[str]:
    lines: list[str] = []
    report = LineReport(lines.append)
    for event in events:
        report(event)
    return lines


def shown(table: LiveTable) -> str:
    console = Console(width=100, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(table)
    console.file.close()
    return console.export_text()


def finished(step: str, at_s: float, seconds: float) -> StepFinished:
    return StepFinished(step=step, stage=step.split("[")[0], at_s=at_s, seconds=seconds, worker=0)


def test_small_steps_of_a_stage_are_summed_up_and_long_ones_told_one_by_one():
    lines = lines_of(
        BuildStarted(scene="rocket", step_count=4, at_s=0.0, expected_s=75.0),
        finished("render[0]", 0.2, 0.1),
        finished("render[1]", 0.4, 0.1),
        finished("inpaint", 7.0, 6.5),
        finished("render[2]", 7.2, 0.1),
        BuildFinished(at_s=7.3, executed=4, reused=0, failed=0),
    )
    assert lines == [
        "building rocket: 4 steps, about 1 min 15 s",
        "           render x2",
        "    7.0 s  inpaint  6.5 s",
        "    7.2 s  render x1",
    ]


def test_skipped_steps_are_told_once_with_their_number():
    error = StageError("layout: no ground", failure=StepFailure("layout", is_expected=True))
    lines = lines_of(
        StepFailed(step="layout", stage="layout", at_s=1.0, error=error, will_retry=False),
        *(StepSkipped(f"render[{n}]", "render", at_s=1.0, because_of="layout") for n in range(61)),
        BuildFinished(at_s=1.0, executed=0, reused=0, failed=1),
    )
    assert lines == [
        "    1.0 s  layout FAILED\nerror: step layout failed: no ground",
        "    1.0 s  61 steps skipped, they need layout",
    ]


def test_the_table_shows_what_runs_and_the_time_left_at_the_pace_so_far():
    table = LiveTable()
    assert shown(table).strip() == ""
    table(BuildStarted(scene="rocket", step_count=3, at_s=0.0, expected_s=20.0))
    table(StepReused(step="prepare", stage="prepare", at_s=0.0))
    table(StepStarted(step="inpaint", stage="inpaint", at_s=0.0, worker=0, expected_s=10.0))
    table(StepProgress(step="inpaint", at_s=1.0, share=0.25, message="filling"))
    text = shown(table)
    assert "rocket  1/3 steps, 1 reused" in text
    assert "25% filling" in text
    assert "left" not in text
    table(finished("inpaint", 5.0, 5.0))
    assert "left" in shown(table)
    assert "2/3 steps" in shown(table)


def test_a_warning_is_told_at_its_place_in_the_spec():
    event = StepWarned(step="prepare", stage="prepare", at_s=1.0, message="laid on white", spec_path="source.image")
    assert lines_of(event) == ["warning: prepare: laid on white"]
    assert warning_text(event, lambda problem: replace(problem, line=4, column=10)) == (
        ":4:10  warning: source.image: laid on white"
    )
