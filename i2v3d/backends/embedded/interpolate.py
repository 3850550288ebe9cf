"""Clip interpolator without weights: the render of each frame plus what its keyframes changed.

A frame between two keyframes has a render of its own, with exact geometry and resampled once from the
photo. Warping the keyframes' colours there resamples them again and softens them, so what is warped is
the *correction* (refined minus rendered): detail stays crisp, and a correction moves with its surface.
Only where nothing was drawn are the keyframes' colours themselves carried.

Measured by `tests/bench/refine.py` on a frame half-way between keyframes, against that frame refined as
a keyframe itself: a dolly towards a cat 57.6 dB against 44.3 dB for warped keyframes, a slow push to a
person 63.8 against 44.0 dB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from i2v3d.backends.base import ClipFrame
from i2v3d.backends.embedded.residual_flow import meet_in_time
from i2v3d.backends.embedded.warping import (
    Track,
    motion_of,
    resting_track,
    sample,
    sample_nearest,
    sample_sharp,
    spread,
    step_ahead,
    step_back,
)
from i2v3d.geometry.frames import Array

_KEPT_MOTIONS = 20  # 12 MB each at 1024x576
_FEATHER_PX = 2.0
_MARGIN_PX = 32
_LEAST_WEIGHT = 1e-4
_DIFFERING = 6.0  # grey levels between the two keyframes' corrections, below which no search is worth it
_DIFFERING_LEAST_PX = 64


@dataclass(frozen=True)
class _Key:
    """A keyframe: its refined colour, its change to the render, and where it can give a correction."""

    colour: Array
    correction: Array | None  # None when refining changed nothing
    is_drawn: Array

    @classmethod
    def of(cls, refined: Array, frame: ClipFrame) -> _Key:
        is_hole = frame.ids == 0
        # A pixel beside a hole may be mixed with it; its correction would be wrong anywhere else.
        is_drawn = cv2.erode((~is_hole).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        change = refined.astype(np.float32) - frame.colour
        change[~is_drawn] = 0
        return cls(refined, change if change.any() else None, is_drawn)


class _Motions:
    """Motions of the frames of an interval, made when asked for; the latest ones stay in memory."""

    def __init__(self, frames: Sequence[ClipFrame]) -> None:
        self.at = lru_cache(maxsize=_KEPT_MOTIONS)(lambda index: motion_of(frames[index].passes))


class FlowInterpolator:
    """Warped corrections with visibility, a small residual flow and a multi-band blend."""

    def interpolate(self, first: Array, last: Array, frames: Sequence[ClipFrame]) -> Iterator[Array]:
        """See `ClipInterpolator.interpolate`."""
        steps = len(frames) - 1
        keys = _Key.of(first, frames[0]), _Key.of(last, frames[steps])
        if all(key.correction is None for key in keys) and all(_is_whole(frame) for frame in frames):
            yield from (frame.colour for frame in frames)
            return
        motions = _Motions(frames)
        to_last = _tracks_to_last(motions, steps)
        to_first = resting_track(first.shape[:2])
        yield first
        for index in range(1, steps):
            to_first = step_back(motions.at(index - 1), motions.at(index), to_first)
            yield _between(frames[index], keys, (to_first, to_last.pop()), index / steps)
        yield last


def _is_whole(frame: ClipFrame) -> bool:
    return bool(frame.ids.all())


def _tracks_to_last(motions: _Motions, steps: int) -> list[Track]:
    """Returns where the surfaces of the frames between lie in the last one, in reversed time order."""
    track = resting_track(motions.at(steps).ids.shape)
    tracks = []
    for index in range(steps - 1, 0, -1):
        track = step_ahead(motions.at(index + 1), motions.at(index), track)
        tracks.append(track)
    return tracks


def _between(frame: ClipFrame, keys: tuple[_Key, _Key], tracks: tuple[Track, Track], share: float) -> Array:
    """Returns the frame at this share of the way from the first to the last keyframe."""
    weights = [
        _weight(track.is_visible & sample_nearest(key.is_drawn.view(np.uint8), track.at_px).view(bool), part)
        for key, track, part in zip(keys, tracks, (1 - share, share), strict=True)
    ]
    colour = frame.colour.astype(np.float32)
    if any(key.correction is not None for key in keys):
        colour = colour + _blended_correction(colour, keys, tracks, weights)
    is_hole = frame.ids == 0
    if is_hole.any():
        is_hole = cv2.dilate(is_hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        rows, columns = _surroundings(is_hole)
        cut = tracks[0].part(rows, columns), tracks[1].part(rows, columns)
        part = colour[rows, columns]
        filled = _hole_colours(part, is_hole[rows, columns], keys, cut, share)
        part[is_hole[rows, columns]] = filled[is_hole[rows, columns]]
    return np.rint(np.clip(colour, 0, 255)).astype(np.uint8)


def _surroundings(is_hole: Array) -> tuple[slice, slice]:
    """Returns the rows and columns of the hole and a margin."""
    left, top, width, height = cv2.boundingRect(is_hole.astype(np.uint8))
    return (
        slice(max(top - _MARGIN_PX, 0), top + height + _MARGIN_PX),
        slice(max(left - _MARGIN_PX, 0), left + width + _MARGIN_PX),
    )


def _weight(is_visible: Array, part: float) -> Array:
    visible = is_visible.astype(np.float32)
    return cv2.GaussianBlur(visible, (0, 0), _FEATHER_PX) * visible * np.float32(part)


def _blended_correction(
    rendered: Array, keys: tuple[_Key, _Key], tracks: tuple[Track, Track], weights: list[Array]
) -> Array:
    """Returns float32 (height, width, 3): both keyframes' corrections by time and visibility."""
    changes = [
        np.zeros_like(rendered) if key.correction is None else sample(key.correction, track.at_px)
        for key, track in zip(keys, tracks, strict=True)
    ]
    total = weights[0] + weights[1]
    share = np.where(total > _LEAST_WEIGHT, weights[1] / np.maximum(total, _LEAST_WEIGHT), 0).astype(np.float32)
    is_seen = (total > _LEAST_WEIGHT).astype(np.float32)
    is_both = (weights[0] > _LEAST_WEIGHT) & (weights[1] > _LEAST_WEIGHT)
    is_differing = is_both & _differ(changes)
    if int(is_differing.sum()) >= _DIFFERING_LEAST_PX:
        first, last = (rendered + change for change in changes)
        return (meet_in_time(first, last, share, is_differing) - rendered) * is_seen[..., None]
    return (changes[0] + (changes[1] - changes[0]) * share[..., None]) * is_seen[..., None]


