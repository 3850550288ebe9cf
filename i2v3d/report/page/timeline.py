"""When each step of a build ran, and what was reused, arranged for drawing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from i2v3d.execute.finished import StepSpan

_ROUND_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 8


@dataclass(frozen=True)
class Bar:
    """A step that ran. left, width: percent of the build's time; colour: number of its stage."""

    step: str
    stage: str
    left: float
    width: float
    colour: int
    started_s: float
    seconds: float


@dataclass(frozen=True)
class StageTotal:
    """All steps of a stage. ran_share, saved_share: percent of the longest total, for a bar."""

    stage: str
    colour: int
    ran: int
    ran_s: float
    reused: int
    saved_s: float
    ran_share: float
    saved_share: float


@dataclass(frozen=True)
class Timeline:
    """A build over time.

    Attributes:
        total_s: From the first to the last thing that happened.
        lanes: What ran side by side, by lane.
        ticks: (percent, seconds) along the time axis.
        stages: Totals in graph order.
        work_s: Of all steps that ran.
        saved_s: What the reused steps took when they ran.
        most_at_once: How many steps ran at the same time, at most.
    """

    total_s: float
    lanes: tuple[tuple[Bar, ...], ...]
    ticks: tuple[tuple[float, float], ...]
    stages: tuple[StageTotal, ...]
    ran: int
    reused: int
    work_s: float
    saved_s: float
    most_at_once: int


def timeline(spans: Iterable[StepSpan], total_s: float) -> Timeline:
    """Returns the arrangement.

    Args:
        spans: In graph order.
        total_s: How long the build took; longer than any span.
    """
    known = list(spans)
    end_s = max([total_s, 1e-6, *(span.ended_s for span in known)])
    numbers = {stage: number for number, stage in enumerate(dict.fromkeys(span.stage for span in known))}
    executed = [span for span in known if span.status == "executed"]
    lanes = [
        tuple(_bar(span, end_s, numbers[span.stage]) for span in executed if span.lane == lane)
        for lane in sorted({span.lane for span in executed})
    ]
    return Timeline(
        total_s=total_s,
        lanes=tuple(lanes),
        ticks=tuple((100 * second / end_s, second) for second in _ticks(end_s)),
        stages=tuple(_totals(known, numbers)),
        ran=len(executed),
        reused=len(known) - len(executed),
        work_s=sum(span.seconds for span in executed),
        saved_s=sum(span.seconds for span in known if span.status == "reused"),
        most_at_once=_most_at_once(executed),
    )


def _bar(span: StepSpan, end_s: float, colour: int) -> Bar:
    width_s = span.ended_s - span.started_s
    left, width = 100 * span.started_s / end_s, 100 * width_s / end_s
    return Bar(span.step, span.stage, round(left, 3), round(width, 3), colour, span.started_s, width_s)


def _totals(spans: list[StepSpan], numbers: dict[str, int]) -> Iterable[StageTotal]:
    by_stage = {stage: [span for span in spans if span.stage == stage] for stage in numbers}
    longest = max((sum(span.seconds for span in own) for own in by_stage.values()), default=0.0) or 1.0
    for stage, own in by_stage.items():
        ran = [span.seconds for span in own if span.status == "executed"]
        saved = [span.seconds for span in own if span.status == "reused"]
        yield StageTotal(
            stage,
            numbers[stage],
            len(ran),
            sum(ran),
            len(saved),
            sum(saved),
            round(100 * sum(ran) / longest, 2),
            round(100 * sum(saved) / longest, 2),
        )


def _ticks(end_s: float) -> list[float]:
    step = next((step for step in _ROUND_S if end_s / step <= _MOST_TICKS), end_s)
    return [index * step for index in range(int(end_s / step) + 1)]


def _most_at_once(spans: list[StepSpan]) -> int:
    # Where one ends as another begins, the end comes first.
    changes = sorted((at, change) for span in spans for at, change in ((span.started_s, 1), (span.ended_s, -1)))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
