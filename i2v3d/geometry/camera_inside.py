"""Whether a camera stays inside what a scene has: before the background, above the ground, outside of every object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from i2v3d.geometry.frames import Array, transform_points
from i2v3d.geometry.placement import crossed_surface, is_inside
from i2v3d.geometry.scene_checks import State, Thing, world_points

_LEAST_WAY_M = 1e-6


@dataclass(frozen=True)
class Surroundings:
    """What a camera may not go through.

    Attributes:
        source: (3,) where the photo's camera is, metres.
        background: `SolvedLayout.background`.
        background_vertices_m: (vertices, 3) in the world: where a depth file puts the background.
        background_faces: (faces, 3).
        things: The objects.
    """

    source: Array
    background: Mapping[str, Any]
    background_vertices_m: Array
    background_faces: Array
    things: Sequence[Thing]


def where_outside(surroundings: Surroundings, state: State) -> str:
    """Returns what the camera of a frame is behind or inside of, "" where it is inside the scene."""
    place = np.asarray(state["world_from_camera"], np.float64)[:3, 3]
    if crossed := crossed_surface(place, surroundings.background, surroundings.source):
        return f"behind {crossed}"
    for thing in surroundings.things:
        if is_inside(place, world_points(thing, state), thing.faces):
            return f"inside `{thing.name}`"
    corners = surroundings.background_vertices_m[surroundings.background_faces]
    if surroundings.background.get("kind") == "depth" and is_crossing(surroundings.source, place, corners):
        return "behind the background"
    return ""


def is_crossing(start: Array, end: Array, corners: Array) -> bool:
    """Returns whether the straight way between two points goes through a surface.

    Source: Moeller and Trumbore, Fast, Minimum Storage Ray/Triangle Intersection (1997).

    Args:
        start: (3,).
        end: (3,).
        corners: (faces, 3, 3).
    """
    way = np.asarray(end, np.float64) - start
    if np.linalg.norm(way) < _LEAST_WAY_M:
        return False
    first = corners[:, 0].astype(np.float64)
    side, other = corners[:, 1] - first, corners[:, 2] - first
    across = np.cross(way, other)
    volume = np.einsum("ij,ij->i", side, across)
    with np.errstate(divide="ignore", invalid="ignore"):
        away = start - first
        u = np.einsum("ij,ij->i", away, across) / volume
        turned = np.cross(away, side)
        v = turned @ way / volume
        along = np.einsum("ij,ij->i", other, turned) / volume
    return bool(((volume != 0) & (u >= 0) & (v >= 0) & (u + v <= 1) & (along > 0) & (along < 1)).any())


def moved_vertices(vertices_m: Array, transform: Array) -> Array:
    """Returns the vertices (vertices, 3) of a mesh in the world."""
    return transform_points(transform, np.asarray(vertices_m, np.float64))
