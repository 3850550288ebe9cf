"""Masks from polygons, and masks grown by whole pixels; numpy alone, so that stages may use it."""

from __future__ import annotations

import numpy as np

from i2v3d.geometry.frames import Array


def fill_polygons(shape: tuple[int, int], polygons: tuple[tuple[tuple[float, float], ...], ...]) -> Array:
    """Returns bool (height, width): True where a pixel's centre is inside any polygon (even-odd, pixel coordinates)."""
    height, width = shape
    mask = np.zeros(shape, bool)
    x_centre = np.arange(width) + 0.5
    for polygon in polygons:
        corners = np.asarray(polygon, np.float64)
        start, end = corners, np.roll(corners, -1, axis=0)
        for row in range(height):
            y = row + 0.5
            crosses = (start[:, 1] <= y) != (end[:, 1] <= y)
            if not crosses.any():
                continue
            a, b = start[crosses], end[crosses]
            at = a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
            mask[row] |= (np.searchsorted(np.sort(at), x_centre) % 2) == 1
    return mask


def grow_mask(mask: Array, around_px: int, down_px: int) -> Array:
    """Returns the mask grown by a disc of `around_px`, and then downwards by `down_px` more."""
    grown = mask.copy()
    for offset in range(-around_px, around_px + 1):
        half_width = int(np.sqrt(around_px**2 - offset**2))
        grown |= _shifted_down(_widened(mask, half_width), offset)
    below = grown.copy()
    reach = 1
    left = down_px
    # Doubling: after n rounds the mask reaches 2^n - 1 rows further down.
    while left > 0:
        step = min(reach, left)
        below |= _shifted_down(below, step)
        left -= step
        reach *= 2
    return below


def _widened(mask: Array, half_width: int) -> Array:
    """Returns the mask grown by `half_width` to the left and right."""
    if half_width == 0:
        return mask
    total = np.cumsum(np.pad(mask, ((0, 0), (half_width + 1, half_width))), axis=1, dtype=np.int64)
    return np.asarray(total[:, 2 * half_width + 1 :] > total[:, : -2 * half_width - 1])


def _shifted_down(mask: Array, rows: int) -> Array:
    shifted = np.zeros_like(mask)
    if rows == 0:
        shifted[:] = mask
    elif rows > 0:
        shifted[rows:] = mask[:-rows]
    else:
        shifted[:rows] = mask[-rows:]
    return shifted
