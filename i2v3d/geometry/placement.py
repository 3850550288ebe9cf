"""Where things are relative to a camera: inside a mesh, outside the picture, behind the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from i2v3d.geometry.frames import Array

_MOST_RAYS = 4  # of six


def winding_number(point: Array, vertices: Array, faces: Array) -> float:
    """Returns how often the surface winds round a point: 1 inside a closed mesh, 0 outside, in between if open.

    Source: van Oosterom and Strackee, The Solid Angle of a Plane Triangle (1983), summed over the faces.
    """
    corners = vertices[faces].astype(np.float64) - point
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    length_a, length_b, length_c = (np.linalg.norm(corner, axis=1) for corner in (a, b, c))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c))
    denominator = (
        length_a * length_b * length_c
        + np.einsum("ij,ij->i", a, b) * length_c
        + np.einsum("ij,ij->i", b, c) * length_a
        + np.einsum("ij,ij->i", c, a) * length_b
    )
    return float(np.arctan2(volume, denominator).sum() / (2 * np.pi))


def is_inside(point: Array, vertices: Array, faces: Array) -> bool:
    """Returns whether a point lies inside a mesh, which may have small holes."""
    if (point < vertices.min(axis=0)).any() or (point > vertices.max(axis=0)).any():
        return False
    return abs(winding_number(point, vertices, faces)) > 0.5


def are_inside(points: Array, vertices: Array, faces: Array) -> Array:
    """Returns bool (points,): whether each lies inside a mesh, which may have small holes.

    Six rays along the axes vote, each by how often the surface goes out and comes in along it: a thousand times
    faster than `is_inside` on a large mesh, and wrong where several rays leave through holes.
    """
    corners = vertices[faces].astype(np.float64)
    low, high = corners.min(axis=1), corners.max(axis=1)
    votes = np.zeros(len(points), int)
    for axis in range(3):
        across = [other for other in range(3) if other != axis]
        for index, point in enumerate(points):
            is_near = ((low[:, across] <= point[across]) & (high[:, across] > point[across])).all(axis=1)
            votes[index] += _sides_inside(corners[is_near] - point, axis)
    return votes >= _MOST_RAYS


def _sides_inside(corners: Array, axis: int) -> int:
    """Returns along how many of the two rays (0 to 2) from the origin more surface goes out than in, or in than out.

    Args:
        corners: (faces, 3, 3).
        axis: Of the rays.
    """
    u, v = (axis + 1) % 3, (axis + 2) % 3
    a, b, c = (corners[:, corner] for corner in range(3))
    # Signed areas of the projected triangle's parts; the ray goes through it where all have one sign.
    parts = np.stack([p[:, u] * q[:, v] - p[:, v] * q[:, u] for p, q in ((b, c), (c, a), (a, b))], axis=1)
    total = parts.sum(axis=1)
    is_hit = ((parts >= 0).all(axis=1) | (parts <= 0).all(axis=1)) & (total != 0)
    heights = (parts * corners[:, :, axis]).sum(axis=1)[is_hit] / total[is_hit]
    ways = np.sign(total[is_hit])
    return sum(abs(ways[side].sum()) >= 1 for side in (heights > 0, heights < 0))


def is_in_picture(points_camera: Array, image_from_camera: Array, width: int, height: int) -> bool:
    """Returns whether a thing of these points, camera axes, may be within the picture.

    It is not when all of them are beyond one edge: a large face is seen although its corners are not.
    """
    x, y, z = (points_camera @ image_from_camera.T).T
    beyond = (z <= 0, x < 0, x > width * z, y < 0, y > height * z)
    return not any(edge.all() for edge in beyond)


def crossed_surface(point: Array, background: Mapping[str, Any], source: Array) -> str:
    """Returns the surface of the background that lies between the source camera and a point, or "".

    Args:
        point: (3,) in the world.
        background: `SolvedLayout.background`; of a `depth` layout nothing is known.
        source: (3,) where the source camera is.
    """
    kind = background.get("kind")
    surfaces = {
        "the ground": kind in ("ground_and_backdrop", "plane", "dome", "room") and point[2] <= 0,
        "the backdrop": point[1] >= background.get("backdrop_y_m", np.inf),
        "the dome": float(np.linalg.norm(point - source)) >= background.get("radius_m", np.inf),
        "the back wall": point[1] >= background.get("back_m", np.inf),
        "the left wall": point[0] <= background.get("left_m", -np.inf),
        "the right wall": point[0] >= background.get("right_m", np.inf),
        "the ceiling": point[2] >= background.get("ceiling_m", np.inf),
    }
    return next((name for name, is_crossed in surfaces.items() if is_crossed), "")
