"""The camera's path: keys relative to the source view, and the view at a frame.

A copy of this module lies beside every generated scene script (see `motion`), so it imports numpy
and `motion` only. World: Z up, metres. Camera axes: x right, y down, z forward.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.motion import eased, interval_at, rotation_about

Array = NDArray[Any]
Vector = tuple[float, float, float]

_UP = np.array([0.0, 0.0, 1.0])
_LEVEL = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # columns: axes of a camera that looks along +Y


@dataclass(frozen=True)
class PathKey:
    """A key of the path; the meaning of each field is that of `spec.resolved.CameraKey`. Defaults: the source view."""

    frame: float
    orbit_azimuth_rad: float = 0.0
    orbit_elevation_rad: float = 0.0
    orbit_distance: float = 1.0
    orbit_around: str | Vector | None = None
    move_m: Vector = (0.0, 0.0, 0.0)
    dolly_m: float = 0.0
    pan_rad: float = 0.0
    tilt_rad: float = 0.0
    roll_rad: float = 0.0
    look_at: str | Vector | None = None
    zoom: float = 1.0
    ease: str = "linear"
    travel: Vector = (0.0, 0.0, 0.0)
    travel_per: str | Vector | None = None
    approach: float = 0.0
    keep_size: str | Vector | None = None


@dataclass(frozen=True)
class PathView:
    """The camera at a frame: its pose (4, 4) and the factor on the source camera's focal length."""

    world_from_camera: Array
    zoom: float


@dataclass(frozen=True)
class Surroundings:
    """What a path refers to.

    Attributes:
        world_from_source: (4, 4), the source camera's pose.
        centre_ray: (3,), camera-space ray through the centre of the output picture; `look_at` puts its point there.
        rest_points: World centres of the objects at rest; `orbit_around` means these.
        points: World centres of the objects at the frame; `look_at` follows these.
    """

    world_from_source: Array
    centre_ray: Array
    rest_points: Mapping[str, Array]
    points: Mapping[str, Array]


@dataclass(frozen=True)
class _Pose:
    rotation: Array  # world_from_camera, 3x3
    position: Array


@dataclass(frozen=True)
class _Aim:
    point: Array
    weight: float


def view_at(keys: Sequence[PathKey], frame: float, around: Surroundings) -> PathView:
    """Returns the view at a frame. Without keys, and until the first key moves, it is exactly the source view.

    A path has one `orbit_around`, `travel_per` and `keep_size`; the keys may look at different things, and the
    aim glides from one to the next.

    Raises:
        ValueError: A key names an object that is not in `around`, or the camera passes what it is to keep in size.
    """
    if not keys:
        return PathView(np.array(around.world_from_source, dtype=np.float64), 1.0)
    if keys[0].frame > 0:
        keys = (PathKey(0.0), *keys)
    before, after, share = interval_at([key.frame for key in keys], frame)
    first, last = keys[before], keys[after]
    weight = eased(share, last.ease) if before != after else 0.0

    def number(name: str) -> float:
        return float(getattr(first, name) + (getattr(last, name) - getattr(first, name)) * weight)

    pose = _Pose(
        np.array(around.world_from_source[:3, :3], dtype=np.float64),
        np.array(around.world_from_source[:3, 3], dtype=np.float64),
    )
    centre = first.orbit_around if last.orbit_around is None else last.orbit_around
    if centre is not None:
        pose = _orbited(
            pose,
            _point(centre, around.rest_points),
            azimuth_rad=number("orbit_azimuth_rad"),
            elevation_rad=number("orbit_elevation_rad"),
            distance=number("orbit_distance"),
        )
    move = np.array(first.move_m) + (np.array(last.move_m) - np.array(first.move_m)) * weight
    pose = _Pose(pose.rotation, pose.position + move + number("dolly_m") * _forward(pose.rotation))
    travel = np.array(first.travel) + (np.array(last.travel) - np.array(first.travel)) * weight
    if travel.any():
        pose = _travelled(pose, travel * _unit_m(last.travel_per, around))
    held = last.keep_size
    if held is not None:
        depth_m = _depth(held, around.rest_points, around.world_from_source)
        pose = _Pose(pose.rotation, pose.position + pose.rotation @ around.centre_ray * depth_m * number("approach"))
    rotation = rotation_about(_UP, -number("pan_rad")) @ pose.rotation @ _tilt(number("tilt_rad"))
    roll_rad = number("roll_rad")
    aim = _aim(first, last, weight, around.points)
    if aim is None:
        rotation = rotation @ _roll(roll_rad)
    else:
        rotation = aimed(rotation, aim.point - pose.position, aim.weight, roll_rad=roll_rad, ray=around.centre_ray)
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3], world_from_camera[:3, 3] = rotation, pose.position
    zoom = number("zoom")
    if held is not None:
        # What is `depth` away has the same size at the focal length that grows as the depth does.
        zoom *= _depth(held, around.points, world_from_camera) / depth_m
    return PathView(world_from_camera, zoom)


