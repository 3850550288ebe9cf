"""Edits of a finished mesh: fit to another's box, scale a part, bend, twist, displace, tint, paint.

All of them keep the texture where it is on the surface: homogeneous texture coordinates are linear in space,
so they may be shared out at new vertices like places. Object frame: Z up, the photo was taken along +Y.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.mesh_checks import merge_by_position

if TYPE_CHECKING:
    from i2v3d.artifacts.scene import MeshData

_MOST_FACES = 400_000
_SHARE_OF_HEIGHT = 1 / 24  # edges are at most this long where a shape is bent
_HALF_WIDTH = 0.1  # share of the extent over which an edit of one half fades out


def fitted(mesh: MeshData, box_of: MeshData) -> MeshData:
    """Returns a mesh as large as fits the other's width and height, on the middle of its base."""
    low, high = _box(box_of)
    own_low, own_high = _box(mesh)
    extent, own = high - low, own_high - own_low
    factor = min(extent[axis] / own[axis] for axis in (0, 2) if own[axis] > 0)
    base = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    own_base = np.array([(own_low[0] + own_high[0]) / 2, (own_low[1] + own_high[1]) / 2, own_low[2]])
    return _moved(mesh, (np.asarray(mesh.vertices_m, np.float64) - own_base) * factor + base)


def subdivided(mesh: MeshData) -> MeshData:
    """Returns the mesh with every face split in four until edges are short enough to bend."""
    longest = _SHARE_OF_HEIGHT * float(np.ptp(mesh.vertices_m, axis=0).max())
    while len(mesh.faces) * 4 <= _MOST_FACES and _longest_edge(mesh) > longest:
        mesh = _split(mesh)
    return mesh


def cut(mesh: MeshData, cells: int) -> MeshData:
    """Returns the mesh with every face split in four until so many cells lie along its longest side."""
    longest = 2**0.5 * 1.001 * float(np.ptp(mesh.vertices_m, axis=0).max()) / cells  # a cell's diagonal
    while len(mesh.faces) * 4 <= _MOST_FACES and _longest_edge(mesh) > longest:
        mesh = _split(mesh)
    return mesh


def _longest_edge(mesh: MeshData) -> float:
    corners = mesh.vertices_m[mesh.faces].astype(np.float64)
    return float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max())


