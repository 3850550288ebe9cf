"""One aspect in which a clip is held to its baseline: how far it is off, and how far it may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Aspect = Literal[
    "format",
    "time",
    "shift",
    "colour",
    "detail",
    "presence",
    "place",
    "size",
    "outline",
    "distance",
    "depth",
    "metric",
]

WHOLE = ""
REFERENCE_WIDTH = 1024


@dataclass(frozen=True)
class Comparison:
    """One aspect, of the whole picture or of one object.

    Attributes:
        subject: Name of the object or metric, or empty for the whole picture.
        value: The worst over the clip.
        tolerance: What it may be; more fails.
        frame: Where it is worst, or None where it is not of a frame.
        by_frame: The value in each frame; None where it can't be told.
        detail: What the sentence about it says besides, by name.
    """

    aspect: Aspect
    subject: str
    value: float
    tolerance: float
    unit: str
    frame: int | None = None
    by_frame: tuple[float | None, ...] = ()
    detail: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`shift` or `shift[rocket]`."""
        return f"{self.aspect}[{self.subject}]" if self.subject else self.aspect

    @property
    def is_failure(self) -> bool:
        """Whether it is off by more than it may be."""
        return self.value > self.tolerance

    @property
    def excess(self) -> float:
        """How many times the tolerance it is off; by this findings are put in order."""
        return self.value / self.tolerance if self.tolerance > 0 else float(self.value > 0) * 1e6

    @property
    def failing_frames(self) -> int:
        """How many frames are off by more than they may be."""
        return sum(value is not None and value > self.tolerance for value in self.by_frame)


def worst_of(
    aspect: Aspect,
    subject: str,
    by_frame: Sequence[float | None],
    *,
    tolerance: float,
    unit: str,
    details: Sequence[Mapping[str, float | str]] = (),
) -> Comparison | None:
    """Returns the comparison of values over time; None where no frame has one.

    Args:
        aspect: What was compared.
        subject: See `Comparison`.
        by_frame: Values.
        tolerance: The same for all.
        unit: Of the values.
        details: For each frame; the worst one's is kept.
    """
    known = [(value, -frame) for frame, value in enumerate(by_frame) if value is not None]
    if not known:
        return None
    value, negative = max(known)
    frame = -negative
    detail = details[frame] if details else {}
    return Comparison(aspect, subject, value, tolerance, unit, frame, tuple(by_frame), detail)
