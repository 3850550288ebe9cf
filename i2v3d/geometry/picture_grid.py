"""A grid over a picture for meshing it: lines closer together where depth changes fast, and its triangles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.resolution import Resolution

_FINEST_SHARE = 1 / 8
_STEEP = 0.08  # relative change of depth over one cell from which on the cell is divided


def grid_lines(depth_at: Callable[[Array], Array], size: Resolution, step_px: float) -> tuple[Array, Array]:
    """Returns x and y coordinates of grid lines over a picture, its edges included.

    Args:
        depth_at: Depth (...) at pixel coordinates (..., 2).
        size: Size of the picture.
        step_px: Pitch where depth is even.
    """
    columns = np.linspace(0, size.width, max(2, round(size.width / step_px) + 1))
    rows = np.linspace(0, size.height, max(2, round(size.height / step_px) + 1))
    depth = np.log(depth_at(np.stack(np.meshgrid(columns, rows), axis=-1)))
    across = np.abs(np.diff(depth, axis=1)).max(axis=0)
    down = np.abs(np.diff(depth, axis=0)).max(axis=1)
    return _divided(columns, across), _divided(rows, down)


def _divided(lines: Array, change: Array) -> Array:
    """Returns the lines with those cells divided over which log depth changes by more than `_STEEP`."""
    parts = np.clip(np.ceil(change / _STEEP), 1, round(1 / _FINEST_SHARE)).astype(int)
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(lines[:-1], lines[1:], parts, strict=True)]
    return np.concatenate([*pieces, lines[-1:]])


def grid_faces(row_count: int, column_count: int) -> Array:
    """Returns int32 (faces, 3) of a grid of vertices in row order, counter-clockwise as the camera sees them."""
    index = np.arange(row_count * column_count, dtype=np.int32).reshape(row_count, column_count)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    upper = np.stack([a, c, b], axis=-1).reshape(-1, 3)
    lower = np.stack([b, c, d], axis=-1).reshape(-1, 3)
    return np.concatenate([upper, lower])
