"""Metrics as people read them in a terminal, and as files for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from i2v3d.artifacts.metrics import ClipMetrics, Measured, document_of, table_text
from i2v3d.metrics.catalog import KINDS, kind_of
from i2v3d.report.tables import columns_text

if TYPE_CHECKING:
    from i2v3d.execute.evaluate import Evaluation

_BARS = "▁▂▃▄▅▆▇█"
_PLOT_WIDTH = 24


def sparkline(values: Sequence[float | None], width: int = _PLOT_WIDTH) -> str:
    """Returns values over time as bars from their least to their largest; a dot stands for none.

    Of several values that share a place the largest is shown. Values that are all the same give a line in the middle.
    """
    count = min(width, len(values))
    groups = [values[index * len(values) // count : (index + 1) * len(values) // count] for index in range(count)]
    largest = [max((value for value in group if value is not None), default=None) for group in groups]
    known = [value for value in largest if value is not None]
    if not known:
        return ""
    least, span = min(known), max(known) - min(known)

    def bar(value: float | None) -> str:
        if value is None:
            return "·"
        share = 0.5 if span <= 1e-9 * max(abs(least), 1e-12) else (value - least) / span
        return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]

    return "".join(map(bar, largest))


def value_text(one: Measured) -> str:
    """Returns a value with as many decimals as mean something, and its unit."""
    return _with_unit(one, one.value)


def metrics_text(metrics: ClipMetrics) -> str:
    """Returns a table of one clip: value, which way is better, worst frame and course over time."""
    header = ("metric", "value", "better", "worst frame", "over time")
    rows = [
        (
            one.name,
            value_text(one),
            one.better,
            "" if one.worst_frame is None else f"{one.worst_frame} ({_with_unit(one, one.frames[one.worst_frame])})",
            sparkline(one.frames),
        )
        for one in _in_order(metrics)
    ]
    return "\n".join([columns_text([header, *rows]), *_missing_text(metrics.missing)])


def comparison_text(clips: Mapping[str, ClipMetrics]) -> str:
    """Returns a table with a column for each clip; `*` marks the best of a row."""
    names = list(dict.fromkeys(one.name for metrics in clips.values() for one in _in_order(metrics)))
    order = {name: index for index, name in enumerate(KINDS)}
    names.sort(key=lambda name: order.get(name.partition("[")[0], len(order)))
    rows = [("metric", "better", *clips)]
    for name in names:
        found = [metrics.measured.get(name) for metrics in clips.values()]
        some = next(one for one in found if one is not None)
        known = [one.value for one in found if one is not None]
        best = max(known) if some.better == "higher" else min(known)
        is_contest = len(set(known)) > 1
        cells = [
            "-" if one is None else value_text(one) + ("  *" if is_contest and one.value == best else "")
            for one in found
        ]
        rows.append((name, some.better, *cells))
    nowhere = {
        name: reason for metrics in clips.values() for name, reason in metrics.missing.items() if name not in names
    }
    return "\n".join([columns_text(rows), *_missing_text(nowhere)])


def evaluation_text(evaluation: Evaluation) -> str:
    """Returns what was measured as text: first what was done to each video."""
    lines = [f"{label}: {note}" for label, notes in evaluation.notes.items() for note in notes]
    if lines:
        lines.append("")
    if len(evaluation.clips) == 1:
        (metrics,) = evaluation.clips.values()
        return "\n".join([*lines, metrics_text(metrics)])
    return "\n".join([*lines, comparison_text(evaluation.clips)])


def evaluation_csv(evaluation: Evaluation) -> str:
    """Returns what was measured as CSV, by frame; of several clips with the clip's name before each row."""
    if len(evaluation.clips) == 1:
        (metrics,) = evaluation.clips.values()
        return table_text(metrics)
    return table_text(evaluation.clips)


def evaluation_json(evaluation: Evaluation) -> str:
    """Returns what was measured as JSON: of one clip as in `metrics.json`, of several by name, with notes."""
    if len(evaluation.clips) == 1 and not evaluation.notes:
        (metrics,) = evaluation.clips.values()
        return _json(document_of(metrics))
    clips = {
        label: {**document_of(metrics), "notes": list(evaluation.notes.get(label, ()))}
        for label, metrics in evaluation.clips.items()
    }
    return _json({"clips": clips})


def explanations_text() -> str:
    """Returns what each metric is, as `--help` shows it."""
    return "\n".join(
        f"  {kind.name} ({', '.join(part for part in (kind.unit, f'{kind.better} is better') if part)}): "
        f"{kind.explanation} A clip that equals its render: {kind.identical}."
        for kind in KINDS.values()
    )


def _in_order(metrics: ClipMetrics) -> list[Measured]:
    order = {name: index for index, name in enumerate(KINDS)}
    return sorted(metrics.measured.values(), key=lambda one: order.get(one.name.partition("[")[0], len(order)))


def _with_unit(one: Measured, value: float | None) -> str:
    kind = kind_of(one.name)
    number = f"{value:.{kind.digits if kind else 3}f}"
    if value and float(number) == 0:
        number = f"{value:.1e}"
    return f"{number} {one.unit}".rstrip()


def _missing_text(missing: Mapping[str, str]) -> list[str]:
    return ["", "not measured:", *(f"  {name}: {reason}" for name, reason in missing.items())] if missing else []


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


__all__ = [
    "comparison_text",
    "evaluation_csv",
    "evaluation_json",
    "evaluation_text",
    "explanations_text",
    "metrics_text",
    "sparkline",
    "value_text",
]
