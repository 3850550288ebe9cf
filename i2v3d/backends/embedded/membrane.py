"""Smooth filling: each unknown pixel becomes the mean of its neighbours, as a stretched membrane does."""

from __future__ import annotations

import cv2
import numpy as np

from i2v3d.geometry.frames import Array

_SWEEPS = 24
_SMALLEST_PX = 3
_NEIGHBOURS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)


def stretch_membrane(values: Array, is_known: Array) -> Array:
    """Returns float32 (height, width, channels): known values kept, the rest harmonic; free at the frame.

    Coarse to fine with a few sweeps a level: exact enough for pictures, in time linear in the pixels.

    Args:
        values: (height, width, channels); what is unknown may hold anything finite.
        is_known: bool (height, width).
    """
    known = is_known.astype(np.float32)
    start = values.astype(np.float32) * known[..., None]
    return _solve(start, known, is_known)


def _solve(values: Array, weight: Array, is_known: Array) -> Array:
    height, width = weight.shape
    if is_known.all():
        return values
    if min(height, width) <= _SMALLEST_PX or not is_known.any():
        total = max(float(weight.sum()), 1e-9)
        mean = values.sum(axis=(0, 1)) / total
        return np.where(is_known[..., None], _normalised(values, weight), mean).astype(np.float32)
    size = ((width + 1) // 2, (height + 1) // 2)
    small_values = cv2.resize(values, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    small_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    coarse = _solve(small_values, small_weight, small_weight > 1e-3)
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
    fixed = _normalised(values, weight)
    mask = is_known[..., None]
    filled = np.where(mask, fixed, filled)
    for _ in range(_SWEEPS):
        spread = cv2.filter2D(filled, -1, _NEIGHBOURS, borderType=cv2.BORDER_REPLICATE).reshape(filled.shape)
        filled = np.where(mask, fixed, spread)
    return filled.astype(np.float32)


def _normalised(values: Array, weight: Array) -> Array:
    return np.asarray(values / np.maximum(weight, 1e-9)[..., None], np.float32)
