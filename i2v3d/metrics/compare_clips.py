"""Holds a clip to its baseline: in time first, then frame by frame as it belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.metrics.colour_fit import drift_percent, fit_colours
from i2v3d.metrics.compare_geometry import GeometryPair, compare_geometry, distance_between
from i2v3d.metrics.compare_pictures import (
    MOST_DRIFT_PERCENT,
    MOST_SHIFT,
    PicturePair,
    compare_pictures,
    region_masks,
    shifts_of,
)
from i2v3d.metrics.comparison import WHOLE, Comparison
from i2v3d.metrics.fingerprint import ClipPrint
from i2v3d.metrics.time_alignment import Jump, align, jump_cost, jumps, small_picture, squared_distances

BACKGROUND_ID = 1
_LEFT_OVER_SHARE = 0.4


@dataclass(frozen=True)
class ClipComparison:
    """How a clip differs from its baseline.

    Attributes:
        comparisons: Every aspect, those that hold too.
        shown: For each frame of the clip the frame of the baseline that it was compared with.
        jumps: Where time does not go on as in the baseline.
    """

    comparisons: tuple[Comparison, ...]
    shown: tuple[int, ...]
    jumps: tuple[Jump, ...] = ()


def compare_clips(before: ClipPrint, after: ClipPrint) -> ClipComparison:
    """Returns how `after` differs from the baseline `before`; equal clips are off by 0 in every aspect."""
    formats = _compare_formats(before, after)
    if before.frames[0].thumbnail.shape != after.frames[0].thumbnail.shape:
        return ClipComparison(tuple(formats), tuple(range(len(after.frames))))
    shown = _align(before, after)
    found = jumps(shown, len(before.frames))
    names = tuple(before.names.values())
    background = before.names.get(BACKGROUND_ID, "")
    pairs = [
        PicturePair(was, now, region_masks(was, before.names), background)
        for was, now in zip((before.frames[index] for index in shown), after.frames, strict=True)
    ]
    comparisons = [
        *formats,
        _time_comparison(found, len(after.frames)),
        *compare_pictures(pairs, names, width=after.width),
        *_compare_passes(before, after, shown),
    ]
    return ClipComparison(tuple(comparisons), tuple(int(index) for index in shown), found)


def _compare_formats(before: ClipPrint, after: ClipPrint) -> list[Comparison]:
    facts = {
        "size": (f"{before.width} x {before.height}", f"{after.width} x {after.height}"),
        "rate": (f"{before.fps:g} fps", f"{after.fps:g} fps"),
        "frames": (f"{len(before.frames)} frames", f"{len(after.frames)} frames"),
    }
    return [
        Comparison("format", name, float(was != now), 0.5, "", detail={"was": was, "now": now})
        for name, (was, now) in facts.items()
    ]


def _time_comparison(found: Sequence[Jump], count: int) -> Comparison:
    wrong = float(sum(jump.count for jump in found))
    detail: dict[str, float | str] = {}
    if found:
        first = found[0]
        detail = {"kind": first.kind, "shown": first.shown, "count": first.count, "jumps": len(found)}
    by_frame = [0.0] * count
    for jump in found:
        by_frame[min(jump.frame, count - 1)] = 1.0
    frame = min(found[0].frame, count - 1) if found else None
    return Comparison("time", WHOLE, wrong, 0.5, "frames", frame, tuple(by_frame), detail)


def _align(before: ClipPrint, after: ClipPrint) -> Array:
    """Returns which frame of the baseline each frame is, as little out of order as explains what is seen.

    A part of the picture that is shifted looks like another moment where it moves: where taking the shift back explains
    the pictures better than jumps in time do, nothing jumps.
    """
    was = [small_picture(frame.thumbnail) for frame in before.frames]
    now = [small_picture(frame.thumbnail) for frame in after.frames]
    shown = align(was, now)
    straight = np.arange(len(now))
    if len(was) != len(now) or (shown == straight).all():
        return shown
    distances = squared_distances(np.stack(was), np.stack(now))
    if not _is_explained(distances, shown):
        return straight
    mended = _put_back(before, after)
    jump = jump_cost(distances)
    path = distances[straight, shown].sum() + jump * np.count_nonzero(np.diff(shown) != 1)
    unmoved = squared_distances(np.stack(was), np.stack([small_picture(one.thumbnail) for one in mended]))
    starts = np.count_nonzero(np.diff([False, *(one.is_changed for one in mended)]))
    return straight if unmoved[straight, straight].sum() + jump * starts <= path else shown


def _is_explained(distances: Array, shown: Array) -> bool:
    """Returns whether frames that are out of order look as much like what they are put beside as the others do.

    What was changed in the scene looks a little more like other moments, too, but not like any of them.
    """
    straight = np.arange(len(shown))
    is_moved = shown != straight
    usual = float(np.median(distances[straight, straight][~is_moved])) if not is_moved.all() else distances.min()
    there = np.maximum(distances[straight, straight] - usual, 0)[is_moved].sum()
    here = np.maximum(distances[straight, shown] - usual, 0)[is_moved].sum()
    return bool(here <= _LEFT_OVER_SHARE * there)


@dataclass(frozen=True)
class _Mended:
    """A thumbnail, what is shifted or drifts in it put back."""

    thumbnail: Array
    is_changed: bool


def _put_back(before: ClipPrint, after: ClipPrint) -> list[_Mended]:
    background = before.names.get(BACKGROUND_ID, "")
    mended = []
    for was, now in zip(before.frames, after.frames, strict=True):
        pair = PicturePair(was, now, region_masks(was, before.names), background)
        pixels, is_shifted = _shifted_back(pair)
        gain, offset = fit_colours(was.colours.reshape(-1, 3), now.colours.reshape(-1, 3))
        is_drifting = drift_percent(gain, offset) > MOST_DRIFT_PERCENT
        if is_drifting:
            pixels = (pixels - offset.astype(np.float32)) / (1 + gain.astype(np.float32))
        mended.append(_Mended(pixels.astype(np.float32), is_shifted or is_drifting))
    return mended


def _shifted_back(pair: PicturePair) -> tuple[Array, bool]:
    import cv2

    pixels = pair.after.thumbnail.astype(np.float32)
    height, width = pixels.shape[:2]
    shifts = shifts_of(pair)
    parts = dict(pair.regions) or {WHOLE: np.ones((height, width), bool)}
    mended = pixels.copy()
    is_shifted = False
    for name, mask in parts.items():
        shift = shifts[name]
        if shift.length_px > MOST_SHIFT * width:
            matrix = np.array([[1, 0, -shift.x_px], [0, 1, -shift.y_px]], np.float64)
            moved = cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
            mended[mask] = moved[mask]
            is_shifted = True
    return mended, is_shifted


def _compare_passes(before: ClipPrint, after: ClipPrint, shown: Array) -> list[Comparison]:
    """Passes are put beside each other as the pictures are, or straight where that fits them better."""
    ways = [shown]
    if len(before.frames) == len(after.frames):
        ways.insert(0, np.arange(len(after.frames)))
    best = min(ways, key=lambda way: _misfit(before, after, way))
    pairs = [
        GeometryPair(was.geometry, now.geometry)
        for was, now in zip((before.frames[index] for index in best), after.frames, strict=True)
        if was.geometry is not None and now.geometry is not None
    ]
    if len(pairs) != len(after.frames):
        return []
    ids = {name: number for number, name in before.names.items()}
    now = {name: number for number, name in after.names.items()}
    both = {name: (ids.get(name, 0), now.get(name, 0)) for name in dict.fromkeys([*ids, *now])}
    return compare_geometry(pairs, both, width=after.width)


def _misfit(before: ClipPrint, after: ClipPrint, way: Array) -> float:
    pairs = [(before.frames[index].geometry, frame.geometry) for index, frame in zip(way, after.frames, strict=True)]
    return sum(distance_between(was, now) for was, now in pairs if was is not None and now is not None)
