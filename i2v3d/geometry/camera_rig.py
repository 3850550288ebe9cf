"""What moves the camera besides the keys of its path: following an object, a hand's shake, a track of poses.

A copy of this module lies beside every generated scene script (see `motion`), so it imports numpy,
`camera_path` and `rotations` only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.camera_path import PathView, aimed, level_angles
from i2v3d.geometry.motion import rotation_about
from i2v3d.geometry.rotations import rotation_of

Array = NDArray[Any]

_SMOOTHING_STEPS = 24
_SHAKE_RAD = (0.0040, 0.0032, 0.0022)  # pan, tilt, roll of a calm hand (0.23, 0.18 and 0.13 degrees)
_SHAKE_M = (0.006, 0.005, 0.004)  # right, down, forward
_HARMONICS = ((1.0, 0.62), (1.93, 0.27), (3.21, 0.11))  # (frequency, share): no two in step, together 1


@dataclass(frozen=True)
class Follow:
    """Goes after an object, `lag_s` later: `moving` as it does, or `turning` towards it from where it stands."""

    object: str
    lag_s: float = 0.2
    by: Literal["moving", "turning"] = "moving"


@dataclass(frozen=True)
class Shake:
    """A hand's shake; amount 1 is a calm hand. It starts from nothing, so that the first frame stays as it is."""

    amount: float = 1.0
    frequency_hz: float = 1.5
    seed: int = 1


@dataclass(frozen=True)
class TrackPose:
    """The camera at one frame: world place in metres, turn (w, x, y, z) of OpenCV axes, and zoom."""

    place: tuple[float, float, float]
    turn: tuple[float, float, float, float]
    zoom: float = 1.0


@dataclass(frozen=True)
class CameraRig:
    """What moves the camera besides keys; without anything it leaves the view as it is."""

    follow: Follow | None = None
    shake: Shake | None = None


def track_view(track: Sequence[TrackPose], frame: int) -> PathView:
    """Returns the view of a track, which has a pose for every frame."""
    pose = track[frame]
    world_from_camera = np.eye(4)
    world_from_camera[:3, :3], world_from_camera[:3, 3] = rotation_of(np.array(pose.turn)), pose.place
    return PathView(world_from_camera, pose.zoom)


def rigged(
    view: PathView, rig: CameraRig, frame: float, *, fps: float, point_at: Callable[[str, float], Array]
) -> PathView:
    """Returns the view as the rig has it: it follows first, then shakes.

    Args:
        view: The view that path or track give.
        rig: What is applied to it.
        frame: Frame number from zero.
        fps: Frames a second.
        point_at: World centre of an object, by name and frame; frames before 0 are frame 0.
    """
    if rig.follow is not None:
        view = _following(view, rig.follow, frame, fps, point_at)
    if rig.shake is not None:
        view = _shaken(view, rig.shake, frame / fps)
    return view


def late_point(follow: Follow, frame: float, fps: float, point_at: Callable[[str, float], Array]) -> Array:
    """Returns where the follower takes its object to be: as it was `lag_s` ago, smoothed over the time around then.

    The past is weighted by t exp(-2 t / lag), the answer of a critically damped follower, in steps of equal
    weight. So after a steady motion the follower is exactly `lag_s` late, and no jerk of the object is copied.
    """
    if follow.lag_s <= 0:
        return point_at(follow.object, frame)
    ages = _ages() * follow.lag_s * fps
    return np.asarray(np.mean([point_at(follow.object, max(frame - age, 0.0)) for age in ages], axis=0))


def _ages() -> Array:
    """Returns the middles of steps of equal weight under t exp(-2 t), scaled to a mean of exactly 1."""
    time = np.linspace(0.0, 8.0, 4001)
    total = 1 - (1 + 2 * time) * np.exp(-2 * time)
    ages = np.interp((np.arange(_SMOOTHING_STEPS) + 0.5) / _SMOOTHING_STEPS, total, time)
    return np.asarray(ages / ages.mean())


def _following(
    view: PathView, follow: Follow, frame: float, fps: float, point_at: Callable[[str, float], Array]
) -> PathView:
    start, late = point_at(follow.object, 0.0), late_point(follow, frame, fps, point_at)
    if np.array_equal(start, late):
        return view
    pose = view.world_from_camera.copy()
    if follow.by == "moving":
        pose[:3, 3] += late - start
    else:
        ray = pose[:3, :3].T @ (start - pose[:3, 3])
        roll_rad = level_angles(pose[:3, :3])[2]
        pose[:3, :3] = aimed(pose[:3, :3], late - pose[:3, 3], 1.0, roll_rad=roll_rad, ray=ray)
    return PathView(pose, view.zoom)


def _shaken(view: PathView, shake: Shake, time_s: float) -> PathView:
    swings = shake.amount * (_swings(shake, time_s) - _swings(shake, 0.0))
    pan, tilt, roll = swings[:3] * _SHAKE_RAD
    pose = view.world_from_camera.copy()
    pose[:3, 3] += pose[:3, :3] @ (swings[3:] * _SHAKE_M)
    x, y, z = np.eye(3)
    pose[:3, :3] = pose[:3, :3] @ rotation_about(y, pan) @ rotation_about(x, tilt) @ rotation_about(z, roll)
    return PathView(pose, view.zoom)


def _swings(shake: Shake, time_s: float) -> Array:
    """Returns six numbers within -1..1 that swing smoothly over time, each by its own phases and paces."""
    chance = np.random.default_rng(shake.seed)
    phases = chance.uniform(0.0, math.tau, (6, len(_HARMONICS)))
    paces = chance.uniform(0.8, 1.25, (6, len(_HARMONICS)))
    frequencies, shares = np.array(_HARMONICS).T
    return np.asarray(np.sin(math.tau * shake.frequency_hz * frequencies * paces * time_s + phases) @ shares)
