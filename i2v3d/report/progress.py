"""A build as it runs: a live table on a terminal, one line an event elsewhere, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i2v3d.errors import Problem
from i2v3d.execute.events import (
    BuildFinished,
    BuildStarted,
    Delivered,
    Event,
    OnEvent,
    StepFailed,
    StepFinished,
    StepProgress,
    StepReused,
    StepSkipped,
    StepStarted,
    StepWarned,
    event_json,
)
from i2v3d.report.problems import Locate, error_text, problem_text
from i2v3d.report.tables import duration_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

SECONDS_BETWEEN_LINES = 2.0


@contextmanager
def watch(form: str, locate: Locate | None = None) -> Iterator[OnEvent]:
    """Yields a callback that shows events as they come.

    Args:
        form: `live`, `lines`, `json`, or `auto`: live on a terminal, lines elsewhere.
        locate: Finds the place of a failed step's problem in the spec.
    """
    chosen = ("live" if sys.stderr.isatty() else "lines") if form == "auto" else form
    if chosen == "live":
        with _live_table(locate) as on_event:
            yield on_event
    elif chosen == "json":
        yield lambda event: print(json.dumps(event_json(event), sort_keys=True), flush=True)  # noqa: T201  # the product
    else:
        yield LineReport(lambda line: print(line, file=sys.stderr, flush=True), locate)  # noqa: T201  # the product


def warning_text(event: StepWarned, locate: Locate | None) -> str:
    """Returns what a step has to tell, with the place in the spec that it is about."""
    if locate is None or not event.spec_path:
        return f"warning: {event.step}: {event.message}"
    return problem_text(locate(Problem(event.spec_path, event.message, severity="warning")))


class LineReport:
    """One line an event; runs of small steps of one stage are summed up every other second."""

    def __init__(self, write: Callable[[str], None], locate: Locate | None = None) -> None:
        self._write = write
        self._locate = locate
        self._done: dict[str, int] = {}
        self._skipped: dict[str, int] = {}
        self._last_line_s = 0.0

    def __call__(self, event: Event) -> None:
        """Shows one event."""
        match event:
            case BuildStarted():
                expected = f", about {duration_text(event.expected_s)}" if event.expected_s else ""
                self._write(f"building {event.scene}: {event.step_count} steps{expected}")
            case StepFinished() if event.seconds >= SECONDS_BETWEEN_LINES:
                self._flush()
                self._write(f"{event.at_s:7.1f} s  {event.step}  {duration_text(event.seconds)}")
            case StepFinished():
                self._done[event.stage] = self._done.get(event.stage, 0) + 1
                if event.at_s - self._last_line_s > SECONDS_BETWEEN_LINES:
                    self._flush(event.at_s)
            case StepFailed():
                self._flush()
                retry = ", trying again" if event.will_retry else ""
                text = error_text(event.error, self._locate)
                self._write(f"{event.at_s:7.1f} s  {event.step} FAILED{retry}\n{text}")
            case StepWarned():
                self._write(warning_text(event, self._locate))
            case StepSkipped():
                self._skipped[event.because_of] = self._skipped.get(event.because_of, 0) + 1
            case Delivered() if event.is_new:
                self._flush()
                self._write(f"{event.at_s:7.1f} s  wrote {event.path.name}")
            case BuildFinished():
                self._flush()
                for step, count in self._skipped.items():
                    self._write(f"{event.at_s:7.1f} s  {count} steps skipped, they need {step}")
            case _:
                pass

    def _flush(self, at_s: float | None = None) -> None:
        if self._done:
            counts = ", ".join(f"{stage} x{count}" for stage, count in self._done.items())
            self._write(f"{at_s:7.1f} s  {counts}" if at_s is not None else f"           {counts}")
        self._done.clear()
        if at_s is not None:
            self._last_line_s = at_s


@dataclass
class _Running:
    start_s: float
    expected_s: float | None
    share: float = 0.0
    message: str = ""


class LiveTable:
    """The state of a build as a small table: what runs, how far it is, what is done, the time left."""

    def __init__(self) -> None:
        self._counts = {"run": 0, "reused": 0, "failed": 0}
        self._step_count = 0
        self._running: dict[str, _Running] = {}
        self._expected_s: float | None = None
        self._finished_work_s = 0.0
        self._scene = ""
        self._start_s = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Takes in one event."""
        match event:
            case BuildStarted():
                self._scene, self._step_count, self._expected_s = event.scene, event.step_count, event.expected_s
            case StepStarted():
                self._running[event.step] = _Running(time.monotonic(), event.expected_s)
            case StepProgress() if event.step in self._running:
                self._running[event.step].share = event.share
                self._running[event.step].message = event.message
            case StepFinished():
                done = self._running.pop(event.step, None)
                self._finished_work_s += (done.expected_s if done else None) or 0.0
                self._counts["run"] += 1
            case StepReused():
                self._counts["reused"] += 1
            case StepFailed():
                self._running.pop(event.step, None)
                self._counts["failed"] += not event.will_retry
            case _:
                pass

    def __rich__(self) -> RenderableType:
        """The table as rich shows it."""
        from rich.table import Table
        from rich.text import Text

        if not self._scene:
            return Text("")
        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        head = f"{self._scene}  {sum(self._counts.values())}/{self._step_count} steps"
        for what in ("reused", "failed"):
            if self._counts[what]:
                head += f", {self._counts[what]} {what}"
        left = self._time_left(now - self._start_s)
        remaining = f"about {duration_text(left)} left" if left else ""
        table.add_row(Text(head, style="bold"), duration_text(now - self._start_s), remaining)
        for step, state in self._running.items():
            known = f"of {duration_text(state.expected_s)}" if state.expected_s else ""
            far = f"{state.share:.0%} {state.message}" if state.share else state.message
            took = duration_text(now - state.start_s)
            table.add_row(Text(f"  {step}", style="cyan"), f"{took} {known}", Text(far))
        return table

    def _time_left(self, elapsed_s: float) -> float | None:
        """Returns the work left at the pace so far; None until some of it is done, or when it is not known."""
        if not self._expected_s or self._finished_work_s < 0.05 * self._expected_s:
            return None
        left_s = max(self._expected_s - self._finished_work_s, 0.0)
        return left_s * elapsed_s / self._finished_work_s


@contextmanager
def _live_table(locate: Locate | None) -> Iterator[OnEvent]:
    from rich.console import Console
    from rich.live import Live

    table = LiveTable()
    console = Console(stderr=True)
    with Live(table, console=console, refresh_per_second=8, transient=True) as live:
        yield _both(table, live, locate)


def _both(table: LiveTable, live: Live, locate: Locate | None) -> OnEvent:
    """Returns a callback that updates the table and prints what must stay on the screen above it."""

    def on_event(event: Event) -> None:
        table(event)
        if isinstance(event, StepFailed):
            live.console.print(error_text(event.error, locate), markup=False, highlight=False)
        elif isinstance(event, StepWarned):
            live.console.print(warning_text(event, locate), markup=False, highlight=False)

    return on_event
