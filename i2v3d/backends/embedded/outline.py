"""From a cut-out to the picture-plane skeleton of a mesh: canvas, solid body, soft fringe, triangles.

A mesh has two parts. The *body* is where the thing is opaque; it gets volume and is closed. The *fringe* is
a single sheet around it, in the body's rim plane, that carries the soft edge, hair and whiskers in its
texture's alpha, so that the source view equals the photo and nothing of the back shows through the edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage
from scipy.spatial import Delaunay

from i2v3d.geometry.frames import Array

_SOLID_ALPHA = 0.93
_VISIBLE_ALPHA = 0.004
# How far a thing that the photo's frame cuts is continued past the frame, as a share of the photo's longer side.
_FRAME_MARGIN = 0.15
# Bodies smaller than this share of the largest one become fringe (flat): specks of the matte.
_SMALLEST_BODY = 0.01


@dataclass(frozen=True)
class Canvas:
    """The part of the photo that holds one thing, continued past the photo's frame where the frame cuts it.

    Attributes:
        colour: uint8 (height, width, 3), the thing's own colours, bled outwards.
        alpha: float32 (height, width) 0..1.
        is_inside_photo: bool (height, width).
        left_px, top_px: Photo coordinates of the canvas' first corner; negative outside the frame.
        is_cut: Which sides of the canvas cut through the thing: left, top, right, bottom.
    """

    colour: Array
    alpha: Array
    is_inside_photo: Array
    left_px: int
    top_px: int
    is_cut: tuple[bool, bool, bool, bool]

    @property
    def corner_px(self) -> Array:
        """(2,) photo coordinates of the first corner: canvas pixels + this = photo pixels."""
        return np.array([self.left_px, self.top_px], np.float64)


@dataclass(frozen=True)
class Triangles:
    """A triangulation of the canvas.

    Attributes:
        points_px: float64 (points, 2), canvas coordinates.
        body: int (n, 3), triangles of the body, counter-clockwise to the eye.
        fringe: int (n, 3), triangles around it.
    """

    points_px: Array
    body: Array
    fringe: Array


def frame_canvas(cut_out: Array, rim_px: int) -> Canvas:
    """Returns the canvas of a cut-out over the whole photo, which must hold something."""
    height, width = cut_out.shape[:2]
    alpha = cut_out[..., 3].astype(np.float32) / 255
    rows, columns = np.nonzero(alpha.max(axis=1) > 0.02)[0], np.nonzero(alpha.max(axis=0) > 0.02)[0]
    ends = (columns[0], rows[0], width - 1 - columns[-1], height - 1 - rows[-1])
    borders = (alpha[:, :2], alpha[:2], alpha[:, -2:], alpha[-2:])
    is_cut = tuple(bool(end <= 1 and border.max() > 0.5) for end, border in zip(ends, borders, strict=True))
    margin = round(_FRAME_MARGIN * max(height, width))
    pad = [margin if cut else rim_px for cut in is_cut]
    left, top = int(columns[0]) - pad[0], int(rows[0]) - pad[1]
    right, bottom = int(columns[-1]) + 1 + pad[2], int(rows[-1]) + 1 + pad[3]
    # Colours are mirrored at the frame, the outline runs straight on: a mirrored outline would grow bulges.
    x = np.arange(left, right)
    y = np.arange(top, bottom)
    mirrored = np.ix_(_mirrored(y, height), _mirrored(x, width))
    straight = np.ix_(np.clip(y, 0, height - 1), np.clip(x, 0, width - 1))
    colour = bleed_outwards(cut_out[..., :3], alpha > 0.05)
    inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None]
    return Canvas(colour[mirrored], alpha[straight], inside, left, top, is_cut)  # type: ignore[arg-type]  # four sides


def bleed_outwards(colour: Array, is_known: Array) -> Array:
    """Returns uint8 (height, width, 3) with every unknown pixel given the colour of the nearest known one."""
    nearest = ndimage.distance_transform_edt(~is_known, return_distances=False, return_indices=True)
    return np.asarray(colour[nearest[0], nearest[1]])


def solid_body(canvas: Canvas, smooth_px: float) -> Array:
    """Returns a float32 field (height, width), 0.5 on the body's smooth contour and more inside.

    What is too thin to have a round section (hair, whiskers, struts) is left to the fringe; where all of the thing
    is thin or soft there is no body, and the field is zero.
    """
    solid = (cv2.GaussianBlur(canvas.alpha, (0, 0), 0.7) >= _SOLID_ALPHA).astype(np.uint8)
    radius = max(1, round(smooth_px))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    bordered = np.pad(solid, 2 * radius, mode="edge")
    opened = cv2.morphologyEx(bordered, cv2.MORPH_OPEN, disc)[2 * radius : -2 * radius, 2 * radius : -2 * radius]
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    if count < 2:
        return np.zeros(canvas.alpha.shape, np.float32)
    kept = np.flatnonzero(areas >= max(_SMALLEST_BODY * areas.max(), 9 * radius * radius)) + 1
    body = np.isin(labels, kept if len(kept) else [1 + int(areas.argmax())])
    field = cv2.GaussianBlur(
        body.astype(np.float32), (0, 0), max(0.8, 0.6 * smooth_px), borderType=cv2.BORDER_REPLICATE
    )
    # Smoothing may not push the body over pixels that are not solid.
    return np.minimum(field, cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 0.6, borderType=cv2.BORDER_REPLICATE))


def triangulate(canvas: Canvas, body: Array, step_px: float) -> Triangles:
    """Returns a Delaunay triangulation whose edges follow the body's contour.

    Points lie on the contour, `step_px` apart, and on a hexagonal lattice kept off it by half a step: a contour
    edge then has an empty circle around it, so it is in the triangulation.
    """
    contour = _contour_points(body, step_px)
    height, width = body.shape
    is_visible = cv2.dilate((canvas.alpha > _VISIBLE_ALPHA).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    reach = ndimage.distance_transform_edt(~is_visible) if not is_visible.all() else np.zeros(body.shape)
    lattice = _lattice(width, height, step_px)
    lattice = lattice[read_field(reach, lattice) < 1.5 * step_px]
    points = np.concatenate([contour, lattice[_distance(contour, lattice) > 0.6 * step_px]])
    corners = Delaunay(points).simplices.astype(np.int64)
    edge_1, edge_2 = points[corners[:, 1]] - points[corners[:, 0]], points[corners[:, 2]] - points[corners[:, 0]]
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    corners[area > 0] = corners[area > 0][:, ::-1]
    corners = corners[np.abs(area) > 1e-3]
    middle = points[corners].mean(axis=1)
    is_body = read_field(body, middle) > 0.5
    longest = np.linalg.norm(points[corners] - np.roll(points[corners], 1, axis=1), axis=2).max(axis=1)
    is_fringe = ~is_body & (read_field(reach, middle) < 1.2 * step_px) & (longest < 6 * step_px)
    return Triangles(points, corners[is_body], corners[is_fringe])


def _mirrored(index: Array, size: int) -> Array:
    folded = np.mod(index, 2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def _contour_points(body: Array, step_px: float) -> Array:
    """Returns points (n, 2) along the 0.5 level of the field, closed at the canvas' border; none without a body."""
    scale = 4
    fine = cv2.resize(body, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    inside = np.zeros((fine.shape[0] + 2, fine.shape[1] + 2), np.uint8)
    inside[1:-1, 1:-1] = fine > 0.5
    curves, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    parts = []
    for curve in curves:
        ring = (curve[:, 0].astype(np.float64) - 1 + 0.5) / scale
        if len(ring) < 6 * scale:
            continue
        # Pixel stairs are gone after two pixels of smoothing; corners at the canvas' border are pinned below.
        smooth = ndimage.gaussian_filter1d(ring, 2.0 * scale, axis=0, mode="wrap")
        at_border = (np.abs(ring - np.clip(ring, 1, np.array(body.shape[::-1]) - 1)) > 0).any(axis=1)
        smooth[at_border] = ring[at_border]
        parts.append(_resampled(smooth, step_px))
    return np.concatenate([np.zeros((0, 2)), *parts])


def _resampled(ring: Array, step_px: float) -> Array:
    closed = np.concatenate([ring, ring[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    count = max(8, round(length[-1] / step_px))
    at = np.arange(count) * length[-1] / count
    return np.stack([np.interp(at, length, closed[:, 0]), np.interp(at, length, closed[:, 1])], axis=1)


def _lattice(width: int, height: int, step_px: float) -> Array:
    rows = np.arange(0, height + step_px, step_px * np.sqrt(3) / 2)
    columns = np.arange(-step_px, width + step_px, step_px)
    x = columns[None] + (np.arange(len(rows)) % 2)[:, None] * step_px / 2
    points = np.stack([x, np.broadcast_to(rows[:, None], x.shape)], axis=-1).reshape(-1, 2)
    return np.unique(np.clip(points, 0, [width, height]), axis=0)


def _distance(points: Array, queries: Array) -> Array:
    """Returns how far each query (n, 2) is from the nearest point; infinite without points."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(points).query(queries)[0])


def read_field(field: Array, points_px: Array) -> Array:
    """Returns the field at continuous pixel coordinates, bilinear, clamped at the border."""
    at = np.stack([points_px[:, 1] - 0.5, points_px[:, 0] - 0.5])
    return np.asarray(ndimage.map_coordinates(np.asarray(field, np.float32), at, order=1, mode="nearest"))
