"""Depth of a declared background along each ray of the source camera, and guides for filling its picture.

Each layout is a few surfaces; along a ray the nearest one counts. Where two meet, their inverse depths are
joined by a smooth maximum, so that the mesh has no crease. The kinds and their numbers are those of
`SolvedLayout.background` (see `stages/layout.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d.geometry.frames import Array, Camera, Resolution

if TYPE_CHECKING:
    from i2v3d.artifacts.scene import SolvedLayout

_SOFT_JOIN = 1 / 24  # at a join of two surfaces the depth is 3 % less than that of either
_ROOM_JOIN = 1 / 60
_NEARBY = 0.3  # how much filling a backdrop keeps to its place, against 1 for rows
_LOWEST_INVERSE = 1e-9


@dataclass(frozen=True)
class Window:
    """A rectangle of the source camera's picture plane: first corner (may be negative) and size in pixels."""

    left_px: int
    top_px: int
    resolution: Resolution

    def pixel_centres(self) -> Array:
        """Returns photo coordinates (height, width, 2) of the window's pixel centres."""
        x = self.left_px + 0.5 + np.arange(self.resolution.width)
        y = self.top_px + 0.5 + np.arange(self.resolution.height)
        return np.stack(np.meshgrid(x, y), axis=-1)


def surface_depth(background: Mapping[str, Any], camera: Camera, pixels: Array) -> Array:
    """Returns z-depth in metres (...) of the declared surfaces along rays through photo pixels (..., 2).

    Raises:
        ValueError: A layout without surfaces of its own (a depth file).
    """
    terms = inverse_depths(background, camera, pixels)
    join = _ROOM_JOIN if background["kind"] == "room" else _SOFT_JOIN
    stack = np.maximum(np.stack(list(terms.values())), _LOWEST_INVERSE)
    highest = stack.max(axis=0)
    joined = highest * ((stack / highest) ** (1 / join)).sum(axis=0) ** join
    return np.asarray(1 / joined)


def inverse_depths(background: Mapping[str, Any], camera: Camera, pixels: Array) -> dict[str, Array]:
    """Returns inverse z-depth (...) of each surface by name; zero where a ray does not meet it."""
    rays = camera.intrinsics.rays(pixels) @ camera.world_from_camera[:3, :3].T
    right, ahead, up = rays[..., 0], rays[..., 1], rays[..., 2]
    eye_m = float(camera.world_from_camera[2, 3])
    kind = background["kind"]
    ground = np.maximum(-up, 0) / eye_m
    far = np.full(right.shape, 1 / background["far_m"])
    if kind == "ground_and_backdrop":
        return {"ground": ground, "backdrop": np.maximum(ahead, 0) / background["backdrop_y_m"], "far": far}
    if kind == "backdrop":
        return {"backdrop": np.maximum(ahead, 0) / background["backdrop_y_m"], "far": far}
    if kind == "plane":
        return {"ground": ground, "far": far}
    if kind == "dome":
        return {"ground": ground, "sky": np.linalg.norm(rays, axis=-1) / background["radius_m"]}
    if kind == "room":
        return {
            "ground": ground,
            "back": np.maximum(ahead, 0) / background["back_m"],
            "left": np.maximum(-right, 0) / -background["left_m"],
            "right": np.maximum(right, 0) / background["right_m"],
            "ceiling": np.maximum(up, 0) / (background["ceiling_m"] - eye_m),
        }
    raise ValueError(f"layout {kind} has no surfaces of its own")


def _folded(share: Array) -> Array:
    """Returns shares in 0..1; those outside are mirrored, so that a margin is not filled from one row alone."""
    return np.asarray(1 - np.abs(1 - np.mod(share, 2)))


def fill_guide(layout: SolvedLayout, window: Window) -> Array | None:
    """Returns where filling should copy from, float32 (height, width, 3) in 0..1, or None for anywhere.

    The photo of a ground and what stands behind it changes from row to row: copy from like rows. Things on an
    upright backdrop are where they are: copy from nearby. In a box room copy from the same wall, at a like
    height or distance. A table top is the same everywhere.
    """
    kind = layout.background["kind"]
    if kind == "plane":
        return None
    pixels = window.pixel_centres()
    photo = layout.camera.intrinsics.resolution
    guide = np.zeros((*window.resolution.shape, 3), np.float32)
    if kind == "backdrop":
        guide[..., 0] = _folded(pixels[..., 1] / photo.height) * _NEARBY
        guide[..., 1] = _folded(pixels[..., 0] / photo.width) * _NEARBY
        return guide
    if kind != "room":
        guide[..., 0] = _folded(pixels[..., 1] / photo.height)
        return guide
    terms = inverse_depths(layout.background, layout.camera, pixels)
    names = list(terms)
    stack = np.stack([terms[name] for name in names])
    label = stack.argmax(axis=0)
    depth = 1 / np.maximum(stack.max(axis=0), _LOWEST_INVERSE)
    rays = layout.camera.intrinsics.rays(pixels) @ layout.camera.world_from_camera[:3, :3].T
    eye_m = float(layout.camera.world_from_camera[2, 3])
    level = np.clip((eye_m + depth * rays[..., 2]) / layout.background["ceiling_m"], 0, 1)
    along = np.clip(depth * rays[..., 1] / layout.background["back_m"], 0, 1)
    is_flat = np.isin(label, [names.index("ground"), names.index("ceiling")])
    guide[..., 0] = label / (len(names) - 1)
    guide[..., 1] = np.where(is_flat, along, level)
    return guide
