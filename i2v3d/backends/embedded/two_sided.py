"""A mesh out of one triangulation: front, back, walls where they are apart, and the fringe.

The back is hidden behind the front in the source view, and a point's front and back show the same canvas pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.artifacts.scene import MeshData
from i2v3d.backends.embedded.atlas import Layer, compacted, homogeneous_texcoords, layer_of, layered_atlas
from i2v3d.backends.embedded.outline import Canvas, Triangles
from i2v3d.geometry.frames import Array

_FRONT, _BACK, _WALL = range(3)


@dataclass(frozen=True)
class Sides:
    """The two sides of a mesh over one triangulation, per point of it.

    Attributes:
        front_m, back_m: float64 (points, 3), object frame; equal where the rim is closed.
        front_depth_m: float64 (points,) z-depth of the front in the source camera.
        back_depth_m: float64 (points,) depth with which the picture is projected on the back: its own z-depth for
            a back on the same rays, the front's for a back that is the front moved.
    """

    front_m: Array
    back_m: Array
    front_depth_m: Array
    back_depth_m: Array


def two_sided_mesh(
    canvas: Canvas, triangles: Triangles, sides: Sides, *, back_colour: Array, wall_colour: Array
) -> MeshData:
    """Returns the closed body and its fringe as one mesh.

    Args:
        canvas: Colours and matte of the photo's side.
        triangles: The shared triangulation.
        sides: Positions.
        back_colour: uint8 (height, width, 3) over the canvas, as seen through the body from the photo's side.
        wall_colour: The same for what joins front and back where they are apart.
    """
    count = len(triangles.points_px)
    layers = (layer_of(canvas), Layer.unseen(back_colour), Layer.unseen(wall_colour))
    walls, wall_points = _walls(triangles.body, sides, count)
    rim_px = triangles.points_px[wall_points]
    vertices = np.concatenate([sides.front_m, sides.back_m, sides.front_m[wall_points], sides.back_m[wall_points]])
    texcoords = np.concatenate(
        [
            homogeneous_texcoords(triangles.points_px, sides.front_depth_m, layers, _FRONT),
            homogeneous_texcoords(triangles.points_px, sides.back_depth_m, layers, _BACK),
            homogeneous_texcoords(rim_px, sides.front_depth_m[wall_points], layers, _WALL),
            homogeneous_texcoords(rim_px, sides.back_depth_m[wall_points], layers, _WALL),
        ]
    )
    # The body comes first: a renderer that draws in order then blends the fringe over what is behind it.
    faces = np.concatenate([triangles.body, triangles.body[:, ::-1] + count, walls, triangles.fringe])
    return compacted(MeshData(vertices, faces, texcoords, *layered_atlas(layers)))


def border_points(triangles: Array, count: int) -> Array:
    """Returns bool (count,): which points lie on the border of these triangles."""
    is_border = np.zeros(count, bool)
    is_border[_border_edges(triangles, count)] = True
    return is_border


def _border_edges(triangles: Array, count: int) -> Array:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    ways, back_ways = edges[:, 0] * count + edges[:, 1], edges[:, 1] * count + edges[:, 0]
    return np.asarray(edges[~np.isin(ways, back_ways)])


def _walls(body: Array, sides: Sides, count: int) -> tuple[Array, Array]:
    """Returns faces that close the body where front and back are apart at its border, and the points they use.

    The faces' indices follow those of front and back: first the points at the front, then those at the back.
    """
    is_apart = np.linalg.norm(sides.front_m - sides.back_m, axis=1) > 1e-9
    border = _border_edges(body, count)
    border = border[is_apart[border].any(axis=1)]
    points, local = np.unique(border, return_inverse=True)
    ahead = local.reshape(-1, 2) + 2 * count
    behind = ahead + len(points)
    first = np.stack([ahead[:, 1], ahead[:, 0], behind[:, 0]], axis=1)[is_apart[border[:, 0]]]
    second = np.stack([ahead[:, 1], behind[:, 0], behind[:, 1]], axis=1)[is_apart[border[:, 1]]]
    return np.concatenate([first, second]).astype(np.int64), points