def _split(mesh: MeshData) -> MeshData:
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    ends, which = np.unique(edges, axis=0, return_inverse=True)
    middle = which.reshape(3, -1).T + len(mesh.vertices_m)
    a, b, c = mesh.faces.T
    ab, bc, ca = middle.T
    faces = np.concatenate([np.stack(corners, 1) for corners in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return replace(
        mesh,
        vertices_m=np.concatenate([mesh.vertices_m, mesh.vertices_m[ends].mean(axis=1)]).astype(np.float32),
        texcoords=np.concatenate([mesh.texcoords, mesh.texcoords[ends].mean(axis=1)]).astype(np.float32),
        faces=faces.astype(np.int32),
    )


def scaled(mesh: MeshData, factors: tuple[float, float, float], part: str | None) -> MeshData:
    """Returns the mesh with a part (all of it) scaled about the middle of its base, or of where the part begins."""
    points, (low, high) = np.asarray(mesh.vertices_m, np.float64), _box(mesh)
    anchor = (low + high) / 2
    if part is None:
        anchor[2] = low[2]
    weight = _part_weight(points, low, high, part)[:, None]
    grown = points + weight * (np.array(factors) - 1) * (points - anchor)
    return _moved(mesh, _standing(grown, float(low[2])))


def bent(mesh: MeshData, angle_rad: float, part: str | None) -> MeshData:
    """Returns the mesh bent to the right (+X) along its height, as round an arc."""
    points, (low, high) = np.asarray(mesh.vertices_m, np.float64), _box(mesh)
    height = high[2] - low[2]
    levels = np.linspace(0, 1, 257)
    angles = angle_rad * _along_height(levels, part)
    step = height * (levels[1] - levels[0])
    sideways = np.concatenate([[0], np.cumsum(step * np.sin((angles[1:] + angles[:-1]) / 2))])
    upwards = np.concatenate([[0], np.cumsum(step * np.cos((angles[1:] + angles[:-1]) / 2))])
    level = (points[:, 2] - low[2]) / height
    angle = np.interp(level, levels, angles)
    middle = (low[0] + high[0]) / 2
    across = points[:, 0] - middle
    arc = points.copy()
    arc[:, 0] = middle + np.interp(level, levels, sideways) + across * np.cos(angle)
    arc[:, 2] = low[2] + np.interp(level, levels, upwards) - across * np.sin(angle)
    weight = _part_weight(points, low, high, part if part in ("left", "right") else None)[:, None]
    return _moved(mesh, _standing(points + weight * (arc - points), float(low[2])))


def twisted(mesh: MeshData, angle_rad: float, part: str | None) -> MeshData:
    """Returns the mesh twisted about its upright middle line, counter-clockwise seen from above."""
    points, (low, high) = np.asarray(mesh.vertices_m, np.float64), _box(mesh)
    middle = (low + high)[:2] / 2
    angle = angle_rad * _along_height((points[:, 2] - low[2]) / (high[2] - low[2]), part)
    angle *= _part_weight(points, low, high, part if part in ("left", "right") else None)
    x, y = (points[:, :2] - middle).T
    turned = points.copy()
    turned[:, 0] = middle[0] + x * np.cos(angle) - y * np.sin(angle)
    turned[:, 1] = middle[1] + x * np.sin(angle) + y * np.cos(angle)
    return _moved(mesh, turned)


def displaced(mesh: MeshData, heights: Array, amount_m: float) -> MeshData:
    """Returns the mesh pushed outwards by a picture laid round it.

    Args:
        mesh: Finely divided.
        heights: (height, width) in 0..1; its middle column is in front (-Y), its ends meet at the back.
        amount_m: How far 1 goes.
    """
    points, (low, high) = np.asarray(mesh.vertices_m, np.float64), _box(mesh)
    x, y = (points[:, :2] - (low + high)[:2] / 2).T
    column = (0.5 + np.arctan2(x, -y) / (2 * np.pi)) * heights.shape[1] - 0.5
    row = (high[2] - points[:, 2]) / (high[2] - low[2]) * (heights.shape[0] - 1)
    return _moved(mesh, points + amount_m * _read(heights, row, column)[:, None] * _normals(mesh))


def _read(picture: Array, row: Array, column: Array) -> Array:
    """Returns bilinear values; columns go on round the picture, rows end at its edge."""
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right = row - top, column - left
    rows = [np.clip(top + step, 0, picture.shape[0] - 1) for step in (0, 1)]
    columns = [(left + step) % picture.shape[1] for step in (0, 1)]
    upper = picture[rows[0], columns[0]] * (1 - right) + picture[rows[0], columns[1]] * right
    lower = picture[rows[1], columns[0]] * (1 - right) + picture[rows[1], columns[1]] * right
    return np.asarray(upper * (1 - down) + lower * down)


def _normals(mesh: MeshData) -> Array:
    """Returns outward unit normals; vertices at one place share theirs, so that no seam opens."""
    place = merge_by_position(mesh.vertices_m)
    corners = mesh.vertices_m[mesh.faces].astype(np.float64)
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros((int(place.max()) + 1, 3))
    for corner in range(3):
        np.add.at(total, place[mesh.faces[:, corner]], faces)
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-30)
    return np.asarray(total[place])


def tinted(mesh: MeshData, tint: tuple[float, float, float]) -> MeshData:
    """Returns the mesh with its linear colours multiplied."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    texture = mesh.texture.copy()
    for channel, factor in enumerate(tint):
        value = linear * factor
        shown = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
        texture[..., channel] = np.rint(255 * shown).astype(np.uint8)[mesh.texture[..., channel]]
    return replace(mesh, texture=texture)


def painted(mesh: MeshData, picture: Array, towards_photo: Array) -> MeshData:
    """Returns the mesh with another texture, laid over it from the side that the photo shows.

    Args:
        mesh: In its object's frame.
        picture: uint8 (height, width, 4).
        towards_photo: (3,) from the object to the source camera.
    """
    points, (low, high) = np.asarray(mesh.vertices_m, np.float64), _box(mesh)
    share = (points - low) / np.maximum(high - low, 1e-12)
    seen_along = int(np.argmax(np.abs(towards_photo)))
    s = (share[:, 1] if towards_photo[0] > 0 else 1 - share[:, 1]) if seen_along == 0 else share[:, 0]
    if seen_along == 1 and towards_photo[1] > 0:
        s = 1 - s
    t = 1 - share[:, 1] if seen_along == 2 else 1 - share[:, 2]
    texcoords = np.stack([s, t, np.ones_like(s)], axis=1).astype(np.float32)
    return replace(mesh, texcoords=texcoords, texture=picture, is_observed=np.zeros(picture.shape[:2], np.uint8))


def _box(mesh: MeshData) -> tuple[Array, Array]:
    points = np.asarray(mesh.vertices_m, np.float64)
    return points.min(axis=0), points.max(axis=0)


def _moved(mesh: MeshData, points: Array) -> MeshData:
    return replace(mesh, vertices_m=points.astype(np.float32))


def _standing(points: Array, base_m: float) -> Array:
    return np.asarray(points + np.array([0, 0, base_m - points[:, 2].min()]))


def _part_weight(points: Array, low: Array, high: Array, part: str | None) -> Array:
    """Returns how much of an edit each point takes: 1 in its part, 0 in the other half, smooth between."""
    if part is None:
        return np.ones(len(points))
    axis, sign = {"top": (2, 1), "bottom": (2, -1), "right": (0, 1), "left": (0, -1)}[part]
    share = (points[:, axis] - low[axis]) / max(high[axis] - low[axis], 1e-12) - 0.5
    t = np.clip((sign * share + _HALF_WIDTH) / (2 * _HALF_WIDTH), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _along_height(level: Array, part: str | None) -> Array:
    """Returns the share 0..1 of a bend or twist reached at each level 0..1 of the height."""
    start, end = {"top": (0.5, 1.0), "bottom": (0.0, 0.5)}.get(part or "", (0.0, 1.0))
    return np.clip((level - start) / (end - start), 0, 1)
