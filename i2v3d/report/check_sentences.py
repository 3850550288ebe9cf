"""What a comparison with a baseline found, in a sentence for people."""

from __future__ import annotations

from i2v3d.metrics.comparison import Comparison
from i2v3d.report.problems import count_text

_COLOURS = ("red", "green", "blue")
_LEAST_COLOUR_PERCENT = 0.3


def sentence(one: Comparison) -> str:
    """Returns what is off, by how much, and where."""
    return f"{_WORDS[one.aspect](one)}{_where(one)}"


def number_text(value: float, unit: str = "") -> str:
    """Returns a number with as many digits as mean something, and its unit."""
    text = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _where(one: Comparison) -> str:
    if one.frame is None or one.aspect == "time":
        return ""
    more = one.failing_frames - 1
    return f" in frame {one.frame}" + (f" (and in {count_text(more, 'other frame')})" if more > 0 else "")


def _what(one: Comparison) -> str:
    if one.subject == "Background":
        return "the background"
    return f"`{one.subject}`" if one.subject else "the whole picture"


def _way(one: Comparison) -> str:
    """Returns `2 px to the right and 1 px up`."""
    x, y = (float(one.detail.get(axis, 0.0)) for axis in "xy")
    parts = [(abs(x), "to the right" if x > 0 else "to the left"), (abs(y), "down" if y > 0 else "up")]
    told = [f"{number_text(length)} px {word}" for length, word in parts if length >= 0.1 * one.value]
    return " and ".join(told) or f"{number_text(one.value)} px"


def _colour(one: Comparison) -> str:
    changes = [(name, float(one.detail.get(name, 0.0))) for name in _COLOURS]
    told = [f"{name} {change:+.1f} %" for name, change in changes if abs(change) >= _LEAST_COLOUR_PERCENT]
    how = f": {', '.join(told)} of white" if told else ""
    return f"the colours of {_what(one)} are off by {number_text(one.value)} %{how},"


def _time(one: Comparison) -> str:
    if one.frame is None:
        return "time runs as in the baseline"
    count, shown = int(float(one.detail["count"])), int(float(one.detail["shown"]))
    rest = int(float(one.detail["jumps"])) - 1
    more = f"; time jumps at {count_text(rest, 'other place')}, too" if rest else ""
    frame = one.frame
    if one.detail["kind"] == "dropped":
        return f"frame {frame} looks like frame {shown} of the baseline: {_were(count)} dropped before it{more}"
    if one.detail["kind"] == "inserted":
        return f"frame {frame} looks like frame {shown} of the baseline: {_were(count)} too many before it{more}"
    if one.detail["kind"] == "exchanged":
        return f"{count_text(count, 'frame')} from frame {frame} on are in another order{more}"
    return f"{count_text(count, 'frame')} from frame {frame} on repeat frame {shown} of the baseline{more}"


def _were(count: int) -> str:
    return "one frame was" if count == 1 else f"{count} frames were"


def _presence(one: Comparison) -> str:
    gone = one.detail.get("was") == "there"
    return f"{_what(one)} {'is gone' if gone else 'is there and was not'}"


def _metric(one: Comparison) -> str:
    if "why" in one.detail:
        return f"{one.subject} has no value any more: {one.detail['why']}"
    was, now = (number_text(float(one.detail[name]), one.unit) for name in ("was", "now"))
    return f"{one.subject} was {was} and is {now}, worst"


_WORDS = {
    "format": lambda one: f"the clip has {one.detail['now']}; the baseline has {one.detail['was']}",
    "time": _time,
    "shift": lambda one: f"{_what(one)} is shifted by {_way(one)}",
    "colour": _colour,
    "detail": lambda one: (
        f"a part of the picture looks different, by {number_text(one.value)} of 255 "
        f"({number_text(one.tolerance)} may come from compression),"
    ),
    "presence": _presence,
    "place": lambda one: f"{_what(one)} stands {_way(one)} of where it was, by the object mask,",
    "size": lambda one: f"{_what(one)} covers {number_text(one.value)} % more or fewer pixels",
    "outline": lambda one: f"{number_text(one.value)} % of {_what(one)} are outside its old outline",
    "distance": lambda one: f"{_what(one)} is {number_text(one.value)} % nearer or further away",
    "depth": lambda one: f"the depth of the picture is off by {number_text(one.value)} %",
    "metric": _metric,
}
