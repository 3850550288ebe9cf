"""Holds the exact passes of a clip to those of a baseline: which object is where, how large, and how far away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.metrics.comparison import REFERENCE_WIDTH, WHOLE, Comparison, worst_of
from i2v3d.metrics.fingerprint import GeometryPrint, ObjectPrint

MOST_MOVED = 0.8 / REFERENCE_WIDTH  # of the width
MOST_RESIZED_PERCENT = 3.0
MOST_OUTLINE_PERCENT = 1.0
MOST_DISTANCE_PERCENT = 1.5
MOST_DEPTH_PERCENT = 1.5
_LEAST_AREA = 64  # pixels: what is smaller is not measured
_RIM_CELLS = 6  # of an id map that may differ by chance


@dataclass(frozen=True)
class GeometryPair:
    """The passes of a frame of the baseline and of the clip."""

    before: GeometryPrint
    after: GeometryPrint


def compare_geometry(
    pairs: Sequence[GeometryPair], ids: Mapping[str, tuple[int, int]], *, width: int
) -> list[Comparison]:
    """Returns every aspect of the passes.

    Args:
        pairs: In the order of the clip.
        ids: Name -> id in the baseline, and in the clip.
        width: Of the clip.
    """
    found: list[Comparison | None] = []
    for name, numbers in ids.items():
        found += _compare_object(pairs, name, numbers, width)
    depths = [_depth_percent(pair) for pair in pairs]
    found.append(worst_of("depth", WHOLE, depths, tolerance=MOST_DEPTH_PERCENT, unit="%"))
    return [one for one in found if one is not None]


def distance_between(before: GeometryPrint, after: GeometryPrint) -> float:
    """Returns the share of cells whose ids differ, to find out which frames belong together."""
    return float((before.ids != after.ids).mean()) if before.ids.shape == after.ids.shape else 1.0


def _compare_object(
    pairs: Sequence[GeometryPair], name: str, numbers: tuple[int, int], width: int
) -> list[Comparison | None]:
    moved: list[float | None] = []
    ways: list[dict[str, float | str]] = []
    resized: list[float | None] = []
    outline: list[float | None] = []
    distance: list[float | None] = []
    presence: list[float | None] = []
    facts: list[dict[str, float | str]] = []
    for pair in pairs:
        before, after = pair.before.objects.get(name), pair.after.objects.get(name)
        is_missing = _is_large(before) and after is None
        is_new = before is None and _is_large(after)
        presence.append(float(is_missing or is_new))
        facts.append({"was": "there" if is_missing else "absent"})
        if before is None or after is None or min(before.area_px, after.area_px) < _LEAST_AREA:
            for values in (moved, resized, outline, distance):
                values.append(None)
            ways.append({})
            continue
        x, y = (after.centre_px[axis] - before.centre_px[axis] for axis in range(2))
        moved.append(float(np.hypot(x, y)))
        ways.append({"x": x, "y": y})
        resized.append(_certain(100 * abs(after.area_px / before.area_px - 1), before.area_px))
        outline.append(_outline_percent(pair.before.ids == numbers[0], pair.after.ids == numbers[1]))
        distance.append(100 * abs(before.nearness / after.nearness - 1) if before.nearness and after.nearness else None)
    return [
        worst_of("presence", name, presence, tolerance=0.5, unit="", details=facts),
        worst_of("place", name, moved, tolerance=MOST_MOVED * width, unit="px", details=ways),
        worst_of("size", name, resized, tolerance=MOST_RESIZED_PERCENT, unit="%"),
        worst_of("outline", name, outline, tolerance=MOST_OUTLINE_PERCENT, unit="%"),
        worst_of("distance", name, distance, tolerance=MOST_DISTANCE_PERCENT, unit="%"),
    ]


def _is_large(thing: ObjectPrint | None) -> bool:
    return thing is not None and thing.area_px >= _LEAST_AREA


def _certain(percent: float, area_px: int) -> float:
    """A few pixels at the outline of a small thing differ between machines."""
    return percent / (1 + 10 / np.sqrt(area_px))


def _outline_percent(before: Array, after: Array) -> float:
    """Returns how much of an object is outside the other's outline by more than a cell, percent of the object."""
    import cv2

    if before.shape != after.shape:
        return 100.0
    square = np.ones((3, 3), np.uint8)
    grown = [np.asarray(cv2.dilate(one.astype(np.uint8), square)) > 0 for one in (before, after)]
    beyond = int((before & ~grown[1]).sum()) + int((after & ~grown[0]).sum())
    return float(100 * max(beyond - _RIM_CELLS, 0) / max(int(before.sum()), 1))


def _depth_percent(pair: GeometryPair) -> float:
    """Returns the mean difference of the nearness of the picture's cells, percent of its mean."""
    mean = float(pair.before.nearness.mean())
    if mean <= 0:
        return 0.0 if float(pair.after.nearness.mean()) <= 0 else 100.0
    return float(100 * np.abs(pair.after.nearness - pair.before.nearness).mean() / mean)
