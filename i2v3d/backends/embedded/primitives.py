"""Flat shapes over an outline: a card that stands upright, and a box whose front is the photo."""

from __future__ import annotations

import numpy as np

from i2v3d.artifacts.scene import MeshData, SolvedLayout
from i2v3d.backends.embedded.inflate import Outline, outline_of, solid_outline_of
from i2v3d.backends.embedded.outline import Canvas, Triangles, read_field
from i2v3d.backends.embedded.standing import Stand
from i2v3d.backends.embedded.texture_completion import mirrored_back, wall_colours
from i2v3d.backends.embedded.two_sided import Sides, border_points, two_sided_mesh
from i2v3d.geometry.frames import Array
from i2v3d.spec.resolved import Box

# A card has a back of its own, just behind its front.
_CARD_THICKNESS = 0.004
_HIDDEN_SHARE = 0.98
_HIDING_FIELD = 0.3


def card(cut_out: Array, layout: SolvedLayout, name: str) -> MeshData:
    """Returns the cut-out as a flat upright picture with a mirrored back; arguments as in `Mesher.lift`.

    What is soft or thin all over, such as a rope or smoke, has no back of its own: it is one sheet.
    """
    outline = outline_of(cut_out, layout, name)
    if len(outline.triangles.body):
        return _extruded(outline, depth_share=_CARD_THICKNESS, depth_m=None)
    photo_px = outline.triangles.points_px + outline.canvas.corner_px
    depth = outline.stand.depth_m(photo_px)
    points = outline.stand.points_m(photo_px, depth)
    colour = outline.canvas.colour
    sides = Sides(points, points, depth, depth)
    return two_sided_mesh(outline.canvas, outline.triangles, sides, back_colour=colour, wall_colour=colour)


def box(cut_out: Array, layout: SolvedLayout, name: str, shape: Box) -> MeshData:
    """Returns the outline, pushed back; a cuboid when the outline is a rectangle.

    Its front is the photo on the upright plane at the pivot. Sides run straight back, the top just low
    enough to stay behind the front in the source view; of an outline with bays the sides spread along the view
    as far as that needs. Without `depth_m` it is as deep as wide.
    """
    return _extruded(solid_outline_of(cut_out, layout, name), depth_share=1.0, depth_m=shape.depth_m)


def _extruded(outline: Outline, *, depth_share: float, depth_m: float | None) -> MeshData:
    canvas, body, triangles, stand = outline.canvas, outline.body, outline.triangles, outline.stand
    photo_px = triangles.points_px + canvas.corner_px
    front_depth = stand.depth_m(photo_px)
    front = stand.points_m(photo_px, front_depth)
    solid = front[np.unique(triangles.body)]
    across = np.cross([0.0, 0.0, 1.0], stand.normal)
    width = float(np.ptp(solid @ (across / np.linalg.norm(across))))
    depth = depth_m if depth_m is not None else depth_share * width
    straight = front - depth * stand.normal
    straight[:, 2] = _lowered(front, solid, stand.camera.world_from_camera[:3, 3], depth, stand.normal)
    back = _hidden(straight, stand.points_m(photo_px, front_depth + depth), front, stand, canvas, body, triangles)
    return two_sided_mesh(
        canvas,
        triangles,
        Sides(front, back, front_depth, front_depth),
        back_colour=mirrored_back(canvas.colour, body),
        wall_colour=wall_colours(canvas.colour, body),
    )


def _hidden(
    straight: Array, spread: Array, front: Array, stand: Stand, canvas: Canvas, body: Array, triangles: Triangles
) -> Array:
    """Returns the back between `straight` and `spread` that is nearest to straight and hidden by the front."""
    rim = border_points(triangles.body, len(front))
    # At sharp corners the rim itself lies a little outside the body's field; no back can hide better than the rim.
    needed = np.minimum(_HIDING_FIELD, read_field(body, triangles.points_px[rim]) - 1e-3)
    for share in np.linspace(0, 1, 6):
        back = straight * (1 - share) + spread * share
        along = np.linspace(0.2, 1, 5)[:, None, None]
        pixels, _ = stand.camera.project(front[rim] * (1 - along) + back[rim] * along)
        is_hidden = read_field(body, (pixels - canvas.corner_px).reshape(-1, 2)).reshape(len(along), -1) >= needed
        if is_hidden.mean() > _HIDDEN_SHARE:
            break
    return np.asarray(back)


def _lowered(front: Array, solid: Array, eye: Array, depth: float, normal: Array) -> Array:
    """Returns the heights (points,) of the back, scaled so that its top is not above the front's seen from `eye`."""
    base, top = float(solid[:, 2].min()), float(solid[:, 2].max())
    if abs(normal[2]) > 1e-6 or eye[2] <= top:
        return np.asarray(front[:, 2] - depth * normal[2])
    distance = abs(float((eye - solid[0]) @ normal))
    highest = eye[2] - (eye[2] - top) * (distance + depth) / distance
    return np.asarray(base + (front[:, 2] - base) * max(0.05, (highest - base) / (top - base)))
