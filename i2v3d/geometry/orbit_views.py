"""Cameras on a ring around one object, as multi-view generators expect them.

Source: Zero123++ v1.2 (arXiv 2310.15110, section 2.1): azimuth 30, 90, ..., 330 degrees relative to the photo,
elevation 20 and -10 in turn and absolute, horizontal field of view 30 degrees, pictures of 320 x 320.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2v3d.geometry.frames import Array, Camera, Intrinsics, Resolution
from i2v3d.geometry.rotations import quaternion_of, rotation_of, turned_part

AZIMUTHS_RAD = tuple(float(np.radians(degrees)) for degrees in (30, 90, 150, 210, 270, 330))
ELEVATIONS_RAD = tuple(float(np.radians(degrees)) for degrees in (20, -10, 20, -10, 20, -10))
FOV_RAD = float(np.radians(30))
VIEW_SIZE = Resolution(320, 320)
_WIDEST_RAD = float(np.radians(60.5))


def six_view_cameras(vertices_m: Array, towards_photo: Array) -> tuple[Camera, ...]:
    """Returns the six cameras, in the object's frame, that hold the whole object.

    Args:
        vertices_m: (vertices, 3) in the object's frame.
        towards_photo: (3,) direction from the object to the source camera; its azimuth is azimuth 0. The
            others count counter-clockwise seen from above: a camera at 30 degrees went to its right.
    """
    start = float(np.arctan2(towards_photo[1], towards_photo[0]))
    return tuple(
        orbit_camera(vertices_m, start + azimuth, elevation)
        for azimuth, elevation in zip(AZIMUTHS_RAD, ELEVATIONS_RAD, strict=True)
    )


def orbit_camera(
    vertices_m: Array,
    azimuth_rad: float,
    elevation_rad: float,
    *,
    fov_rad: float = FOV_RAD,
    size: Resolution = VIEW_SIZE,
) -> Camera:
    """Returns a camera that looks at the middle of the object from this direction and just holds it all.

    `azimuth_rad` counts from +X towards +Y.
    """
    low, high = vertices_m.min(axis=0).astype(np.float64), vertices_m.max(axis=0).astype(np.float64)
    middle = (low + high) / 2
    radius = float(np.linalg.norm(vertices_m - middle, axis=1).max())
    distance = 1.02 * max(radius, 1e-6) / np.sin(fov_rad / 2)
    out = np.array(
        [
            np.cos(elevation_rad) * np.cos(azimuth_rad),
            np.cos(elevation_rad) * np.sin(azimuth_rad),
            np.sin(elevation_rad),
        ]
    )
    return Camera(Intrinsics.from_fov(fov_rad, size), look_at_pose(middle + distance * out, middle))


def look_at_pose(eye: Array, target: Array) -> Array:
    """Returns 4x4 `world_from_camera` at `eye`, looking at `target`, with Z up in the picture."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def sweep_stops(source: Camera, views: Sequence[Camera]) -> list[Camera]:
    """Returns the stops of a flight that starts at the source view, goes out through views on one side, and back.

    Views are of one object, in the world. Those count that look from the photo's side (within 60 degrees of where
    the source camera looks) and stand above the ground; the flight takes those to the right of the source view
    first, nearest first, comes back through it, and goes on to those on the left. A stop has its view's pose, and
    the lens that shows the view's picture over the height of the source's.
    """
    heading = _heading(source)
    low_m = 0.02 * abs(float(source.world_from_camera[2, 3]))
    sides: dict[bool, list[tuple[float, Camera]]] = {True: [], False: []}
    for view in views:
        turn = float(np.remainder(_heading(view) - heading + np.pi, 2 * np.pi) - np.pi)
        if abs(turn) > _WIDEST_RAD or view.world_from_camera[2, 3] < low_m:
            continue
        k, size = view.intrinsics, source.intrinsics.resolution
        focal = k.focal_y_px * size.height / k.resolution.height
        lens = Intrinsics(focal, focal, size.width / 2, size.height / 2, size)
        sides[turn > 0].append((abs(turn), Camera(lens, view.world_from_camera)))
    right, left = ([camera for _, camera in sorted(sides[side], key=lambda pair: pair[0])] for side in (True, False))
    back = [source] if right and left else []
    return [source, *right, *back, *left]


def drawn_near(stops: Sequence[Camera], centre: Array, share: float) -> list[Camera]:
    """Returns the stops with only a share of the way from the first to each, round `centre`."""
    return [stops[0], *(_between(stops[0], stop, centre, share) for stop in stops[1:])]


def _heading(camera: Camera) -> float:
    axis = camera.world_from_camera[:3, 2]
    return float(np.arctan2(axis[1], axis[0]))


def flight(stops: Sequence[Camera], centre: Array, frame_count: int) -> list[Camera]:
    """Returns a camera a frame that goes round `centre` from stop to stop, slowing down at each.

    Direction, distance, turn and focal length all come the same share of the way, so that what is at the centre
    keeps its place in the picture between two stops that see it at the same place.
    """
    moments = np.linspace(0.0, len(stops) - 1, frame_count)
    cameras = []
    for moment in moments:
        index = min(int(moment), len(stops) - 2)
        share = float(moment) - index
        first, last = stops[index], stops[index + 1]
        cameras.append(_between(first, last, centre, share * share * (3 - 2 * share)))
    return cameras


def _between(first: Camera, last: Camera, centre: Array, share: float) -> Camera:
    if share in (0.0, 1.0):
        return last if share else first
    offsets = [camera.world_from_camera[:3, 3] - centre for camera in (first, last)]
    radii = [float(np.linalg.norm(offset)) for offset in offsets]
    ways = [offset / radius for offset, radius in zip(offsets, radii, strict=True)]
    angle = float(np.arccos(np.clip(ways[0] @ ways[1], -1.0, 1.0)))
    weights = (np.sin((1 - share) * angle), np.sin(share * angle)) if angle > 1e-6 else (1 - share, share)
    way = weights[0] * ways[0] + weights[1] * ways[1]
    pose = np.eye(4)
    pose[:3, 3] = centre + way / np.linalg.norm(way) * radii[0] ** (1 - share) * radii[1] ** share
    start, end = (quaternion_of(camera.world_from_camera[:3, :3]) for camera in (first, last))
    pose[:3, :3] = rotation_of(turned_part(start, end, share))
    ratio = last.intrinsics.focal_x_px / first.intrinsics.focal_x_px
    return Camera(first.intrinsics.zoomed(ratio**share), pose)


def seen_centre(views: Sequence[Camera]) -> Array:
    """Returns the point that the views' axes pass nearest to (least squares)."""
    places = np.array([view.world_from_camera[:3, 3] for view in views])
    axes = np.array([view.world_from_camera[:3, 2] for view in views])
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    return np.asarray(np.linalg.solve(across.sum(axis=0), (across @ places[..., None]).sum(axis=0))[:, 0])
