"""Objects that change their shape: soft follow-through, and vertices of every frame kept as shape keys.

Nothing of a simulation stays in the file: each frame is a shape key `frame N`, fully on at its frame and gone at
the next ones, so the .blend plays anywhere and the .glb has morph targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib import compat
from lib.actions import FIRST_FRAME
from lib.build import Clip, Placed, Thing, pose_at
from lib.follow_through import Softness, follow_through

Array = NDArray[Any]


def add_soft(clip: Clip, soft: Mapping[str, Softness], things: Sequence[Thing], placed: Sequence[Placed]) -> None:
    """Bakes the follow-through of the soft objects, whose motion is known by now."""
    by_name = {thing.name: thing for thing in things}
    for name, softness in soft.items():
        mesh_object = next(one.mesh_object for one in placed if one.name == name)
        poses = world_poses(by_name[name], clip, by_name)
        bake_shapes(mesh_object, follow_through(mesh_points(mesh_object.data), poses, softness, clip.fps), poses)


def world_poses(thing: Thing, clip: Clip, by_name: Mapping[str, Thing]) -> Array:
    """Returns `world_from_object` (frames, 4, 4) of a thing's mesh."""
    return np.stack([pose_at(thing, frame, by_name) for frame in range(clip.frame_count)])


def mesh_points(mesh: Any) -> Array:  # Any: bpy types
    """Returns the vertices (n, 3) of a mesh in its own frame."""
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def bake_shapes(mesh_object: Any, places: Array, poses: Array) -> None:  # Any: bpy types
    """Keys the vertices of every frame.

    Args:
        mesh_object: Takes the shape keys; a mesh that it shares becomes its own.
        places: World places (frames, vertices, 3).
        poses: `world_from_object` (frames, 4, 4) of the object.

    Raises:
        ValueError: A place is not a number.
    """
    if not np.isfinite(places).all():
        raise ValueError(f"{mesh_object.name}: the simulation broke down; give less wind or a greater mass")
    if mesh_object.data.users > 1:
        mesh_object.data = mesh_object.data.copy()
    rest = mesh_points(mesh_object.data)
    mesh_object.shape_key_add(name="Basis", from_mix=False)
    keys = mesh_object.data.shape_keys
    keys.name = f"{mesh_object.name} shapes"
    shown = []
    for frame, (world, pose) in enumerate(zip(places, poses, strict=True)):
        object_from_world = np.linalg.inv(pose)
        local = world @ object_from_world[:3, :3].T + object_from_world[:3, 3]
        if np.abs(local - rest).max() <= 1e-6 * np.ptp(rest, axis=0).max():
            continue  # as at rest
        block = mesh_object.shape_key_add(name=f"frame {frame}", from_mix=False)
        block.data.foreach_set("co", np.ascontiguousarray(local, np.float32).ravel())
        shown.append((block.name, frame))
    if shown:
        _key_values(keys, f"{mesh_object.name} shape", shown, len(places))


def _key_values(keys: Any, name: str, shown: Sequence[tuple[str, int]], frame_count: int) -> None:
    curves = compat.action_curves(keys, name)
    for block, frame in shown:
        curve = curves.new(f'key_blocks["{block}"].value')
        curve.extrapolation = "CONSTANT"
        at = [moment for moment in (frame - 1, frame, frame + 1) if 0 <= moment < frame_count]
        curve.keyframe_points.add(len(at))
        points = np.array([(moment + FIRST_FRAME, float(moment == frame)) for moment in at], np.float32)
        curve.keyframe_points.foreach_set("co", points.ravel())
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
        curve.update()
