"""The conventions of the whole package, written once.

World: right-handed, Z up, metres; ground is Z = 0. Cameras: OpenCV axes (x right, y down,
z forward). Matrices are named `a_from_b` and are 4x4 float64 acting on column vectors. Pixel
coordinates are continuous, x right and y down, with (0, 0) at the outer corner of the first pixel,
so the centre of pixel (column 0, row 0) is (0.5, 0.5). Only this module knows other axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.resolution import Resolution as Resolution

Array = NDArray[Any]

# A camera that looks along +Y of the world with Z up: columns are the camera's x, y, z axes.
WORLD_FROM_LEVEL_CAMERA = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
# OpenCV (x right, y down, z forward) against Blender and OpenGL (x right, y up, z backward): its own inverse.
OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
# glTF and most engines' Y-up world against ours: (x, y, z)_world = (x, -z, y)_yup.
WORLD_FROM_YUP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole with square or nearly square pixels; all values in pixels of `resolution`."""

    focal_x_px: float
    focal_y_px: float
    centre_x_px: float
    centre_y_px: float
    resolution: Resolution

    @classmethod
    def from_fov(cls, fov_rad: float, resolution: Resolution) -> Intrinsics:
        """Returns a centred pinhole with this *horizontal* field of view."""
        focal = 0.5 * resolution.width / np.tan(0.5 * fov_rad)
        return cls(float(focal), float(focal), resolution.width / 2, resolution.height / 2, resolution)

    @property
    def matrix(self) -> Array:
        """3x3 `image_from_camera`."""
        return np.array(
            [
                [self.focal_x_px, 0.0, self.centre_x_px],
                [0.0, self.focal_y_px, self.centre_y_px],
                [0.0, 0.0, 1.0],
            ]
        )

    def window(self, left: float, top: float, resolution: Resolution) -> Intrinsics:
        """Returns the same pinhole seen through another window of the picture plane.

        `left`, `top` are the window's first corner in this picture's pixels; negative widens.
        """
        return Intrinsics(self.focal_x_px, self.focal_y_px, self.centre_x_px - left, self.centre_y_px - top, resolution)

    def zoomed(self, factor: float) -> Intrinsics:
        """Returns the pinhole with its focal length multiplied by `factor`."""
        return Intrinsics(
            self.focal_x_px * factor, self.focal_y_px * factor, self.centre_x_px, self.centre_y_px, self.resolution
        )

    def rays(self, pixels: Array) -> Array:
        """Returns camera-space rays (..., 3) with z = 1 through pixel coordinates (..., 2)."""
        x = (pixels[..., 0] - self.centre_x_px) / self.focal_x_px
        y = (pixels[..., 1] - self.centre_y_px) / self.focal_y_px
        return np.stack([x, y, np.ones_like(x)], axis=-1)


@dataclass(frozen=True)
class Camera:
    """A pinhole somewhere in the world. `world_from_camera` is 4x4, camera axes are OpenCV's."""

    intrinsics: Intrinsics
    world_from_camera: Array

    @property
    def camera_from_world(self) -> Array:
        """The inverse of the pose."""
        return invert_rigid(self.world_from_camera)

    def project(self, points_world: Array) -> tuple[Array, Array]:
        """Returns pixel coordinates (..., 2) and z-depth in metres (...) of world points (..., 3)."""
        camera = transform_points(self.camera_from_world, points_world)
        z_depth = camera[..., 2]
        image = camera @ self.intrinsics.matrix.T
        return image[..., :2] / image[..., 2:3], z_depth


def level_camera_pose(height_m: float, pitch_rad: float) -> Array:
    """Returns `world_from_camera` of the source camera.

    It stands at (0, 0, height), looks along +Y, and is pitched up by `pitch_rad` from the horizon.
    """
    cos, sin = np.cos(pitch_rad), np.sin(pitch_rad)
    pose = WORLD_FROM_LEVEL_CAMERA @ np.array(
        # A turn about the camera's own x axis that lifts z towards -y (up).
        [[1.0, 0, 0, 0], [0, cos, -sin, 0], [0, sin, cos, 0], [0, 0, 0, 1]]
    )
    pose[:3, 3] = (0.0, 0.0, height_m)
    return pose


def pitch_from_horizon(horizon_y_px: float, intrinsics: Intrinsics) -> float:
    """Returns the camera's pitch in radians (up is positive) that puts the horizon on this row."""
    return float(np.arctan2(horizon_y_px - intrinsics.centre_y_px, intrinsics.focal_y_px))


def invert_rigid(a_from_b: Array) -> Array:
    """Returns `b_from_a` of a rotation and translation (no scale, no shear)."""
    b_from_a = np.eye(4)
    b_from_a[:3, :3] = a_from_b[:3, :3].T
    b_from_a[:3, 3] = -a_from_b[:3, :3].T @ a_from_b[:3, 3]
    return b_from_a


def transform_points(a_from_b: Array, points_b: Array) -> Array:
    """Returns points (..., 3) of frame b in frame a."""
    return points_b @ a_from_b[:3, :3].T + a_from_b[:3, 3]


def blender_camera_pose(world_from_camera: Array) -> Array:
    """Returns the pose with Blender's camera axes (x right, y up, z backward)."""
    return world_from_camera @ OPENCV_FROM_OPENGL


def opencv_camera_pose(world_from_blender_camera: Array) -> Array:
    """Returns the pose with OpenCV's camera axes; the inverse of `blender_camera_pose`."""
    return world_from_blender_camera @ OPENCV_FROM_OPENGL