def _differ(pictures: list[Array]) -> Array:
    return cv2.transform(cv2.absdiff(*pictures), np.full((1, 3), 1 / 3, np.float32)) > _DIFFERING


def _hole_colours(
    rendered: Array, is_hole: Array, keys: tuple[_Key, _Key], tracks: tuple[Track, Track], share: float
) -> Array:
    """Returns float32 (height, width, 3): the keyframes' own colours where the render has none.

    What neither keyframe shows is spread from its surroundings.
    """
    seen = [track.is_visible for track in tracks]
    weights = [_weight(is_seen, part) for is_seen, part in zip(seen, (1 - share, share), strict=True)]
    warped = [sample_sharp(key.colour.astype(np.float32), track.at_px) for key, track in zip(keys, tracks, strict=True)]
    total = weights[0] + weights[1]
    part = (weights[1] / np.maximum(total, _LEAST_WEIGHT)).astype(np.float32)
    is_both = seen[0] & seen[1] & is_hole
    is_differing = is_both & _differ(warped)
    if int(is_differing.sum()) >= _DIFFERING_LEAST_PX:
        colour = meet_in_time(warped[0], warped[1], part, is_differing)
    else:
        colour = warped[0] + (warped[1] - warped[0]) * part[..., None]
    is_known = ~is_hole | (total > _LEAST_WEIGHT)
    known = np.where(is_hole[..., None], colour, rendered)
    return known if is_known.all() else spread(known, is_known)


__all__ = ["FlowInterpolator"]
