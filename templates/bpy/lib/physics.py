"""Rigid bodies: simulated once, every frame in order, and kept as plain keys of named actions.

Stand-ins of the objects are simulated, in world axes about their centres of mass, scaled so that a body is about a
metre large: Bullet is made for that size, and sugar cubes would sink into each other. What comes out are
rigid motions, baked like any other; nothing of the simulation stays in the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from lib import actions
from lib.actions import FIRST_FRAME
from lib.build import Clip, Placed, Thing, pose_at, rest_pose
from lib.frames import transform_points

Array = NDArray[Any]

STEPS_A_FRAME = 24
SOLVER_ITERATIONS = 40
MARGIN_M = 0.004  # Bullet's skin, at a body size of one metre
_HELD_FRAMES = 5  # before the first frame, in which a body takes up its first velocity
_GROUND_SIZE = 400.0


@dataclass(frozen=True)
class Body:
    """What an object is for the simulation; a fixed one may move by keys and pushes the others."""

    mass_kg: float
    friction: float
    bounce: float
    velocity_m_s: tuple[float, float, float] = (0.0, 0.0, 0.0)
    is_fixed: bool = False


@dataclass(frozen=True)
class _StandIn:
    """The simulated object of a thing; `centre` is where its centre of mass rests, in simulation metres."""

    thing: Thing
    body: Body
    proxy: Any  # bpy type
    centre: Array


def simulate(
    scene: Any,  # Any: bpy types
    clip: Clip,
    things: Sequence[Thing],
    placed: Sequence[Placed],
    bodies: Mapping[str, Body],
    *,
    ground: Placed | float | None,
) -> tuple[Thing, ...]:
    """Bakes the bodies' motion into actions and returns the things with it.

    A body that has keys follows them to the last one and is then free, with the velocity it has.

    Args:
        scene: Takes the keys.
        clip: Length and rate.
        things: All objects.
        placed: Their Blender objects.
        bodies: By name; other objects are not touched.
        ground: Height of a level ground, or a mesh that is one, or None.
    """
    by_name = {thing.name: thing for thing in things}
    meshes = {thing.name: thing.mesh_object for thing in placed}
    scale = 1.0 / _typical_size(by_name, meshes, bodies)
    gravity = scene.gravity.copy()
    scene.gravity = (0.0, 0.0, -9.81 * scale)
    bpy.ops.rigidbody.world_add()
    world = scene.rigidbody_world
    world.collection = bpy.data.collections.new("Simulation")
    world.substeps_per_frame, world.solver_iterations = STEPS_A_FRAME, SOLVER_ITERATIONS
    start = FIRST_FRAME - _HELD_FRAMES
    world.point_cache.frame_start, world.point_cache.frame_end = start, FIRST_FRAME + clip.frame_count - 1
    stand_ins = [_stand_in(scene, by_name[name], meshes[name], body, scale) for name, body in bodies.items()]
    helpers = [one.proxy for one in stand_ins]
    if isinstance(ground, Placed):
        helpers.append(_ground_mesh(scene, ground, scale))
    elif ground is not None:
        helpers.append(_ground_box(scene, ground * scale, np.mean([one.centre for one in stand_ins], axis=0)))
    for one in stand_ins:
        _key(one, clip, by_name, scale)
    motions = _run(scene, clip, stand_ins, scale)
    for helper in helpers:
        bpy.data.objects.remove(helper, do_unlink=True)
    bpy.ops.rigidbody.world_remove()
    scene.gravity = gravity
    for name, motion in motions.items():
        # The mover itself stands where its last key was: its place at rest is that of the thing.
        rest = np.array(by_name[name].world_from_object, dtype=np.float64)[:3, 3]
        _bake(meshes[name].parent or meshes[name], name, motion, rest)
    return tuple(dataclasses.replace(thing, simulated=motions.get(thing.name)) for thing in things)


def _typical_size(things: Mapping[str, Thing], meshes: Mapping[str, Any], bodies: Mapping[str, Body]) -> float:
    free = [name for name, body in bodies.items() if not body.is_fixed] or list(bodies)
    return float(np.median([np.ptp(_world_points(things[name], meshes[name]), axis=0).max() for name in free]))


def _local_points(mesh: Any) -> Array:
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def _world_points(thing: Thing, mesh_object: Any) -> Array:
    return transform_points(rest_pose(thing), _local_points(mesh_object.data))


def _stand_in(scene: Any, thing: Thing, mesh_object: Any, body: Body, scale: float) -> _StandIn:
    points = _world_points(thing, mesh_object) * scale
    centre = _centre_of_mass(points, mesh_object.data)
    mesh = mesh_object.data.copy()
    mesh.vertices.foreach_set("co", (points - centre).astype(np.float32).ravel())
    mesh.update()
    proxy = _rigid(scene, f"{thing.name} body", mesh, centre, is_active=not body.is_fixed)
    settings = proxy.rigid_body
    settings.mass, settings.friction, settings.restitution = body.mass_kg, body.friction, body.bounce
    settings.collision_shape = "MESH" if body.is_fixed else "CONVEX_HULL"
    return _StandIn(thing, body, proxy, centre)


def _centre_of_mass(points: Array, mesh: Any) -> Array:
    """Returns that of the solid, or the middle of the box of what is no closed solid."""
    mesh.calc_loop_triangles()
    faces = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    corners = points[faces.reshape(-1, 3)] - middle
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    if abs(volumes.sum()) < 1e-3 * np.prod(high - low):
        return np.asarray(middle)
    found = middle + (volumes[:, None] * corners.sum(axis=1)).sum(axis=0) / 4 / volumes.sum()
    return np.asarray(found if ((found > low) & (found < high)).all() else middle)


def _rigid(scene: Any, name: str, mesh: Any, place: Array, *, is_active: bool) -> Any:
    proxy = bpy.data.objects.new(name, mesh)
    proxy.location = place
    scene.collection.objects.link(proxy)
    with bpy.context.temp_override(object=proxy, active_object=proxy, selected_objects=[proxy]):
        bpy.ops.rigidbody.object_add(type="ACTIVE" if is_active else "PASSIVE")
    settings = proxy.rigid_body
    settings.use_margin, settings.collision_margin = True, MARGIN_M
    settings.use_deactivation = False
    settings.linear_damping = 0.0
    return proxy


def _ground_box(scene: Any, height: float, middle: Array) -> Any:
    mesh = bpy.data.meshes.new("Ground body")
    half = _GROUND_SIZE / 2
    corners = [(x * half, y * half, z) for x in (-1, 1) for y in (-1, 1) for z in (-10.0, 0.0)]
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    # The box's origin is its middle, as Bullet has it.
    mesh.from_pydata([(x, y, z + 5.0) for x, y, z in corners], [], sides)
    proxy = _rigid(scene, "Ground body", mesh, np.array([*middle[:2], height - 5.0]), is_active=False)
    return _as_ground(proxy, "BOX")


def _ground_mesh(scene: Any, ground: Placed, scale: float) -> Any:
    mesh = ground.mesh_object.data.copy()
    mesh.vertices.foreach_set("co", (_local_points(mesh) * scale).astype(np.float32).ravel())
    mesh.update()
    return _as_ground(_rigid(scene, "Ground body", mesh, np.zeros(3), is_active=False), "MESH")


def _as_ground(proxy: Any, shape: str) -> Any:
    # Bullet multiplies what both bodies have: on the ground each body has its own friction and bounce.
    proxy.rigid_body.collision_shape = shape
    proxy.rigid_body.friction = proxy.rigid_body.restitution = 1.0
    return proxy


def _key(one: _StandIn, clip: Clip, things: Mapping[str, Thing], scale: float) -> None:
    """Keys where a body is held or led: the fixed ones all the time, the others until they are free."""
    released = 0 if one.body.is_fixed else _last_key(one.thing)
    last = clip.frame_count - 1 if one.body.is_fixed else released
    if one.body.is_fixed and not _moves(one.thing, things):
        return
    proxy, rest = one.proxy, np.linalg.inv(rest_pose(one.thing))
    proxy.rotation_mode = "QUATERNION"
    before = None
    for frame in range(-_HELD_FRAMES, last + 1):
        motion = pose_at(one.thing, max(frame, 0), things) @ rest
        place = transform_points(motion, one.centre / scale) * scale
        if frame < 0:
            place = place + np.array(one.body.velocity_m_s) * scale * frame / clip.fps
        turn = mathutils.Matrix(motion[:3, :3].tolist()).to_quaternion()
        if before is not None:
            turn.make_compatible(before)
        before = turn
        proxy.location, proxy.rotation_quaternion = place, turn
        proxy.keyframe_insert("location", frame=FIRST_FRAME + frame)
        proxy.keyframe_insert("rotation_quaternion", frame=FIRST_FRAME + frame)
    proxy.rigid_body.kinematic = True
    if not one.body.is_fixed:
        proxy.keyframe_insert("rigid_body.kinematic", frame=FIRST_FRAME - _HELD_FRAMES)
        proxy.rigid_body.kinematic = False
        proxy.keyframe_insert("rigid_body.kinematic", frame=FIRST_FRAME + released + 1)


def _last_key(thing: Thing) -> int:
    return max((int(np.ceil(channel[-1][0])) for channel in thing.motion.values()), default=0)


def _moves(thing: Thing, things: Mapping[str, Thing]) -> bool:
    return bool(thing.motion) or (thing.parent is not None and _moves(things[thing.parent], things))


def _run(scene: Any, clip: Clip, stand_ins: Sequence[_StandIn], scale: float) -> dict[str, Array]:
    """Steps through every frame in order; returns world motions (frames, 4, 4) from rest of what is free."""
    free = [one for one in stand_ins if not one.body.is_fixed]
    motions: dict[str, list[Array]] = {one.thing.name: [] for one in free}
    for frame in range(-_HELD_FRAMES, clip.frame_count):
        scene.frame_set(FIRST_FRAME + frame)
        graph = bpy.context.evaluated_depsgraph_get()
        for one in free if frame >= 0 else ():
            pose = np.array([tuple(row) for row in one.proxy.evaluated_get(graph).matrix_world], dtype=np.float64)
            turn = pose[:3, :3]
            motion = np.eye(4)
            motion[:3, :3] = turn
            motion[:3, 3] = (pose[:3, 3] - turn @ one.centre) / scale
            motions[one.thing.name].append(motion)
    return {name: np.stack(motion) for name, motion in motions.items()}


def _bake(mover: Any, name: str, motion: Array, rest: Array) -> None:
    mover.rotation_mode = "XYZ"
    places, turns, angles = [], [], mathutils.Euler((0.0, 0.0, 0.0))
    for step in motion:
        places.append(transform_points(step, rest))
        angles = mathutils.Matrix(step[:3, :3].tolist()).to_euler("XYZ", angles)
        turns.append(tuple(angles))
    actions.bake(mover, f"{name} simulated", [("location", np.array(places)), ("rotation_euler", np.array(turns))])
