"""A surface of revolution about the middle line of an outline.

For every height on the axis the radius is the largest whose circle, seen by the source camera, stays inside the
outline: the largest body of revolution that the outline can hide, with the perspective of the camera in it. What
the matte shows beyond it (a service tower, a soft edge) stays a flat sheet through the axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from i2v3d.artifacts.scene import MeshData, SolvedLayout
from i2v3d.backends.embedded.atlas import Layer, compacted, homogeneous_texcoords, layer_of, layered_atlas
from i2v3d.backends.embedded.inflate import solid_outline_of
from i2v3d.backends.embedded.lathe_from_above import lathe_from_above
from i2v3d.backends.embedded.outline import Canvas, Triangles, bleed_outwards, read_field
from i2v3d.backends.embedded.standing import Stand
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Camera
from i2v3d.spec.resolved import Lathe

# The body ends where the matte is this opaque; the softer rest is the sheet's.
_BODY_ALPHA = 0.8
_CIRCLE_SAMPLES = 96
# Sine of the angle below the horizon from which a thing counts as seen from above.
_FROM_ABOVE = 0.5
# Rows of the photo to one ring of the mesh, but at both ends, where a nose is round; rows that are smoothed over.
_ROWS_PX = 3
_SMOOTH_ROWS = 2.0
# Colours closer to the side than this share of the radius are a smear of a pixel or two; they come from inside.
_CLEAN_SHARE = 0.88
_SHEET, _FRONT, _BACK = range(3)


@dataclass(frozen=True)
class Axis:
    """The axis in the object's frame: `foot_m` + t `along`; `across` and `towards` span the circles.

    `towards` points at the camera, `across` to the right in the picture; all are unit vectors.
    """

    foot_m: Array
    along: Array
    across: Array
    towards: Array
    length_m: float

    def circles(self, heights_m: Array, radii_m: Array, angles_rad: Array) -> Array:
        """Returns points (heights, angles, 3); angle 0 faces the camera, positive to the right."""
        out = np.sin(angles_rad)[:, None] * self.across + np.cos(angles_rad)[:, None] * self.towards
        return self.foot_m + heights_m[:, None, None] * self.along + radii_m[:, None, None] * out


def lathe(cut_out: Array, layout: SolvedLayout, name: str, shape: Lathe) -> MeshData:
    """Returns the turned body in the frame of object `name`; arguments as in `Mesher.lift`."""
    outline = solid_outline_of(cut_out, layout, name)
    canvas, triangles, stand = outline.canvas, outline.triangles, outline.stand
    if is_seen_from_above(stand, canvas):
        return lathe_from_above(canvas, triangles, stand, shape.segments)
    axis = _fit_axis(canvas, stand)
    heights, radii = _profile(canvas, stand.camera, axis)
    layers, is_body = _layers(canvas, stand.camera, axis, heights, radii)
    body = _turned(canvas, stand.camera, axis, heights, radii, shape.segments, layers)
    sheet = _sheet(canvas, triangles, stand, is_body, layers)
    count = len(body.vertices_m)
    return compacted(
        MeshData(
            np.concatenate([body.vertices_m, sheet.vertices_m]),
            np.concatenate([body.faces, sheet.faces + count]),
            np.concatenate([body.texcoords, sheet.texcoords]),
            body.texture,
            body.is_observed,
        )
    )


def is_seen_from_above(stand: Stand, canvas: Canvas) -> bool:
    """Returns whether the camera looks down on the thing so steeply that circles show as wide ellipses."""
    rows, columns = np.nonzero(canvas.alpha > 0.5)
    middle = np.array([columns.mean() + canvas.left_px, rows.mean() + canvas.top_px])
    ray = stand.rays(middle)
    return bool(-ray[2] / np.linalg.norm(ray) > _FROM_ABOVE)


def _fit_axis(canvas: Canvas, stand: Stand) -> Axis:
    """Returns the axis about which the largest symmetric part of the outline lies; robust against attachments."""
    is_solid = canvas.alpha > 0.5
    rows = np.flatnonzero(is_solid.any(axis=1))
    left = np.array([np.argmax(is_solid[row]) for row in rows], float)
    right = np.array([is_solid.shape[1] - np.argmax(is_solid[row][::-1]) for row in rows], float)
    y = rows + 0.5
    middle, spread = float(y.mean()), max(float(np.ptp(y)) / 2, 1.0)
    # Centre and lean (pixels per half height) of the middle line, from coarse to fine around the row middles.
    centre, lean = float(np.median((left + right) / 2)), 0.0
    reach = max(3.0, 0.25 * float(np.median(right - left)))
    while reach > 0.05:
        steps = np.linspace(-reach, reach, 9)
        at = np.stack(np.meshgrid(centre + steps, lean + steps, indexing="ij"), axis=-1).reshape(-1, 2)
        line = at[:, :1] + at[:, 1:] * ((y - middle) / spread)[None]
        kept = np.clip(np.minimum(line - left, right - line), 0, None).sum(axis=1)
        centre, lean = (float(value) for value in at[int(kept.argmax())])
        reach /= 3
    ends_px = np.array([[centre + lean * (row - middle) / spread, row] for row in (y[-1] + 0.5, y[0] - 0.5)])
    ends_px += canvas.corner_px
    foot, top = stand.points_m(ends_px, stand.depth_m(ends_px))
    along = (top - foot) / np.linalg.norm(top - foot)
    across = np.cross(along, stand.normal)
    across /= np.linalg.norm(across)
    across *= np.sign(across @ stand.camera.world_from_camera[:3, 0])
    return Axis(foot, along, across, stand.normal, float(np.linalg.norm(top - foot)))


def _profile(canvas: Canvas, camera: Camera, axis: Axis) -> tuple[Array, Array]:
    """Returns heights on the axis and radii, in metres, from foot to top.

    Raises:
        StageError: No body of revolution fits into the outline.
    """
    rows = np.flatnonzero((canvas.alpha > _BODY_ALPHA).any(axis=1))
    heights = np.linspace(0, axis.length_m, int(np.clip(np.ptp(rows), 48, 800)) + 1)
    angles = np.linspace(0, 2 * np.pi, _CIRCLE_SAMPLES, endpoint=False)
    low, high = np.zeros(len(heights)), np.full(len(heights), axis.length_m)
    for _ in range(18):
        radius = (low + high) / 2
        pixels, depth = camera.project(axis.circles(heights, radius, angles))
        alpha = read_field(canvas.alpha, (pixels - canvas.corner_px).reshape(-1, 2)).reshape(depth.shape)
        fits = ((alpha >= _BODY_ALPHA) & (depth > 0)).all(axis=1)
        low, high = np.where(fits, radius, low), np.where(fits, high, radius)
    found = np.flatnonzero(low > 1e-3 * low.max())
    if len(found) < 4 or low.max() <= 0:
        raise StageError("no body of revolution fits into the outline", hint="try `mesh: inflate`")
    heights, radii = heights[found[0] : found[-1] + 1], low[found[0] : found[-1] + 1]
    # A round nose is a straight line in the squared radius, which smoothing keeps.
    squared = ndimage.median_filter(radii, 5, mode="nearest") ** 2
    smooth = np.sqrt(ndimage.gaussian_filter1d(squared, _SMOOTH_ROWS, mode="nearest"))
    rows_left = np.arange(len(heights))
    is_end = np.minimum(rows_left, rows_left[::-1]) < len(heights) / 12
    kept = is_end | (rows_left % _ROWS_PX == 0)
    return heights[kept], smooth[kept]


def _layers(
    canvas: Canvas, camera: Camera, axis: Axis, heights: Array, radii: Array
) -> tuple[tuple[Layer, ...], Array]:
    """Returns the atlas' layers (sheet, front, back) and bool (height, width): well inside the body's silhouette."""

    def covered(share: float) -> Array:
        angles = np.array([-np.pi / 2, np.pi / 2])
        pixels, _ = camera.project(axis.circles(heights, radii * share, angles))
        ring = np.concatenate([pixels[:, 0], pixels[::-1, 1]]) - canvas.corner_px
        mask = np.zeros(canvas.alpha.shape, np.uint8)
        cv2.fillPoly(mask, [np.round((ring - 0.5) * 256).astype(np.int32)], (1,), shift=8)
        return mask > 0

    photo = layer_of(canvas)
    clean = covered(_CLEAN_SHARE) & (canvas.alpha > 0.97)
    colour = bleed_outwards(canvas.colour, clean) if clean.any() else canvas.colour
    # One noisy pixel at the side would become a ring a quarter of the way round.
    soft = cv2.GaussianBlur(colour, (0, 0), sigmaX=0.6, sigmaY=2.5)
    colour = np.where(clean[..., None], colour, soft)
    opaque = np.full(canvas.alpha.shape, 255, np.uint8)
    is_body = ndimage.binary_erosion(covered(1.0), iterations=2)
    return (photo, Layer(colour, opaque, photo.is_observed), Layer.unseen(colour)), is_body


def _turned(
    canvas: Canvas,
    camera: Camera,
    axis: Axis,
    heights: Array,
    radii: Array,
    segments: int,
    layers: tuple[Layer, ...],
) -> MeshData:
    """Returns the closed body: a front half textured by projection, a back half by the mirrored points."""
    steps = max(4, segments // 2)
    angles = np.linspace(-np.pi / 2, np.pi / 2, steps + 1)
    towards = np.cos(angles)
    towards[[0, -1]] = 0.0
    spine = axis.foot_m + heights[:, None, None] * axis.along
    sideways = radii[:, None, None] * np.sin(angles)[:, None] * axis.across
    forward = radii[:, None, None] * towards[:, None] * axis.towards
    front = (spine + sideways + forward).reshape(-1, 3)
    back = (spine + sideways - forward).reshape(-1, 3)
    ends = axis.foot_m + heights[[0, -1], None] * axis.along
    seen = np.concatenate([front, ends])
    pixels, depth = camera.project(seen)
    pixels = pixels - canvas.corner_px
    texcoords = [homogeneous_texcoords(pixels, depth, layers, index) for index in (_FRONT, _BACK)]
    faces = _half_tube(len(heights), steps + 1)
    texture, is_observed = layered_atlas(layers)
    return MeshData(
        np.concatenate([seen, back, ends]),
        np.concatenate([faces, faces[:, ::-1] + len(seen)]),
        np.concatenate(texcoords),
        texture,
        is_observed,
    )


def _half_tube(rows: int, columns: int) -> Array:
    """Returns faces of a grid of rows (upwards) and columns (to the right), and of the fans to its two end points."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    side = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])
    foot, top = rows * columns, rows * columns + 1
    below = np.stack([np.full(columns - 1, foot), grid[0, 1:], grid[0, :-1]], axis=1)
    above = np.stack([np.full(columns - 1, top), grid[-1, :-1], grid[-1, 1:]], axis=1)
    return np.concatenate([side, below, above])


def _sheet(canvas: Canvas, triangles: Triangles, stand: Stand, is_body: Array, layers: tuple[Layer, ...]) -> MeshData:
    """Returns the flat sheet in the axis' plane; its triangles deep inside the body are left out."""
    faces = np.concatenate([triangles.body, triangles.fringe])
    is_hidden = read_field(is_body.astype(np.float32), triangles.points_px) > 0.99
    photo_px = triangles.points_px + canvas.corner_px
    depth = stand.depth_m(photo_px)
    texture, is_observed = layered_atlas(layers)
    texcoords = homogeneous_texcoords(triangles.points_px, depth, layers, _SHEET)
    return MeshData(
        stand.points_m(photo_px, depth), faces[~is_hidden[faces].all(axis=1)], texcoords, texture, is_observed
    )
