"""A relief with a half-elliptic section over an outline. It stands in for a learned image-to-3D model.

The height is the square root of a Poisson solution (Laplacian = -4 inside, zero on the outline), which over a
disc is exactly a half ellipse. The front is moved along the source camera's rays, so the source view is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from i2v3d.artifacts.scene import MeshData, SolvedLayout
from i2v3d.backends.embedded.outline import Canvas, Triangles, frame_canvas, read_field, solid_body, triangulate
from i2v3d.backends.embedded.standing import Stand, stand_upright
from i2v3d.backends.embedded.texture_completion import mirrored_back, smooth_back, wall_colours
from i2v3d.backends.embedded.two_sided import Sides, border_points, two_sided_mesh
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array
from i2v3d.spec.resolved import Inflate

# Longest side of the grid on which the height is solved; the height is smooth, finer shows nothing.
_SOLVE_PX = 240
# The ellipse starts with a finite slope: sqrt(u + e^2) - e, with e this share of the largest sqrt(u).
_RIM_EASE = 0.06


def inflate(cut_out: Array, layout: SolvedLayout, name: str, shape: Inflate) -> MeshData:
    """Returns the inflated cut-out in the frame of object `name`; arguments as in `Mesher.lift`."""
    outline = solid_outline_of(cut_out, layout, name)
    canvas, body, triangles = outline.canvas, outline.body, outline.triangles
    height_px = inflated_height_px(body, triangles.points_px, canvas, shape.thickness)
    height_px[_closed_rim(canvas, triangles)] = 0
    sides = _relief(canvas, triangles, outline.stand, height_px)
    back = (mirrored_back if shape.back == "mirror" else smooth_back)(canvas.colour, body)
    walls = wall_colours(canvas.colour, body)
    return two_sided_mesh(canvas, triangles, sides, back_colour=back, wall_colour=walls)


@dataclass(frozen=True)
class Outline:
    """What every shape over an outline starts from; `body` is the field of `solid_body`."""

    canvas: Canvas
    body: Array
    triangles: Triangles
    stand: Stand


def solid_outline_of(cut_out: Array, layout: SolvedLayout, name: str) -> Outline:
    """Returns the outline of a thing for a shape with volume.

    Raises:
        StageError: No part of it is solid.
    """
    outline = outline_of(cut_out, layout, name)
    if not len(outline.triangles.body):
        raise StageError("the cut-out has no solid part: its matte is soft or thin all over", hint="try `mesh: card`")
    return outline


def outline_of(cut_out: Array, layout: SolvedLayout, name: str) -> Outline:
    """Returns the outline of a thing, which may have no body.

    Raises:
        StageError: The cut-out is empty.
    """
    rows, columns = np.nonzero(cut_out[..., 3] > 127)
    if not len(rows):
        raise StageError(
            "the cut-out is empty: there is nothing to make a mesh of", hint="check the object's `segment`"
        )
    extent = float(min(np.ptp(rows), np.ptp(columns)) + 1)
    step = float(np.clip(extent / 60, 3.0, 7.0))
    canvas = frame_canvas(cut_out, rim_px=6 + 2 * int(np.ceil(step)))
    body = solid_body(canvas, smooth_px=float(np.clip(extent / 60, 1.0, 6.0)))
    middle = np.array([(columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2])
    return Outline(canvas, body, triangulate(canvas, body, step), stand_upright(layout, name, middle))


def inflated_height_px(body: Array, points_px: Array, canvas: Canvas, thickness: float) -> Array:
    """Returns the half depth (points,) in pixels of the rim plane; 0 on the rim, but not where the frame cuts."""
    factor = min(1.0, _SOLVE_PX / max(body.shape))
    size = (max(8, round(body.shape[1] * factor)), max(8, round(body.shape[0] * factor)))
    small = cv2.resize(body, size, interpolation=cv2.INTER_AREA)
    potential = cv2.GaussianBlur(_poisson(small > 0.5, canvas.is_cut), (0, 0), 0.8)
    at_points = read_field(potential, points_px * [size[0] / body.shape[1], size[1] / body.shape[0]])
    ease = _RIM_EASE * float(np.sqrt(potential.max()))
    height = (np.sqrt(np.maximum(at_points, 0) + ease**2) - ease) / (np.sqrt(potential.max() + ease**2) - ease)
    inside_photo = (body > 0.5) & canvas.is_inside_photo
    return height * thickness * _smaller_extent_px(inside_photo) / 2


def _closed_rim(canvas: Canvas, triangles: Triangles) -> Array:
    """Returns bool (points,): the body's border, but not where the canvas' end cuts through the thing."""
    height, width = canvas.alpha.shape
    x, y = triangles.points_px.T
    left, top, right, bottom = canvas.is_cut
    is_at_cut = (left & (x < 1.5)) | (top & (y < 1.5)) | (right & (x > width - 1.5)) | (bottom & (y > height - 1.5))
    return border_points(triangles.body, len(triangles.points_px)) & ~is_at_cut


def _relief(canvas: Canvas, triangles: Triangles, stand: Stand, height_px: Array) -> Sides:
    photo_px = triangles.points_px + canvas.corner_px
    rim_depth = stand.depth_m(photo_px)
    half_depth = height_px * np.median(rim_depth) / stand.camera.intrinsics.focal_x_px
    # A pixel's depth can't pass the camera: a very thick relief of a near thing is pressed flat in front.
    front_depth = rim_depth / (1 + half_depth / rim_depth)
    back_depth = rim_depth + half_depth
    return Sides(stand.points_m(photo_px, front_depth), stand.points_m(photo_px, back_depth), front_depth, back_depth)


def _poisson(is_inside: Array, is_cut: tuple[bool, bool, bool, bool]) -> Array:
    """Returns u (height, width) with Laplacian -4 inside and 0 outside; symmetric across cut sides of the array."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    number = np.full(is_inside.shape, -1)
    rows, columns = np.nonzero(is_inside)
    number[rows, columns] = np.arange(len(rows))
    # Not quite zero: a thing that fills the canvas has no outline to hold the solution down.
    diagonal = np.full(len(rows), 1e-6)
    entries: list[tuple[Array, Array]] = []
    for (down, right), cut in zip(((0, -1), (-1, 0), (0, 1), (1, 0)), is_cut, strict=True):
        y, x = rows + down, columns + right
        in_array = (y >= 0) & (y < is_inside.shape[0]) & (x >= 0) & (x < is_inside.shape[1])
        diagonal += np.where(in_array, 1.0, 0.0 if cut else 1.0)
        neighbour = np.where(in_array, number[np.clip(y, 0, None) % number.shape[0], x % number.shape[1]], -1)
        linked = neighbour >= 0
        entries.append((np.flatnonzero(linked), neighbour[linked]))
    here = np.concatenate([np.arange(len(rows)), *(entry[0] for entry in entries)])
    there = np.concatenate([np.arange(len(rows)), *(entry[1] for entry in entries)])
    values = np.concatenate([diagonal, *(-np.ones(len(entry[0])) for entry in entries)])
    solution = np.zeros(is_inside.shape, np.float32)
    matrix = coo_matrix((values, (here, there))).tocsc()
    solution[rows, columns] = spsolve(matrix, np.full(len(rows), 4.0))
    return solution


def _smaller_extent_px(is_thing: Array) -> float:
    rows, columns = np.nonzero(is_thing)
    return float(min(np.ptp(rows), np.ptp(columns)) + 1)