def _point(place: str | Vector, points: Mapping[str, Array]) -> Array:
    if not isinstance(place, str):
        return np.array(place, dtype=np.float64)
    if place not in points:
        raise ValueError(f"the camera refers to {place!r}, and no object is called that")
    return np.array(points[place], dtype=np.float64)


def _travelled(pose: _Pose, travel_m: Array) -> _Pose:
    """Returns the pose moved to its right, upwards and forward, all level."""
    forward = _forward(pose.rotation)
    axes = np.stack([np.cross(forward, _UP), _UP, forward], axis=1)
    return _Pose(pose.rotation, pose.position + axes @ travel_m)


def _unit_m(per: str | Vector | None, around: Surroundings) -> float:
    """Returns the length that a travel of 1 is: a metre, or the source camera's distance to a point at rest."""
    if per is None:
        return 1.0
    return float(np.linalg.norm(_point(per, around.rest_points) - around.world_from_source[:3, 3]))


def _depth(target: str | Vector, points: Mapping[str, Array], world_from_camera: Array) -> float:
    """Returns how far before the camera a point is, along its axis."""
    depth_m = float((_point(target, points) - world_from_camera[:3, 3]) @ world_from_camera[:3, 2])
    if depth_m <= 1e-6:
        raise ValueError(f"the camera reaches {target!r}, whose size it is to keep")
    return depth_m


def _orbited(pose: _Pose, centre: Array, *, azimuth_rad: float, elevation_rad: float, distance: float) -> _Pose:
    offset = pose.position - centre
    axis = np.cross(offset, _UP)  # a turn about it lifts the camera
    if np.linalg.norm(axis) <= 1e-9 * max(1.0, float(np.linalg.norm(offset))):
        axis = -pose.rotation[:, 0]
    turn = rotation_about(_UP, azimuth_rad) @ rotation_about(axis / np.linalg.norm(axis), elevation_rad)
    # Written as a change of the position, which is exactly zero for no turn.
    return _Pose(turn @ pose.rotation, pose.position + (distance * turn - np.eye(3)) @ offset)


def _forward(rotation: Array) -> Array:
    """Returns the horizontal viewing direction; for a camera that looks straight down, what is up in its picture."""
    for direction in (rotation[:, 2], -rotation[:, 1]):
        horizontal = direction * (1.0, 1.0, 0.0)
        length = float(np.linalg.norm(horizontal))
        if length > 1e-6:
            return np.asarray(horizontal / length)
    return np.array([0.0, 1.0, 0.0])


def _aim(first: PathKey, last: PathKey, weight: float, points: Mapping[str, Array]) -> _Aim | None:
    if first.look_at is None:
        return None if last.look_at is None else _Aim(_point(last.look_at, points), weight)
    start = _point(first.look_at, points)
    if last.look_at is None:
        return _Aim(start, 1.0 - weight)
    return _Aim(start + (_point(last.look_at, points) - start) * weight, 1.0)


def aimed(rotation: Array, towards: Array, weight: float, *, roll_rad: float, ray: Array) -> Array:
    """Returns the rotation that sees the direction `towards` along the camera-space `ray`, blended by weight."""
    if weight == 0.0:
        return rotation @ _roll(roll_rad)
    distance = float(np.linalg.norm(towards))
    if distance < 1e-9:
        raise ValueError("the camera stands in the point that it is to look at")
    x, y, z = _roll(roll_rad) @ ray / np.linalg.norm(ray)
    away, right, up = float(towards[1]), float(towards[0]), float(towards[2]) / distance
    pitch = math.atan2(y, z) + math.asin(np.clip(up / math.hypot(y, z), -1.0, 1.0))
    depth = math.sin(pitch) * y + math.cos(pitch) * z
    heading = math.atan2(away, right) - math.atan2(depth, x)
    free_heading, free_pitch, free_roll = level_angles(rotation)
    turn = math.remainder(heading - free_heading, 2 * math.pi)  # the shorter way round
    return (
        rotation_about(_UP, free_heading + turn * weight)
        @ _LEVEL
        @ _tilt(free_pitch + (pitch - free_pitch) * weight)
        @ _roll(free_roll * (1.0 - weight) + roll_rad)
    )


def level_angles(rotation: Array) -> tuple[float, float, float]:
    """Returns (heading, pitch, roll) with rotation = turn(heading) level tilt(pitch) roll(roll)."""
    x, y, z = rotation[:, 2]
    heading = math.atan2(-x, y)
    pitch = math.asin(np.clip(z, -1.0, 1.0))
    level = rotation_about(_UP, heading) @ _LEVEL @ _tilt(pitch)
    residue = level.T @ rotation
    return heading, pitch, math.atan2(residue[1, 0], residue[0, 0])


def _tilt(angle_rad: float) -> Array:
    """Returns camera_from_tilted_camera, positive up."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[1.0, 0, 0], [0, cos, -sin], [0, sin, cos]])


def _roll(angle_rad: float) -> Array:
    """Returns camera_from_rolled_camera, positive clockwise as seen through the camera."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
