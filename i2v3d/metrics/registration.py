"""How far one small picture is shifted against another, to a fraction of its pixels, all of it or a part.

Least squares on the brightness of both (Lucas and Kanade, 1981), with the gradients of their mean, so that neither is
preferred, and with a gain and an offset of their own, so that a change of colour is no shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array

_BLUR_PX = 1.0
_PASSES = 3
_FURTHEST_PX = 6.0
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_NOISE = 0.5  # of 255, after the blur: what rounding and compression leave at the least
_SPREAD = 12.0  # pixels that share their noise after the blur


@dataclass(frozen=True)
class Shift:
    """A shift, pixels, x right and y down; 0 along a direction in which the picture can't tell.

    Attributes:
        doubt_px: Standard deviation of the worse of its directions that can be told; inf where none can.
    """

    x_px: float
    y_px: float
    doubt_px: float

    @property
    def length_px(self) -> float:
        """How far."""
        return float(np.hypot(self.x_px, self.y_px))


def brightness(pixels: Array) -> Array:
    """Returns float32 (height, width), 0..255, slightly blurred, of an sRGB picture."""
    import cv2

    plane = pixels.astype(np.float32) @ _LUMA
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), _BLUR_PX, borderType=cv2.BORDER_REPLICATE))


def estimate_shift(before: Array, after: Array, weights: Array, *, most_doubt_px: float) -> Shift:
    """Returns how far `after` is shifted against `before`.

    Args:
        before: `brightness` of one picture.
        after: Of the other, of the same size.
        weights: float32 of that size, how much each pixel counts.
        most_doubt_px: A direction along which the shift can't be told better than this counts as not shifted.
    """
    shift = np.zeros(2)
    doubt = np.inf
    for _ in range(_PASSES):
        step, doubt = _step(before, _moved(after, -shift), weights, most_doubt_px)
        shift += step
        if np.hypot(*step) < 0.01 or np.hypot(*shift) > _FURTHEST_PX:
            break
    length = float(np.hypot(*shift))
    if length > _FURTHEST_PX:
        shift *= _FURTHEST_PX / length
    return Shift(float(shift[0]), float(shift[1]), doubt)


def _moved(plane: Array, shift: Array) -> Array:
    import cv2

    if not shift.any():
        return plane
    height, width = plane.shape
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    return np.asarray(
        cv2.warpAffine(plane, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    )


def _step(before: Array, after: Array, weights: Array, most_doubt_px: float) -> tuple[Array, float]:
    mean = (before + after) / 2
    down, right = np.gradient(mean)
    inner = np.s_[2:-2, 2:-2]
    weight = weights[inner].ravel().astype(np.float64)
    is_used = weight > 0
    weight = weight[is_used]
    if len(weight) < 16:
        return np.zeros(2), np.inf
    columns = [plane[inner].ravel()[is_used].astype(np.float64) for plane in (right, down, mean)]
    change = (after - before)[inner].ravel()[is_used].astype(np.float64)
    # What gain and offset explain is taken out of the gradients and of the change alike.
    gain = np.stack([columns[2], np.ones(len(weight))], axis=1)
    gradients = np.stack(columns[:2], axis=1)
    both = np.concatenate([gradients, change[:, None]], axis=1)
    normal = gain.T @ (gain * weight[:, None]) + 1e-6 * np.eye(2)
    both = both - gain @ np.linalg.solve(normal, gain.T @ (both * weight[:, None]))
    gradients, change = both[:, :2], both[:, 2]
    matrix = gradients.T @ (gradients * weight[:, None])
    right_side = -gradients.T @ (change * weight)
    sizes, directions = np.linalg.eigh(matrix)
    first = directions @ np.where(sizes > 1e-9, (directions.T @ right_side) / np.maximum(sizes, 1e-9), 0)
    left_over = change + gradients @ first
    noise = max(float(np.sqrt((left_over**2 * weight).sum() / weight.sum())), _NOISE)
    doubts = noise * np.sqrt(_SPREAD / np.maximum(sizes, 1e-9))
    is_known = doubts <= most_doubt_px
    known = np.where(is_known, (directions.T @ right_side) / np.maximum(sizes, 1e-9), 0)
    return directions @ known, float(doubts[is_known].max()) if is_known.any() else np.inf
