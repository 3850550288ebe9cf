"""What a baseline remembers of a clip: small enough to commit, sharp enough to tell a shift of a pixel.

A frame's fingerprint is a thumbnail, the mean colours of a coarse grid, and, where the exact passes are known, which
object is where (a small id map, and exact numbers of each object) and how far away everything is. Thumbnails lose a
little when they are kept as files; a fingerprint always holds one that has been through that, so that equal clips
compare as equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from i2v3d.geometry.frames import Array

THUMBNAIL_WIDTH = 256
ID_MAP_WIDTH = 512
GRID = (9, 16)  # rows, columns


@dataclass(frozen=True)
class ObjectPrint:
    """One object in one frame, measured on the full id map and depth.

    Attributes:
        area_px: Pixels that show it.
        centre_px: Mean column and row of them.
        box_px: Left, top, right and bottom of them, both ends included.
        nearness: Mean inverse depth of them, 1/m.
    """

    area_px: int
    centre_px: tuple[float, float]
    box_px: tuple[int, int, int, int]
    nearness: float


@dataclass(frozen=True)
class GeometryPrint:
    """What the exact passes of a frame say.

    Attributes:
        ids: uint8, the id map sampled at the middle of each cell of `id_map_size`.
        nearness: float32 GRID, mean inverse depth of each cell, 1/m.
        objects: By name; one that is not seen is left out.
    """

    ids: Array
    nearness: Array
    objects: Mapping[str, ObjectPrint]


@dataclass(frozen=True)
class FramePrint:
    """One frame.

    Attributes:
        thumbnail: uint8 (height, width, 3) sRGB, after compression.
        colours: float32 (*GRID, 3), mean sRGB of each cell, 0..255.
        geometry: None where only pictures are known (a video from elsewhere).
    """

    thumbnail: Array
    colours: Array
    geometry: GeometryPrint | None = None


@dataclass(frozen=True)
class ClipPrint:
    """A clip.

    Attributes:
        names: Name by id of the objects in the id maps.
    """

    width: int
    height: int
    fps: float
    frames: tuple[FramePrint, ...]
    names: Mapping[int, str] = field(default_factory=dict)


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Returns width and height of the thumbnails of a clip of this size."""
    return _scaled(width, height, THUMBNAIL_WIDTH)


def id_map_size(width: int, height: int) -> tuple[int, int]:
    """Returns width and height of the small id maps of a clip of this size."""
    return _scaled(width, height, ID_MAP_WIDTH)


def make_thumbnail(pixels: Array) -> Array:
    """Returns the picture (height, width, 3) made small, not yet compressed."""
    import cv2

    height, width = pixels.shape[:2]
    return np.asarray(cv2.resize(pixels, thumbnail_size(width, height), interpolation=cv2.INTER_AREA))


def mean_colours(pixels: Array) -> Array:
    """Returns `FramePrint.colours` of a picture."""
    return np.round(256 * _cell_means(pixels.astype(np.float32))) / np.float32(256)


def geometry_print(ids: Array, depth_m: Array, names: Mapping[int, str]) -> GeometryPrint:
    """Returns the fingerprint of exact passes.

    Args:
        ids: uint8 (height, width).
        depth_m: float32 (height, width), inf where nothing is.
        names: Name by id.
    """
    height, width = ids.shape
    small_width, small_height = id_map_size(width, height)
    rows = ((np.arange(small_height) + 0.5) * height / small_height).astype(int)
    columns = ((np.arange(small_width) + 0.5) * width / small_width).astype(int)
    nearness = np.where(np.isfinite(depth_m) & (depth_m > 0), 1 / np.maximum(depth_m, 1e-6), 0).astype(np.float32)
    objects = {name: made for number, name in names.items() if (made := _object_print(ids == number, nearness))}
    # What a file keeps of them, so that equal clips compare as equal.
    cells = _cell_means(nearness[..., None])[..., 0].astype(np.float16).astype(np.float32)
    return GeometryPrint(ids[np.ix_(rows, columns)], cells, objects)


def _object_print(is_object: Array, nearness: Array) -> ObjectPrint | None:
    by_column, by_row = is_object.sum(axis=0), is_object.sum(axis=1)
    area = int(by_column.sum())
    if area == 0:
        return None
    columns, rows = np.flatnonzero(by_column), np.flatnonzero(by_row)
    centre = (
        round(float(by_column @ np.arange(len(by_column)) / area), 3),
        round(float(by_row @ np.arange(len(by_row)) / area), 3),
    )
    box = (int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1]))
    return ObjectPrint(area, centre, box, float(f"{nearness[is_object].mean(dtype=np.float64):.6g}"))


def _scaled(width: int, height: int, most: int) -> tuple[int, int]:
    small = min(width, most)
    return small, max(1, round(height * small / width))


def _cell_means(plane: Array) -> Array:
    """Returns the means (*GRID, channels) of a plane (height, width, channels)."""
    height, width = plane.shape[:2]
    rows = np.linspace(0, height, GRID[0] + 1).astype(int)
    columns = np.linspace(0, width, GRID[1] + 1).astype(int)
    sums = np.add.reduceat(plane, rows[:-1], axis=0, dtype=np.float64)
    sums = np.add.reduceat(sums, columns[:-1], axis=1)
    counts = np.diff(rows)[:, None] * np.diff(columns)[None, :]
    return (sums / counts[..., None]).astype(np.float32)
