"""How a clip goes on from frame to frame, against how the scene does: warp error, seams, flicker."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from i2v3d.artifacts.scene import FramePasses
from i2v3d.geometry.frames import Array

STILL_PX = 0.1
"""A surface that moves less than this from frame to frame counts as still."""

SEAM_FLOOR = 1.0
"""Levels of 255 added to both sides of `seam_jumps`: what is below one level no one sees."""

_ROUND_TRIP_PX = 0.35
_ROUND_TRIP_SHARE = 0.05
_BESIDE = 4  # pairs of frames on each side of a keyframe that say what is usual there


def targets_of(passes: FramePasses) -> Array:
    """Returns where each pixel's surface is in the next frame, float32 (height, width, 2), in array indices."""
    height, width = passes.ids.shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([columns, rows], axis=-1) + passes.flow_forward_px


def is_seen_next(passes: FramePasses, following: FramePasses, targets: Array) -> Array:
    """Returns bool (height, width), True where a surface of a frame is visible in the next one, too.

    Forward and backward flow must cancel, the object must be the same, and the place inside the picture.
    """
    import cv2

    height, width = passes.ids.shape
    column, row = np.ascontiguousarray(targets[..., 0]), np.ascontiguousarray(targets[..., 1])
    back = cv2.remap(following.flow_backward_px, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ids = cv2.remap(following.ids, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    forward = passes.flow_forward_px
    rest, length = back + forward, cv2.magnitude(forward[..., 0], forward[..., 1])
    returns = cv2.magnitude(rest[..., 0], rest[..., 1]) < _ROUND_TRIP_PX + _ROUND_TRIP_SHARE * length
    inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    return returns & inside & (ids == passes.ids) & (passes.ids > 0)


def brought_back(picture: Array, targets: Array) -> Array:
    """Returns the next frame's colours at this frame's surfaces, of the picture's type."""
    import cv2

    column, row = np.ascontiguousarray(targets[..., 0]), np.ascontiguousarray(targets[..., 1])
    return cv2.remap(picture, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def mean_difference(first: Array, second: Array, is_counted: Array) -> float | None:
    """Returns the mean absolute difference of two uint8 pictures in 1/255, or None where nothing is counted.

    Of a frame and the next one brought back this is the warp error: 0 for a clip in which nothing moves, the error of
    resampling for the render itself.

    Source: Lai et al. 2018, "Learning Blind Video Temporal Consistency", section 4.2, with the absolute in place of
    the squared error and the exact flow in place of an estimate.
    """
    import cv2

    return _masked_mean(cv2.absdiff(first, second), is_counted)


def change_against_render(result: tuple[Array, Array], render: tuple[Array, Array], is_counted: Array) -> float | None:
    """Returns how much the difference of result and render changes from a frame to the next, mean in 1/255.

    What the scene does by itself falls out, and a refined texture that moves with its surface does. Equal clips: 0.
    A step of all colours by s levels: s.

    Args:
        result: A frame and the next one, brought back, uint8 (height, width, 3).
        render: The same of the render.
        is_counted: bool (height, width), surfaces that both frames show.
    """
    import cv2

    first, second = (cv2.subtract(a, b, dtype=cv2.CV_16S) for a, b in zip(result, render, strict=True))
    return _masked_mean(cv2.absdiff(first, second), is_counted)


def _masked_mean(difference: Array, is_counted: Array) -> float | None:
    import cv2

    count = int(np.count_nonzero(is_counted))
    if count == 0:
        return None
    return float(np.mean(cv2.mean(difference, mask=is_counted.view(np.uint8))[:3]))


def seam_jumps(changes: Sequence[float | None], seams: Collection[int]) -> dict[int, float]:
    """Returns by keyframe how much more changes there than beside it; 1 for equal clips.

    (1 + change into or out of the keyframe, the larger) / (1 + mean change of the four pairs of frames before and
    after), in levels of 255. A step of s levels at one keyframe of a clip that equals its render: 1 + s.

    Args:
        changes: Of each frame to the next, as `change_against_render` gives them.
        seams: Keyframes; the first and last frame of the clip are none.
    """
    at_seams = {pair for seam in seams for pair in (seam - 1, seam)}
    jumps = {}
    for seam in sorted(seams):
        if not 0 < seam < len(changes) - 1:
            continue
        there = [change for change in changes[seam - 1 : seam + 1] if change is not None]
        around = range(max(0, seam - 1 - _BESIDE), min(len(changes), seam + 1 + _BESIDE))
        beside = [change for pair in around if pair not in at_seams and (change := changes[pair]) is not None]
        if there and beside:
            jumps[seam] = (SEAM_FLOOR + max(there)) / (SEAM_FLOOR + sum(beside) / len(beside))
    return jumps


def is_still(passes: FramePasses) -> Array:
    """Returns bool (height, width), True where a drawn surface rests from the previous frame to the next one."""
    import cv2

    is_resting: Array = passes.ids > 0
    if not (passes.has_next and passes.has_previous):
        return np.zeros_like(is_resting)
    for flow in (passes.flow_forward_px, passes.flow_backward_px):
        is_resting &= cv2.magnitude(*cv2.split(flow)) < STILL_PX
    return is_resting


def flicker_square(differences: Sequence[Array], is_counted: Array) -> float | None:
    """Returns the variance in 1/255^2 of noise that would make the result flicker so, mean over counted pixels.

    (before - 2 now + after)^2 / 6 of the difference of result and render: 0 for pixels that do what the render does, or
    drift from it evenly, s^2 for independent noise of standard deviation s in every frame. None where nothing is
    counted.

    Args:
        differences: int16 (height, width, 3), result less render, of a frame's predecessor, of itself and of the next.
        is_counted: bool (height, width), where nothing moves.
    """
    if not is_counted.any():
        return None
    before, now, after = differences
    second = (before + after - 2 * now)[is_counted].astype(np.float32)
    return float(np.mean(second * second, dtype=np.float64) / 6)


def root_mean(squares: Sequence[float]) -> float:
    """Returns the root of the mean; 0 of nothing."""
    return math.sqrt(sum(squares) / len(squares)) if squares else 0.0


__all__ = [
    "SEAM_FLOOR",
    "STILL_PX",
    "brought_back",
    "change_against_render",
    "flicker_square",
    "is_seen_next",
    "is_still",
    "mean_difference",
    "root_mean",
    "seam_jumps",
    "targets_of",
]
