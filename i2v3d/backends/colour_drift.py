"""Takes colour drift out of a generated interval: at its two ends the truth is known, between them it is interpolated.

A video model gives its keyframes back through its own autoencoder and sampling, a little off in colour, and by another
amount in each interval; where two intervals meet, that is a jump. The error at each end is measured against the
keyframe, smoothed until no detail is left in it, and taken off every frame, from the first end's error to the last
one's in equal steps. Objects and background are smoothed apart and follow each frame's own masks: the drift of one
doesn't bleed into the other, and moves with it.

Detail stays the model's own, at the ends too. Putting the keyframes themselves there would be worse: they have the
texture of another model, and one foreign frame flashes (`tests/bench/seam.py` has the numbers).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from i2v3d.geometry.frames import Array

_REACH = 1 / 16
"""Sigma of the smoothing over the shorter side of the picture: finer than this is detail, coarser is drift."""


def without_colour_drift(
    frames: Sequence[Array], *, first: Array, last: Array, is_foreground: Sequence[Array]
) -> list[Array]:
    """Returns the frames, uint8 (height, width, 3), whose ends have the keyframes' colours on a coarse scale.

    Args:
        frames: The generated frames, uint8 (height, width, 3), from one keyframe to the other, both included.
        first: uint8 (height, width, 3), the keyframe at the start.
        last: The same at the end.
        is_foreground: bool (height, width) of each frame, objects.
    """
    at_start = _error_by_region(frames[0], first, is_foreground[0])
    at_end = _error_by_region(frames[-1], last, is_foreground[-1])
    count = len(frames)
    corrected = []
    for index, (frame, is_object) in enumerate(zip(frames, is_foreground, strict=True)):
        share = index / (count - 1) if count > 1 else 0.0
        background, objects = ((1 - share) * a + share * b for a, b in zip(at_start, at_end, strict=True))
        error = np.where(is_object[..., None], objects, background)
        corrected.append(np.clip(np.rint(frame + error), 0, 255).astype(np.uint8))
    return corrected


def _error_by_region(frame: Array, truth: Array, is_object: Array) -> tuple[Array, Array]:
    """Returns what to add to the background and to objects, float32 (height, width, 3) each, known everywhere."""
    error = truth.astype(np.float32) - frame.astype(np.float32)
    everywhere = _smoothed(error, np.ones(is_object.shape, np.float32))
    return (
        _smoothed(error, (~is_object).astype(np.float32), elsewhere=everywhere),
        _smoothed(error, is_object.astype(np.float32), elsewhere=everywhere),
    )


def _smoothed(values: Array, weights: Array, elsewhere: Array | None = None) -> Array:
    """Returns the weighted local mean; far from any weight it fades into `elsewhere`."""
    sigma = min(weights.shape) * _REACH

    def blur(picture: Array) -> Array:
        return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)

    total, weight = blur(values * weights[..., None]), blur(weights)[..., None]
    if elsewhere is None:
        return total / weight
    fade = 1e-3  # a thousandth of the neighbourhood says enough of a region's drift
    return (total + fade * elsewhere) / (weight + fade)
