"""Depth of field: what the camera is focused on, frame by frame, kept as keys of Blender's own settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from lib import compat
from lib.actions import FIRST_FRAME
from lib.build import Clip, Placed, Thing, bone_at, pose_at
from lib.deform import mesh_points
from lib.frames import transform_points
from lib.motion import eased, interval_at

Array = NDArray[Any]

_NEAREST_M = 1e-3


@dataclass(frozen=True)
class FocusKey:
    """What is sharp from this frame on: an object, a world point, or a distance in metres."""

    frame: float
    on: str | float | tuple[float, float, float]
    ease: str = "linear"


def add_depth_of_field(
    scene: Any,  # Any: bpy types
    clip: Clip,
    things: Sequence[Thing],
    placed: Sequence[Placed],
    *,
    aperture_m: float,
    focus: Sequence[FocusKey],
) -> None:
    """Opens the scene's camera, whose path is known by now, and keys the distance that it is focused on.

    Between two keys the focus is pulled evenly in reciprocal metres, as a lens is turned. On an object it is half way
    between the front and the middle of it, at rest in its own shape; a figure is where its root bone takes it.
    """
    by_name = {thing.name: thing for thing in things}
    points = {thing.name: mesh_points(thing.mesh_object.data) for thing in placed}
    distances = []
    for frame in range(clip.frame_count):
        scene.frame_set(FIRST_FRAME + frame)
        graph = bpy.context.evaluated_depsgraph_get()
        pose = np.array([tuple(row) for row in scene.camera.evaluated_get(graph).matrix_world], dtype=np.float64)
        camera_from_world = np.linalg.inv(pose)

        def far(key: FocusKey, moment: int = frame, camera_from_world: Array = camera_from_world) -> float:
            return max(_NEAREST_M, _distance(key.on, moment, camera_from_world, by_name, points))

        before, after, share = interval_at([key.frame for key in focus], frame)
        share = min(max(eased(share, focus[after].ease), 0.0), 1.0) if after != before else 0.0
        distances.append(1.0 / ((1.0 - share) / far(focus[before]) + share / far(focus[after])))
    lens = scene.camera.data
    lens.dof.use_dof = True
    scene.frame_set(FIRST_FRAME)
    lens.dof.aperture_fstop = lens.lens / 1000.0 / aperture_m
    curve = compat.more_curves(lens, "Camera focus").new("dof.focus_distance")
    curve.extrapolation = "CONSTANT"
    curve.keyframe_points.add(len(distances))
    for frame, (point, distance) in enumerate(zip(curve.keyframe_points, distances, strict=True)):
        point.co, point.interpolation = (frame + FIRST_FRAME, distance), "LINEAR"
    curve.update()


def _distance(
    on: str | float | tuple[float, float, float],
    frame: int,
    camera_from_world: Array,
    things: Mapping[str, Thing],
    points: Mapping[str, Array],
) -> float:
    """Returns the z-depth in metres of what is to be sharp."""
    if isinstance(on, float | int):
        return float(on)
    if isinstance(on, str):
        root = next(iter(things[on].bones), "")  # a clip carries a figure by it
        pose = camera_from_world @ pose_at(things[on], frame, things) @ bone_at(things[on], root, frame)
        depths = -transform_points(pose, points[on])[:, 2]  # Blender's camera looks along -z
        return float(depths.min() + np.median(depths)) / 2
    return -float(transform_points(camera_from_world, np.array([on]))[0, 2])
