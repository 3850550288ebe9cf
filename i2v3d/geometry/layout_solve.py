"""From declared numbers and mattes to a camera and places: where everything in a photo stands.

The ground plane and the camera's height give the scale; an object that stands on the ground has its
distance from the row where it touches it. Pure: arrays and records in, records out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Camera, Intrinsics, level_camera_pose, pitch_from_horizon

_DEFAULT_EXTENT_M = 0.8  # visible height of a floating thing of which nothing is known
_BASE_SHARE = 0.04  # share of a thing's height that counts as its base
_STEEP_RAD = np.radians(25)  # seen from further above than this, a base is a disc, not a line


@dataclass(frozen=True)
class Silhouette:
    """The outline of a matte, in pixels of the photo; right and bottom are outer edges.

    Attributes:
        base_x_px: Middle of its lowest rows.
        middle_x_px: Mean column of all of it.
    """

    left_px: float
    top_px: float
    right_px: float
    bottom_px: float
    base_x_px: float
    middle_x_px: float


def measure_silhouette(alpha: Array) -> Silhouette:
    """Returns the outline of a uint8 matte (height, width) at half opacity.

    Raises:
        StageError: Nothing is at least half opaque.
    """
    is_thing = alpha >= 128
    rows, columns = np.flatnonzero(is_thing.any(axis=1)), np.flatnonzero(is_thing.any(axis=0))
    if not len(rows):
        raise StageError("a matte is empty: its object can't be placed", hint="look at its `segment`")
    lowest = max(3, round(_BASE_SHARE * len(rows)))
    base = np.flatnonzero(is_thing[rows[-1] + 1 - min(lowest, len(rows)) : rows[-1] + 1].any(axis=0))
    return Silhouette(
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] + 1),
        float(rows[-1] + 1),
        0.5 * float(base[0] + base[-1] + 1),
        float(np.nonzero(is_thing)[1].mean() + 0.5),
    )


def ground_point(camera: Camera, x_px: float, y_px: float, what: str) -> Array:
    """Returns the point (3,) of the ground seen at a photo pixel.

    Raises:
        StageError: The row is on or above the horizon: that ground would be infinitely far.
    """
    ray = _world_ray(camera, x_px, y_px)
    if ray[2] > -1e-3 * np.hypot(ray[0], ray[1]):
        height = camera.intrinsics.resolution.height
        horizon = horizon_row(camera)
        raise StageError(
            f"{what} touches the ground on row {y_px:.0f} ({100 * y_px / height:.1f} % of the photo's height), "
            f"which is not below the horizon on row {horizon:.0f} ({100 * horizon / height:.1f} %)",
            hint="move `background.horizon` up, give a lower `contact`, or let it float with `distance`",
            field="surfaces",
        )
    eye = camera.world_from_camera[:3, 3]
    return np.asarray(eye + ray * (-eye[2] / ray[2]))


def horizon_row(camera: Camera) -> float:
    """Returns the photo row of the horizon straight ahead; very far outside when the camera looks straight down."""
    ahead_up = camera.world_from_camera[2, 2]
    level = max(1e-6, float(np.hypot(*camera.world_from_camera[:2, 2])))
    return float(camera.intrinsics.centre_y_px + camera.intrinsics.focal_y_px * ahead_up / level)


def near_base(camera: Camera, outline: Silhouette, contact_y_px: float | None, name: str) -> Array:
    """Returns the point (3,) of the ground in the middle of where a thing touches it nearest to the camera.

    Raises:
        StageError: Its contact row is not below the horizon.
    """
    row = outline.bottom_px if contact_y_px is None else contact_y_px
    return ground_point(camera, outline.base_x_px, row, f"`{name}`")


def round_base(camera: Camera, outline: Silhouette, contact_y_px: float | None, name: str) -> Array:
    """Returns the centre (3,) of the round base of a thing that stands on the ground.

    Seen from well above, the contact row is the near edge of the base, whose width is that of the outline.

    Raises:
        StageError: Its contact row is not below the horizon.
    """
    near = near_base(camera, outline, contact_y_px, name)
    eye = camera.world_from_camera[:3, 3]
    away = near[:2] - eye[:2]
    distance = float(np.hypot(*away))
    if np.arctan2(eye[2], distance) < _STEEP_RAD:
        return near
    away /= max(distance, 1e-9)
    width_px = outline.right_px - outline.left_px
    low, high = 0.0, 50 * float(eye[2])
    for _ in range(60):
        radius = 0.5 * (low + high)
        is_wider = _disc_width_px(camera, near[:2] + radius * away, radius) > width_px
        low, high = (low, radius) if is_wider else (radius, high)
    return np.array([*(near[:2] + low * away), 0.0])


def _disc_width_px(camera: Camera, middle: Array, radius: float) -> float:
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    rim = np.stack([middle[0] + radius * np.cos(turn), middle[1] + radius * np.sin(turn), np.zeros(64)], axis=1)
    pixels, depth = camera.project(rim)
    return float(np.ptp(pixels[:, 0])) if (depth > 0).all() else float("inf")


def standing_height(camera: Camera, outline: Silhouette, base: Array) -> float:
    """Returns the height in metres of a thing over its base, in the camera's present scale.

    The ray through its highest row is met with the upright plane through the base; seen from above, what is
    highest in the picture may be the far edge of the base, so the plane is that of the far edge.
    """
    eye = camera.world_from_camera[:3, 3]
    away = base[:2] - eye[:2]
    distance = float(np.hypot(*away))
    is_steep = np.arctan2(eye[2], distance) >= _STEEP_RAD
    pixels, _ = camera.project(base[None])
    ray = _world_ray(camera, float(pixels[0, 0]), outline.top_px)
    reach = distance
    if is_steep:
        near = ground_point(camera, outline.base_x_px, outline.bottom_px, "the object")
        reach = 2 * distance - float(np.hypot(*(near[:2] - eye[:2])))
    along = reach / max(float(np.hypot(ray[0], ray[1])), 1e-9)
    return float(eye[2] + along * ray[2])


def floating_pivot(camera: Camera, outline: Silhouette, depth_m: float) -> Array:
    """Returns the point (3,) at this z-depth behind the middle of the outline's lower edge."""
    ray = _world_ray(camera, outline.middle_x_px, outline.bottom_px)
    return np.asarray(camera.world_from_camera[:3, 3] + ray * depth_m)


def floating_depth(intrinsics: Intrinsics, outline: Silhouette, height_m: float | None) -> float:
    """Returns the z-depth at which the outline is `height_m` high, or of a plausible size when it is unknown."""
    extent = _DEFAULT_EXTENT_M if height_m is None else height_m
    return extent * intrinsics.focal_y_px / max(1.0, outline.bottom_px - outline.top_px)


def source_camera(intrinsics: Intrinsics, horizon_y_px: float, height_m: float) -> Camera:
    """Returns the camera over the origin whose horizon is on this row."""
    return Camera(intrinsics, level_camera_pose(height_m, pitch_from_horizon(horizon_y_px, intrinsics)))


def _world_ray(camera: Camera, x_px: float, y_px: float) -> Array:
    return np.asarray(camera.world_from_camera[:3, :3] @ camera.intrinsics.rays(np.array([x_px, y_px])))
