"""The part of an object that stays with the object while the rest of it is cloth, or soft.

A copy of this module lies beside every generated scene script (see `motion`), so it imports numpy only.
Object frame: x to the right, y away from the source camera, z up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SIDES = {"left": (0, 0), "right": (0, 1), "front": (1, 0), "back": (1, 1), "bottom": (2, 0), "top": (2, 1)}
"""Side of the object's box -> (axis, 0 for its low end or 1 for its high one)."""


@dataclass(frozen=True)
class HeldRegion:
    """Which vertices are held.

    Attributes:
        side: A side of the object's box, or None.
        share: How deep it reaches from that side, as a share of the object's extent.
        box_m: Instead: low and high corner of a box in the object's frame, or None.
    """

    side: str | None = None
    share: float = 0.03
    box_m: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is held."""
        return self.side is None and self.box_m is None


def held_vertices(points: Array, region: HeldRegion) -> Array:
    """Returns bool (n,): which of the points (n, 3), metres in the object's frame, are in the region."""
    if region.is_nothing:
        return np.zeros(len(points), bool)
    return _distances(points, region) <= 1e-9 * float(np.ptp(points, axis=0).max())


def freedom(points: Array, region: HeldRegion) -> Array:
    """Returns (n,): how far each point may go its own way, 0 in the region to 1 at the point that is furthest off."""
    if region.is_nothing:
        return np.ones(len(points))
    distance = _distances(points, region)
    share = distance / max(float(distance.max()), 1e-12)
    return np.asarray(share**1.5)  # a level start: no crease where the held part ends


def fault(points: Array, region: HeldRegion) -> str:
    """Returns what is wrong with a region that holds nothing although it should, or everything; else nothing."""
    if region.is_nothing:
        return ""
    is_held = held_vertices(points, region)
    low, high = (np.round(edge(points, axis=0), 3).tolist() for edge in (np.min, np.max))
    if not is_held.any():
        return f"no vertex is in the pinned region; the object's own box is {low} to {high} m"
    if is_held.all():
        return f"the pinned region holds all of the object, whose own box is {low} to {high} m"
    return ""


def _distances(points: Array, region: HeldRegion) -> Array:
    """Returns how far each point is from the region."""
    points = np.asarray(points, np.float64)
    if region.box_m is not None:
        low, high = np.array(region.box_m)
        return np.asarray(np.linalg.norm(points - np.clip(points, low, high), axis=1))
    assert region.side is not None, "a region that is not nothing has a side or a box"
    axis, end = SIDES[region.side]
    along = points[:, axis]
    low, high = float(along.min()), float(along.max())
    way = along - low if end == 0 else high - along
    return np.maximum(way - region.share * (high - low) - 1e-9 * (high - low), 0.0)
