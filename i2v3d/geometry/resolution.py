"""The size of a picture, in a module of its own: reading a spec needs it and must not import numpy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resolution:
    """A picture's size in pixels."""

    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), as arrays have it."""
        return self.height, self.width
