"""Where things are relative to a camera: inside a mesh, outside the picture, behind the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from i2v3d.geometry.frames import Array


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
