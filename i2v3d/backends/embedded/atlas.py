"""Texture atlases of meshes over a canvas: one picture a layer, side by side, all of the canvas' size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.artifacts.scene import MeshData
from i2v3d.backends.embedded.outline import Canvas
from i2v3d.geometry.frames import Array

_GUTTER_PX = 4


@dataclass(frozen=True)
class Layer:
    """One picture of an atlas.

    Attributes:
        colour: uint8 (height, width, 3).
        alpha: uint8 (height, width).
        is_observed: bool (height, width), True where the colour was seen in the photo.
    """

    colour: Array
    alpha: Array
    is_observed: Array

    @classmethod
    def unseen(cls, colour: Array) -> Layer:
        """Returns an opaque layer of invented colours."""
        return cls(colour, np.full(colour.shape[:2], 255, np.uint8), np.zeros(colour.shape[:2], bool))


def layer_of(canvas: Canvas) -> Layer:
    """Returns the photo's side: its own colours and matte; observed where the thing was seen."""
    alpha = (canvas.alpha * 255).round().astype(np.uint8)
    return Layer(canvas.colour, alpha, canvas.is_inside_photo & (canvas.alpha > 0.5))


def homogeneous_texcoords(points_px: Array, depth_m: Array, layers: tuple[Layer, ...], index: int) -> Array:
    """Returns (s q, t q, q) float64 (points, 3) of canvas pixels in layer `index`, with q = z-depth."""
    height, width = layers[0].alpha.shape
    full = len(layers) * (width + _GUTTER_PX) - _GUTTER_PX
    s = (points_px[:, 0] + index * (width + _GUTTER_PX)) / full
    return np.stack([s, points_px[:, 1] / height, np.ones_like(s)], axis=1) * depth_m[:, None]


def layered_atlas(layers: tuple[Layer, ...]) -> tuple[Array, Array]:
    """Returns texture uint8 (height, width, 4) and observed map uint8 (height, width)."""
    half = _GUTTER_PX // 2
    columns = []
    for layer in layers:
        picture = np.dstack([layer.colour, layer.alpha, np.where(layer.is_observed, 255, 0).astype(np.uint8)])
        columns.append(np.pad(picture, ((0, 0), (half, half), (0, 0)), mode="edge"))
    atlas = np.ascontiguousarray(np.concatenate(columns, axis=1)[:, half:-half])
    return atlas[..., :4], atlas[..., 4]


def compacted(mesh: MeshData) -> MeshData:
    """Returns the mesh without unused vertices and faces without area, in the artifact's number types."""
    vertices = _settled(mesh.vertices_m)
    corner = vertices[mesh.faces].astype(np.float64)
    doubled = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    used, faces = np.unique(mesh.faces[doubled > 0], return_inverse=True)
    return MeshData(
        vertices[used],
        faces.reshape(-1, 3).astype(np.int32),
        _settled(mesh.texcoords)[used],
        mesh.texture,
        mesh.is_observed,
    )


def _settled(values: Array) -> Array:
    """Returns float32 values on a grid of 2^-22 of the largest: last bits differ between processors, these don't."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return np.asarray(values, np.float32)
    step = 2.0 ** (np.ceil(np.log2(largest)) - 22)
    return np.asarray(np.round(np.asarray(values, np.float64) / step) * step, np.float32)
