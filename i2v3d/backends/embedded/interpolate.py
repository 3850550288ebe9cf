"""Clip interpolator without weights: the render of each frame plus what its keyframes changed.

A frame between two keyframes has a render of its own, with exact geometry and resampled once from the
photo. Warping the keyframes' colours there resamples them again and softens them, so what is warped is
the *correction* (refined minus rendered): detail stays crisp, and a correction moves with its surface.
Only where nothing was drawn are the keyframes' colours themselves carried.
`tests/bench/refine.py` compares the two ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from i2v3d.backends.base import RenderedFrame
from i2v3d.backends.embedded.residual_flow import meet_in_time
from i2v3d.backends.embedded.warping import (
    Motion,
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

_FEATHER_PX = 2.0
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
    def of(cls, refined: Array, frame: RenderedFrame) -> _Key:
        is_hole = frame.passes.ids == 0
        # A pixel beside a hole may be mixed with it; its correction would be wrong anywhere else.
        is_drawn = cv2.erode((~is_hole).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        change = refined.astype(np.float32) - frame.colour
        change[~is_drawn] = 0
        return cls(refined, change if change.any() else None, is_drawn)


class FlowInterpolator:
    """Warped corrections with visibility, a small residual flow and a multi-band blend."""

    def interpolate(self, first: Array, last: Array, frames: Sequence[RenderedFrame]) -> Iterator[Array]:
        """See `ClipInterpolator.interpolate`."""
        ends = frames[0], frames[len(frames) - 1]
        keys = _Key.of(first, ends[0]), _Key.of(last, ends[1])
        steps = len(frames) - 1
        if all(key.correction is None for key in keys) and not any(
            (frame.passes.ids == 0).any() for frame in (frames[index] for index in range(steps + 1))
        ):
            yield from (frames[index].colour for index in range(steps + 1))
            return
        to_last = _tracks_to_last(frames)
        track: Track | None = None
        before: Motion | None = None
        for index in range(steps + 1):
            frame = frames[index]
            current = motion_of(frame.passes)
            track = (
                resting_track(current.ids.shape)
                if before is None or track is None
                else step_back(before, current, track)
            )
            before = current
            if index in (0, steps):
                yield last if index else first
                continue
            yield _between(frame, keys, (track, to_last[index]), index / steps)


def _tracks_to_last(frames: Sequence[RenderedFrame]) -> list[Track]:
    """Returns, per frame, where its surfaces lie in the last one."""
    following = motion_of(frames[len(frames) - 1].passes)
    track = resting_track(following.ids.shape)
    tracks = [track]
    for index in range(len(frames) - 2, 0, -1):
        current = motion_of(frames[index].passes)
        track = step_ahead(following, current, track)
        tracks.append(track)
        following = current
    tracks.append(track)  # the first frame is the keyframe itself and needs none
    return tracks[::-1]


def _between(frame: RenderedFrame, keys: tuple[_Key, _Key], tracks: tuple[Track, Track], share: float) -> Array:
    """Returns the frame at this share of the way from the first to the last keyframe."""
    weights = [
        _weight(track.is_visible & sample_nearest(key.is_drawn.view(np.uint8), track.at_px).view(bool), part)
        for key, track, part in zip(keys, tracks, (1 - share, share), strict=True)
    ]
    colour = frame.colour.astype(np.float32)
    if any(key.correction is not None for key in keys):
        colour = colour + _blended_correction(colour, keys, tracks, weights)
    is_hole = frame.passes.ids == 0
    if is_hole.any():
        is_hole = cv2.dilate(is_hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        colour = np.where(is_hole[..., None], _hole_colours(colour, is_hole, keys, tracks, share), colour)
    return np.rint(np.clip(colour, 0, 255)).astype(np.uint8)


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
    is_differing = is_both & (np.abs(changes[0] - changes[1]).max(axis=2) > _DIFFERING)
    if int(is_differing.sum()) >= _DIFFERING_LEAST_PX:
        first, last = (rendered + change for change in changes)
        return (meet_in_time(first, last, share, is_differing) - rendered) * is_seen[..., None]
    return (changes[0] + (changes[1] - changes[0]) * share[..., None]) * is_seen[..., None]


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
    is_differing = is_both & (np.abs(warped[0] - warped[1]).max(axis=2) > _DIFFERING)
    if int(is_differing.sum()) >= _DIFFERING_LEAST_PX:
        colour = meet_in_time(warped[0], warped[1], part, is_differing)
    else:
        colour = warped[0] + (warped[1] - warped[0]) * part[..., None]
    is_known = ~is_hole | (total > _LEAST_WEIGHT)
    known = np.where(is_hole[..., None], colour, rendered)
    return known if is_known.all() else spread(known, is_known)


__all__ = ["FlowInterpolator"]
