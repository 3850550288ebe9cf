"""Where a thing seen in the photo stands: the upright plane through its pivot that faces the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.artifacts.scene import SolvedLayout
from i2v3d.geometry.frames import Array, Camera, invert_rigid

# Seen from further above than this, an upright plane would lie almost along the view; the plane then faces the camera.
_STEEPEST_RAD = np.radians(40)


@dataclass(frozen=True)
class Stand:
    """A plane and the cameras' numbers to place pixels on it.

    Attributes:
        camera: The source camera, in the object's frame.
        normal: (3,) unit vector from the plane towards the camera, object frame.
    """

    camera: Camera
    normal: Array

    def depth_m(self, points_px: Array) -> Array:
        """Returns the z-depth (n,) at which the rays through photo pixels (n, 2) meet the plane."""
        rays = self.rays(points_px)
        return (self.normal @ -self.camera.world_from_camera[:3, 3]) / (rays @ self.normal)

    def rays(self, points_px: Array) -> Array:
        """Returns object-frame directions (n, 3) of unit z-depth through photo pixels (n, 2)."""
        return np.asarray(self.camera.intrinsics.rays(points_px) @ self.camera.world_from_camera[:3, :3].T)

    def points_m(self, points_px: Array, depth_m: Array) -> Array:
        """Returns object-frame points (n, 3) at these pixels and z-depths."""
        return self.camera.world_from_camera[:3, 3] + self.rays(points_px) * depth_m[:, None]


def source_camera(layout: SolvedLayout, name: str) -> Camera:
    """Returns the camera that took the photo, in the frame of object `name`."""
    object_from_world = invert_rigid(layout.objects[name].world_from_object)
    return Camera(layout.camera.intrinsics, object_from_world @ layout.camera.world_from_camera)


def stand_upright(layout: SolvedLayout, name: str, middle_px: Array) -> Stand:
    """Returns the plane through the object's pivot; `middle_px` (2,) is the middle of its outline."""
    camera = source_camera(layout, name)
    ray = camera.intrinsics.rays(middle_px) @ camera.world_from_camera[:3, :3].T
    ray /= np.linalg.norm(ray)
    is_steep = abs(np.arcsin(ray[2])) > _STEEPEST_RAD
    normal = -ray if is_steep else -np.array([ray[0], ray[1], 0.0])
    return Stand(camera, normal / np.linalg.norm(normal))
