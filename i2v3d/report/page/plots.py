"""Values over frames or steps as points of a plot, scaled so that a browser only has to connect them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from i2v3d.artifacts.metrics import ClipMetrics, Measured
from i2v3d.metrics.catalog import KINDS, kind_of

WIDTH, HEIGHT = 1000.0, 160.0
"""Size of a plot in its own units; the page stretches it."""

_PADDING = 0.08
_MOST_POINTS = 1200
_DIGITS = 3


@dataclass(frozen=True)
class Plot:
    """A line plot.

    Attributes:
        lines: Points `x,y x,y` of each unbroken run of values.
        dots: (x, y) of runs of a single value, which have no line.
        low, high: The smallest and the largest value; a margin below and above them is part of the plot.
        count: How many places there are along x, from 0 at the left to WIDTH at the right.
    """

    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class MetricRow:
    """A metric, as the page shows it.

    Attributes:
        title, explanation: In words; the name and nothing for a metric that a plug-in brought.
        about: The object that it is of, or empty.
        worst: (frame, value) where it has values over time.
        range: The smallest and the largest value over time.
        digits: Decimals that mean something.
    """

    measured: Measured
    title: str
    about: str
    explanation: str
    value: str
    worst: tuple[int, str] | None
    plot: Plot | None
    range: tuple[str, str]
    values: tuple[float | None, ...]
    digits: int


def metric_rows(metrics: ClipMetrics) -> tuple[MetricRow, ...]:
    """Returns the metrics in the order in which people read them."""
    rows = []
    order = {name: index for index, name in enumerate(KINDS)}
    for one in sorted(metrics.measured.values(), key=lambda one: order.get(one.name.partition("[")[0], len(order))):
        kind, worst = kind_of(one.name), one.worst_frame
        digits = kind.digits if kind is not None else _DIGITS
        # Noise below the digits that mean something would fill a plot of its own.
        values = tuple(None if value is None else round(value, digits) for value in one.frames)
        known = [value for value in values if value is not None]
        rows.append(
            MetricRow(
                one,
                title=kind.title[:1].upper() + kind.title[1:] if kind is not None else one.name,
                about=one.name.partition("[")[2].removesuffix("]"),
                explanation=kind.explanation if kind is not None else "",
                value=f"{one.value:.{digits}f}",
                worst=None if worst is None else (worst, f"{one.frames[worst]:.{digits}f}"),
                plot=plot(values) if len(known) > 1 else None,
                range=(f"{min(known, default=0):.{digits}f}", f"{max(known, default=0):.{digits}f}"),
                values=values,
                digits=digits,
            )
        )
    return tuple(rows)


def plot(values: Sequence[float | None]) -> Plot:
    """Returns the plot of values, None where there is none; long series are thinned to their means."""
    thin = _thinned(values)
    known = [value for value in thin if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = (high - low) * _PADDING or 1.0
    bottom, top = low - margin, high + margin
    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(thin):
        if value is None or not math.isfinite(value):
            runs.append([])
            continue
        x = WIDTH * index / max(1, len(thin) - 1)
        runs[-1].append((round(x, 1), round(HEIGHT * (top - value) / (top - bottom), 1)))
    lines = tuple(" ".join(f"{x:g},{y:g}" for x, y in run) for run in runs if len(run) > 1)
    return Plot(lines, tuple(run[0] for run in runs if len(run) == 1), low, high, len(values))


def number_text(value: float | None) -> str:
    """Returns a number with three or four digits that matter."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 10000 or size < 0.001:
        return f"{value:.2e}"
    return f"{value:.{max(0, min(4, 3 - math.floor(math.log10(size))))}f}"


def _thinned(values: Sequence[float | None]) -> list[float | None]:
    width = math.ceil(len(values) / _MOST_POINTS) if values else 1
    if width == 1:
        return list(values)
    thin: list[float | None] = []
    for start in range(0, len(values), width):
        known = [value for value in values[start : start + width] if value is not None]
        thin.append(sum(known) / len(known) if known else None)
    return thin
