"""What is below a point: the height of a mesh under it, and where a thing comes to stand on another."""

from __future__ import annotations

import numpy as np

from i2v3d.geometry.frames import Array

_FOOT_SHARE = 0.03  # share of a thing's height that counts as what it stands on
_MOST_PROBES = 48


def surface_height_m(points_xy: Array, vertices: Array, faces: Array) -> Array:
    """Returns the greatest height (points,) of a mesh over each of the points (points, 2); -inf beside it."""
    corners = vertices[faces].astype(np.float64)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = _cross(b - a, c - a)
    is_level = np.abs(area) > 1e-18  # an upright face has no height of its own
    a, b, c, area = a[is_level], b[is_level], c[is_level], area[is_level]
    heights = np.full(len(points_xy), -np.inf)
    for index, point in enumerate(points_xy):
        p = np.array([point[0], point[1], 0.0])
        u, v = _cross(p - a, c - a) / area, _cross(b - a, p - a) / area
        is_hit = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
        if is_hit.any():
            height = a[is_hit, 2] + u[is_hit] * (b - a)[is_hit, 2] + v[is_hit] * (c - a)[is_hit, 2]
            heights[index] = height.max()
    return heights


def standing_height_m(thing: Array, support: Array, faces: Array) -> float:
    """Returns the height of the support that a thing's lowest part first meets from above; -inf beside it.

    Args:
        thing: (points, 3) in the world, where the thing is to stand but for its height.
        support: (vertices, 3) in the world.
        faces: (faces, 3) of the support.
    """
    low, high = thing[:, 2].min(), thing[:, 2].max()
    feet = thing[thing[:, 2] <= low + _FOOT_SHARE * (high - low)][:, :2]
    probes = feet[np.linspace(0, len(feet) - 1, min(len(feet), _MOST_PROBES)).astype(int)]
    middle = (feet.min(axis=0) + feet.max(axis=0)) / 2
    return float(surface_height_m(np.vstack([probes, middle]), support, faces).max())


def _cross(first: Array, second: Array) -> Array:
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
