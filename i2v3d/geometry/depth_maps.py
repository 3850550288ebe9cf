"""The user's depth map of the photo: read, brought to metres, mended behind objects, and sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Camera
from i2v3d.geometry.resolution import Resolution

_BEHIND = 1.02
_MOST_VALUES = 50_000_000
_SWEEPS = 20
_LOWEST = 0.25  # of the photo's height: what is looked at for the ground
_FEWEST = 50
_ROUNDS = 8
_FLAT = 0.02  # of the depth
_MOST = 0.75
_STEEPEST_RAD = np.radians(25)


def read_depth_map(
    file: Path, background: Mapping[str, Any], size: Resolution, *, is_hole: Array, nearest_m: float
) -> Array:
    """Returns float64 (height, width) z-depth in metres of the whole photo.

    Behind objects, where the file shows their own depth, it is continued from around them and kept further
    away than `nearest_m`.

    Raises:
        StageError: The file is no depth map, or of another shape than the photo.
    """
    values = _read_values(file)
    height, width = values.shape
    if abs(width / height - size.width / size.height) > 0.02 * size.width / size.height:
        message = f"{file.name} is {width} x {height}, the photo {size.width} x {size.height}: another shape"
        raise StageError(message, hint="give a depth map of the whole photo")
    metres = _in_metres(values, background, file.name)
    scaled = _resampled(metres, size)
    if is_hole.any() and not is_hole.all():
        mended = 1 / _harmonic(1 / scaled, ~is_hole)
        scaled = np.where(is_hole, np.maximum(mended, _BEHIND * nearest_m), scaled)
    return scaled


def sample_depth(depth_map: Array, pixels: Array) -> Array:
    """Returns depth (...) at photo pixels (..., 2), bilinear in inverse depth; the edge's depth outside."""
    height, width = depth_map.shape
    x = np.clip(pixels[..., 0] - 0.5, 0, width - 1)
    y = np.clip(pixels[..., 1] - 0.5, 0, height - 1)
    column, row = np.minimum(x.astype(int), width - 2), np.minimum(y.astype(int), height - 2)
    right, down = x - column, y - row
    inverse = 1 / depth_map
    upper = inverse[row, column] * (1 - right) + inverse[row, column + 1] * right
    lower = inverse[row + 1, column] * (1 - right) + inverse[row + 1, column + 1] * right
    return np.asarray(1 / (upper * (1 - down) + lower * down))


@dataclass(frozen=True)
class DepthGround:
    """The ground that the lower part of a depth map shows: how far below the camera, and its slope."""

    below_m: float
    slope_rad: float


def ground_of(depth_map: Array, camera: Camera, is_hole: Array) -> DepthGround | None:
    """Returns the plane that most of the lowest part of the photo lies in, None where that is no ground.

    Args:
        depth_map: (height, width) z-depth of the photo, metres.
        camera: The photo's.
        is_hole: (height, width) where objects are.
    """
    height, width = depth_map.shape
    rows, columns = np.arange(int((1 - _LOWEST) * height), height, 2), np.arange(0, width, max(1, width // 96))
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1)[~is_hole[np.ix_(rows, columns)]] + 0.5
    if len(pixels) < _FEWEST:
        return None
    depth = sample_depth(depth_map, pixels)
    points = camera.intrinsics.rays(pixels) @ camera.world_from_camera[:3, :3].T * depth[:, None]
    # Errors of a depth map grow with the distance, and what stands on the ground must not tilt it.
    weight = 1 / depth
    along = np.column_stack([points[:, :2], np.ones(len(points))])
    for _ in range(_ROUNDS):
        plane = np.linalg.lstsq(along * weight[:, None], points[:, 2] * weight, rcond=None)[0]
        away = np.abs(along @ plane - points[:, 2]) / depth
        weight = 1 / depth / np.maximum(away, 1e-3)
    slope = float(np.arctan(np.hypot(*plane[:2])))
    if (away < _FLAT).mean() < _MOST or slope > _STEEPEST_RAD or plane[2] >= 0:
        return None
    return DepthGround(-float(plane[2]), slope)


def _read_values(file: Path) -> Array:
    from PIL import Image as Pillow

    hint = "give a .npy array of (height, width) numbers or a 16-bit grey .png"
    try:
        if file.suffix.lower() == ".npy":
            values = np.load(file, allow_pickle=False)
        else:
            with Pillow.open(file) as picture:
                values = np.asarray(picture)
    except (OSError, ValueError, EOFError, Pillow.DecompressionBombError) as error:
        raise StageError(f"{file.name} is not a depth map: {error}", hint=hint) from error
    values = np.squeeze(values)
    if values.ndim != 2 or min(values.shape) < 2 or values.size > _MOST_VALUES or values.dtype.kind not in "fiu":
        raise StageError(f"{file.name} is not a depth map: {values.dtype} numbers of shape {values.shape}", hint=hint)
    return np.asarray(values, np.float64)


def _in_metres(values: Array, background: Mapping[str, Any], name: str) -> Array:
    near, far = float(background["near_m"]), float(background["far_m"])
    usable = np.isfinite(values)
    if background["depth_kind"] == "inverse":
        if not usable.any() or np.ptp(values[usable]) == 0:
            raise StageError(f"{name} holds the same value everywhere: no depth can be read from it")
        low, high = values[usable].min(), values[usable].max()
        share = np.where(usable, (values - low) / (high - low), 0)
        return np.asarray(1 / (share / near + (1 - share) / far))
    usable &= values > 0
    if not usable.any():
        raise StageError(f"{name} holds no depth above 0 m", hint="`kind: inverse` reads maps where near is large")
    return np.clip(np.where(usable, values, values[usable].max()), 1e-3, None)


def _resampled(depth: Array, size: Resolution) -> Array:
    x = (np.arange(size.width) + 0.5) * depth.shape[1] / size.width
    y = (np.arange(size.height) + 0.5) * depth.shape[0] / size.height
    return sample_depth(depth, np.stack(np.meshgrid(x, y), axis=-1))


def _harmonic(values: Array, is_known: Array) -> Array:
    """Returns the values with unknown ones replaced by a smooth continuation, coarse to fine."""
    height, width = values.shape
    if min(height, width) <= 4:
        return np.where(is_known, values, values[is_known].mean() if is_known.any() else values.mean())
    even = (slice(0, height - height % 2), slice(0, width - width % 2))
    weight = is_known[even].astype(float)
    blocks = (height // 2, 2, width // 2, 2)
    total = weight.reshape(blocks).sum(axis=(1, 3))
    coarse = (values[even] * weight).reshape(blocks).sum(axis=(1, 3)) / np.maximum(total, 1e-9)
    coarse = _harmonic(coarse, total > 0) if (total > 0).any() else coarse
    start = np.repeat(np.repeat(coarse, 2, axis=0), 2, axis=1)
    filled = np.pad(start, ((0, height % 2), (0, width % 2)), mode="edge")
    filled = np.where(is_known, values, filled)
    for _ in range(_SWEEPS):
        padded = np.pad(filled, 1, mode="edge")
        mean = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
        filled = np.where(is_known, values, mean)
    return filled
