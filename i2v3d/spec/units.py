"""Quantities as a spec writes them: `1.2m`, `30deg`, `0.5s`, `12f`, `50%`, or a bare number in the documented unit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from i2v3d.spec.suggest import nearest

_QUANTITY = re.compile(r"\s*([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*([^\s0-9.]*)\s*\Z")


class UnitError(ValueError):
    """A text that is not a quantity of the wanted kind."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Dimension:
    """One kind of quantity.

    Attributes:
        name: `length`.
        factors: How many base units one of each unit is.
        bare: The unit of a bare number.
        example: What a right value looks like.
    """

    name: str
    factors: dict[str, float]
    bare: str
    example: str

    def parse(self, value: Any) -> float:  # Any: whatever YAML held
        """Returns the value in the base unit (factor 1).

        Raises:
            UnitError: Not a number with a known unit, or not finite.
        """
        number, unit = split_quantity(value, self.name, self.example)
        unit = unit or self.bare
        if unit not in self.factors:
            near = nearest(unit, self.factors)
            units = ", ".join(self.factors)
            hint = f"did you mean `{number:g}{near}`?" if near else f"units of {self.name}: {units}; {self.example}"
            raise UnitError(f"`{unit}` is not a unit of {self.name}", hint)
        return number * self.factors[unit]

    def format(self, base_value: float) -> str:
        """Returns text that `parse` reads back as exactly this value."""
        base = next(unit for unit, factor in self.factors.items() if factor == 1.0)
        return f"{base_value!r}{base}"


LENGTH = Dimension("length", {"m": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0}, "m", "for example `1.2m`")
ANGLE = Dimension(
    "angle", {"deg": math.pi / 180, "rad": 1.0, "°": math.pi / 180, "turn": math.tau}, "deg", "for example `30deg`"
)
TIME = Dimension("time", {"s": 1.0, "ms": 0.001, "min": 60.0}, "s", "for example `2.5s`")
MASS = Dimension("mass", {"kg": 1.0, "g": 0.001, "t": 1000.0}, "kg", "for example `80kg`")
SHARE = Dimension("share", {"": 1.0, "%": 0.01}, "", "for example `0.5` or `50%`")


@dataclass(frozen=True)
class Moment:
    """A point of the clip as written: a frame number, seconds, or a share of the clip's length."""

    value: float
    unit: Literal["frame", "s", "share"]

    def to_frame(self, fps: float, last_frame: int) -> float:
        """Returns the frame number, which may fall between frames."""
        if self.unit == "frame":
            return self.value
        return self.value * (fps if self.unit == "s" else last_frame)

    def as_written(self) -> str:
        """Returns text that `parse_moment` reads back: `12.0f`, `0.5s`, `0.25`-of-the-clip as `25.0%`."""
        if self.unit == "share":
            return f"{self.value * 100!r}%"
        return f"{self.value!r}{'f' if self.unit == 'frame' else 's'}"

    def __str__(self) -> str:
        if self.unit == "share":
            return f"{self.value * 100:g}%"
        return f"frame {self.value:g}" if self.unit == "frame" else f"{self.value:g}s"


@dataclass(frozen=True)
class Row:
    """A row or extent of the photo as written: pixels of the original photo, or a share of its height."""

    value: float
    unit: Literal["px", "share"]

    def to_px(self, *, original: float, prepared: float) -> float:
        """Returns pixels of the prepared photo, given both extents in pixels."""
        return self.value * (prepared if self.unit == "share" else prepared / original)


def parse_moment(value: Any) -> Moment:  # Any: whatever YAML held
    """Reads `12` (frame), `12f`, `0.5s`, `500ms` or `50%`.

    Raises:
        UnitError: None of these, or negative.
    """
    example = "a time is a frame `12`, seconds `0.5s` or a share `50%`"
    number, unit = split_quantity(value, "time", example)
    if number < 0:
        raise UnitError(f"the time {value} is negative", "times count from the start of the clip")
    if unit in ("", "f", "frame", "frames"):
        return Moment(number, "frame")
    if unit == "%":
        return Moment(number / 100, "share")
    if unit in TIME.factors:
        return Moment(number * TIME.factors[unit], "s")
    near = nearest(unit, (*TIME.factors, "f", "%"))
    raise UnitError(f"`{unit}` is not a unit of time", f"did you mean `{number:g}{near}`?" if near else example)


def parse_row(value: Any) -> Row:  # Any: whatever YAML held
    """Reads `92%`, `410px`, or a bare number: a share when within -1..1, else pixels.

    Raises:
        UnitError: None of these.
    """
    example = "a row is a share `92%` or pixels of the photo `410px`"
    number, unit = split_quantity(value, "row", example)
    if unit == "%":
        return Row(number / 100, "share")
    if unit == "px" or (unit == "" and abs(number) > 1):
        return Row(number, "px")
    if unit == "":
        return Row(number, "share")
    raise UnitError(f"`{unit}` is not a unit of rows", example)


def split_quantity(value: Any, name: str, example: str) -> tuple[float, str]:  # Any: whatever YAML held
    """Returns the number and the unit (empty when there is none) of a quantity as written.

    Raises:
        UnitError: It is neither a number nor a number with a unit, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise UnitError(f"{describe(value)} is not a {name}", example)
    if isinstance(value, str):
        match = _QUANTITY.match(value)
        if match is None:
            raise UnitError(f"`{value}` is not a {name}", example)
        number, unit = float(match.group(1)), match.group(2)
    else:
        number, unit = float(value), ""
    if not math.isfinite(number):
        raise UnitError(f"`{value}` is not a finite number", example)
    return number, unit


def describe(value: Any) -> str:  # Any: whatever YAML held
    """Returns a short name of a value for a message: `a mapping`, `the number 3`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"the text `{value if len(value) < 40 else value[:37] + '...'}`"
    return f"the number {value:g}" if isinstance(value, int | float) else type(value).__name__
