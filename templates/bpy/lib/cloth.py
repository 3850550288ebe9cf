"""Cloth: Blender's own, every frame in order, on a stand-in whose vertices are then kept as shapes of the mesh.

The stand-in is the object's mesh with doubled vertices welded, in world axes, scaled to a metre: Blender's cloth
is made for that size. It counts time in frames and knows no frame rate, takes a step too many where its sum of
steps is rounded, and its stiffness depends on how finely a mesh is cut. All that is made good here, by what was
measured, so that a cloth falls and flies as it should at any size, rate and detail.

Without a collider the result is bit-identical from run to run; with curved ones in its way it may differ by
fractions of a millimetre, which nothing downstream hides: the baked shapes are the truth that is stored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from lib.actions import FIRST_FRAME
from lib.build import Clip, Placed, Thing, pose_at, rest_pose
from lib.deform import bake_shapes, mesh_points, world_poses
from lib.frames import transform_points
from lib.held_region import HeldRegion, held_vertices
from lib.rig_skin import weld

Array = NDArray[Any]

STEPS_A_SECOND = 192
FRAMES_A_SECOND = math.sqrt(1000.0)  # Blender's cloth takes gravity by 0.001 a frame squared
TIME_GRAIN = 4096  # times that binary fractions hold exactly add up to as many steps as were asked for
SKIN = 0.006  # of the cloth's size, between it and what it lies on
WIND_FORCE = 20.0  # newtons a second on a square metre, over the frame rate, of a field's strength of 1
AIR_KG_M3, DRAG = 1.2, 1.2
AIR_DAMPING = 3.0  # about one a second
OWN_WEIGHT_STRAIN = 0.003  # of a hanging cloth of the usual stiffness and mass
USUAL_STIFFNESS, USUAL_MASS_KG_M2 = 15.0, 0.2
EDDY_SIZE, EDDY_SPEED, EDDY_FORCE = 0.55, 0.7, 3.0  # of the cloth's size, of the wind's speed and force
_GROUND_SIZE = 60.0
_LARGEST_STRETCH = 3.0


@dataclass(frozen=True)
class Cloth:
    """How a cloth behaves.

    Attributes:
        region: What is pinned to the object.
        mass_kg_m2: Of a square metre.
        stiffness: As Blender's cloth has it: silk 5, cotton 15, leather 80.
        wind_m_s: World axes.
        gusts: 0 for an even wind to 1 for a wild one.
        seed: Which gusts.
        obstacles: Objects that it can't go through, besides the ground.
        settle_s: Time before the first frame that it has already been in the wind.
    """

    region: HeldRegion
    mass_kg_m2: float
    stiffness: float
    wind_m_s: tuple[float, float, float]
    gusts: float
    seed: int
    obstacles: tuple[str, ...]
    settle_s: float


@dataclass(frozen=True)
class _Sheet:
    """The stand-in: its Blender object, the place of each of the mesh's vertices in it, and its size."""

    proxy: Any  # bpy type
    place_of_vertex: Array
    centre: Array  # of the simulation's axes in the world, metres
    per_metre: float
    area: float  # in the simulation
    last_frame: int


@dataclass(frozen=True)
class _Wind:
    """The wind's fields, its strength, how eddies travel a second, and its chances."""

    even: Any  # bpy type
    eddies: Any  # bpy type
    strength: float
    way: Array
    gusts: float
    phases: Array
    offset: Array

    def blow(self, time_s: float) -> None:
        """Sets the fields for a moment. Keys would not do: Blender's threads may read the strength before it is set."""
        swell = sum(
            share * math.sin(math.tau * hertz * time_s + phase)
            for hertz, share, phase in zip((0.31, 0.83, 1.9), (0.5, 0.3, 0.2), self.phases, strict=True)
        )
        gust = self.strength * max(0.1, 1.0 + self.gusts * swell)
        self.even.field.strength = gust
        self.eddies.field.strength = gust * EDDY_FORCE * self.gusts
        self.eddies.location = self.offset + self.way * time_s
        bpy.context.view_layer.update()


def add_cloths(
    scene: Any,  # Any: bpy types
    clip: Clip,
    cloths: Mapping[str, Cloth],
    things: Sequence[Thing],
    placed: Sequence[Placed],
    *,
    ground: Placed | float | None,
) -> None:
    """Simulates the cloths one by one and keeps their shapes.

    Args:
        scene: Simulates.
        clip: Length and rate.
        cloths: By object.
        things: All objects, with what rigid bodies do.
        placed: Their Blender objects.
        ground: Height of a level ground, or a mesh that is one, or None.
    """
    by_name = {thing.name: thing for thing in things}
    meshes = {thing.name: thing.mesh_object for thing in placed}
    gravity, rate = scene.gravity.copy(), (scene.frame_start, scene.frame_end)
    for name, cloth in cloths.items():
        thing = by_name[name]
        before = math.ceil(cloth.settle_s * clip.fps)
        sheet = _stand_in(scene, thing, meshes[name], clip)
        helpers = [sheet.proxy]
        scene.gravity = (0.0, 0.0, -9.81 * sheet.per_metre)
        scene.frame_start, scene.frame_end = FIRST_FRAME - before, sheet.last_frame
        _lead(sheet.proxy, thing, by_name, clip, sheet)
        settings = _make_cloth(sheet, thing, meshes[name], cloth, clip, before)
        wind = _wind(scene, sheet, cloth, settings.mass, clip.fps)
        helpers += [] if wind is None else [wind.even, wind.eddies]
        helpers += [_obstacle(scene, by_name[other], meshes[other], sheet, by_name, clip) for other in cloth.obstacles]
        helpers += _ground(scene, ground, sheet)
        places = _run(scene, clip, sheet, before, wind)
        for helper in helpers:
            bpy.data.objects.remove(helper, do_unlink=True)
        bake_shapes(meshes[name], places, world_poses(thing, clip, by_name))
    scene.gravity = gravity
    scene.frame_start, scene.frame_end = rate
    scene.frame_set(FIRST_FRAME)


def _stand_in(scene: Any, thing: Thing, mesh_object: Any, clip: Clip) -> _Sheet:
    mesh = mesh_object.data
    points = transform_points(rest_pose(thing), mesh_points(mesh))
    places, place_of_vertex = weld(points)
    per_metre = 1.0 / float(np.ptp(points, axis=0).max())
    centre = np.asarray(points.mean(axis=0))
    mesh.calc_loop_triangles()
    faces = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    welded = place_of_vertex[faces.reshape(-1, 3)]
    welded = welded[(welded[:, 0] != welded[:, 1]) & (welded[:, 1] != welded[:, 2]) & (welded[:, 2] != welded[:, 0])]
    corners = ((places - centre) * per_metre)[welded]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    proxy = _mesh_object(scene, f"{thing.name} cloth", (places - centre) * per_metre, welded)
    return _Sheet(proxy, place_of_vertex, centre, per_metre, float(area), FIRST_FRAME + clip.frame_count - 1)


def _mesh_object(scene: Any, name: str, points: Array, faces: Array) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), [], faces.tolist())
    proxy = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(proxy)
    return proxy


def _lead(proxy: Any, thing: Thing, things: Mapping[str, Thing], clip: Clip, sheet: _Sheet) -> None:
    """Keys a stand-in so that it moves as its thing does; before the clip it rests."""
    rest = np.linalg.inv(rest_pose(thing))
    motions = [pose_at(thing, frame, things) @ rest for frame in range(clip.frame_count)]
    if all(np.allclose(motion, motions[0], atol=1e-12) for motion in motions[1:]) and np.allclose(
        motions[0], np.eye(4)
    ):
        return
    proxy.rotation_mode = "QUATERNION"
    before = None
    for frame, motion in enumerate(motions):
        turn = mathutils.Matrix(motion[:3, :3].tolist()).to_quaternion()
        if before is not None:
            turn.make_compatible(before)
        before = turn
        place = (transform_points(motion, sheet.centre) - sheet.centre) * sheet.per_metre
        proxy.location, proxy.rotation_quaternion = place, turn
        proxy.keyframe_insert("location", frame=FIRST_FRAME + frame)
        proxy.keyframe_insert("rotation_quaternion", frame=FIRST_FRAME + frame)


def _make_cloth(sheet: _Sheet, thing: Thing, mesh_object: Any, cloth: Cloth, clip: Clip, before: int) -> Any:
    """Makes the stand-in a cloth and returns its settings."""
    proxy = sheet.proxy
    count = len(proxy.data.vertices)
    modifier = proxy.modifiers.new("Cloth", "CLOTH")
    settings = modifier.settings
    is_held = np.zeros(count, bool)
    is_held[sheet.place_of_vertex] = held_vertices(mesh_points(mesh_object.data), cloth.region)
    if is_held.any():
        group = proxy.vertex_groups.new(name="pinned")
        group.add(np.flatnonzero(is_held).tolist(), 1.0, "REPLACE")
        settings.vertex_group_mass = group.name
    settings.quality = 2 ** max(3, min(6, math.ceil(math.log2(STEPS_A_SECOND / clip.fps))))
    settings.time_scale = round(FRAMES_A_SECOND / clip.fps * TIME_GRAIN) / TIME_GRAIN
    # A row of springs carries the rows below it: the finer the mesh, the lighter a vertex must be.
    usual = OWN_WEIGHT_STRAIN * USUAL_STIFFNESS * FRAMES_A_SECOND**2 / (math.sqrt(count) * 9.81)
    settings.mass = usual * cloth.mass_kg_m2 / USUAL_MASS_KG_M2
    lightness = math.sqrt(settings.mass / 0.3)  # against Blender's usual vertex
    settings.tension_stiffness = settings.compression_stiffness = cloth.stiffness
    settings.shear_stiffness = cloth.stiffness / 10
    settings.bending_stiffness = 0.5 * (cloth.stiffness / USUAL_STIFFNESS) ** 3
    settings.tension_damping = settings.compression_damping = settings.shear_damping = 5 * lightness
    settings.bending_damping = 0.5 * lightness
    settings.air_damping = AIR_DAMPING * settings.mass
    modifier.collision_settings.distance_min = SKIN
    modifier.point_cache.frame_start = FIRST_FRAME - before
    modifier.point_cache.frame_end = sheet.last_frame
    return settings


def _wind(scene: Any, sheet: _Sheet, cloth: Cloth, vertex_kg: float, fps: float) -> _Wind | None:
    """Adds the wind: an even field whose strength swells, and eddies that travel with it."""
    speed = float(np.linalg.norm(cloth.wind_m_s))
    if speed == 0.0:
        return None
    # The push on a face across the wind, as an acceleration, and what Blender needs to give it to a vertex.
    push = AIR_KG_M3 * DRAG / 2 * speed**2 / cloth.mass_kg_m2 * sheet.per_metre
    strength = push * vertex_kg * len(sheet.proxy.data.vertices) * fps / (WIND_FORCE * sheet.area)
    even, eddies = _field(scene, "WIND"), _field(scene, "TURBULENCE")
    even.rotation_mode = "QUATERNION"
    even.rotation_quaternion = mathutils.Vector(cloth.wind_m_s).to_track_quat("Z", "Y")
    eddies.field.size = EDDY_SIZE
    way = np.array(cloth.wind_m_s) * EDDY_SPEED * sheet.per_metre
    chance = np.random.default_rng(cloth.seed)
    return _Wind(even, eddies, strength, way, cloth.gusts, chance.uniform(0, math.tau, 3), chance.uniform(-50, 50, 3))


def _field(scene: Any, kind: str) -> Any:
    thing = bpy.data.objects.new(kind.title(), None)
    scene.collection.objects.link(thing)
    with bpy.context.temp_override(object=thing, active_object=thing, selected_objects=[thing]):
        bpy.ops.object.forcefield_toggle()
    thing.field.type, thing.field.flow = kind, 0.0
    thing.field.seed, thing.field.noise = 1, 0.0  # a new field takes its seed from the clock
    return thing


def _obstacle(
    scene: Any, thing: Thing, mesh_object: Any, sheet: _Sheet, things: Mapping[str, Thing], clip: Clip
) -> Any:
    points = transform_points(rest_pose(thing), mesh_points(mesh_object.data))
    mesh = mesh_object.data.copy()
    mesh.vertices.foreach_set("co", ((points - sheet.centre) * sheet.per_metre).astype(np.float32).ravel())
    mesh.update()
    proxy = bpy.data.objects.new(f"{thing.name} obstacle", mesh)
    scene.collection.objects.link(proxy)
    _lead(proxy, thing, things, clip, sheet)
    return _as_obstacle(proxy)


def _ground(scene: Any, ground: Placed | float | None, sheet: _Sheet) -> list[Any]:
    if ground is None:
        return []
    if isinstance(ground, Placed):
        points = mesh_points(ground.mesh_object.data)
        mesh = ground.mesh_object.data.copy()
        mesh.vertices.foreach_set("co", ((points - sheet.centre) * sheet.per_metre).astype(np.float32).ravel())
        mesh.update()
        proxy = bpy.data.objects.new("Ground obstacle", mesh)
        scene.collection.objects.link(proxy)
    else:
        level, half = (ground - sheet.centre[2]) * sheet.per_metre, _GROUND_SIZE / 2
        corners = np.array([(x * half, y * half, level) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
        proxy = _mesh_object(scene, "Ground obstacle", corners, np.array([(0, 1, 2), (0, 2, 3)]))
    return [_as_obstacle(proxy)]


def _as_obstacle(proxy: Any) -> Any:
    proxy.modifiers.new("Collision", "COLLISION")
    proxy.collision.thickness_outer = SKIN
    return proxy


def _run(scene: Any, clip: Clip, sheet: _Sheet, before: int, wind: _Wind | None) -> Array:
    """Steps through every frame in order; returns the mesh's vertices (frames, n, 3) in the world.

    Raises:
        ValueError: The cloth tears.
    """
    proxy, places = sheet.proxy, []
    edges = np.empty(len(proxy.data.edges) * 2, np.int32)
    proxy.data.edges.foreach_get("vertices", edges)
    ends = edges.reshape(-1, 2)
    length = _lengths(mesh_points(proxy.data), ends)
    for frame in range(-before, clip.frame_count):
        if wind is not None:
            wind.blow(frame / clip.fps)
        scene.frame_set(FIRST_FRAME + frame)
        evaluated = proxy.evaluated_get(bpy.context.evaluated_depsgraph_get())
        mesh = evaluated.to_mesh()
        points = mesh_points(mesh)
        evaluated.to_mesh_clear()
        if float(np.median(_lengths(points, ends) / length)) > _LARGEST_STRETCH:
            raise ValueError(f"{proxy.name} tears in frame {max(frame, 0)}; give less wind or a greater stiffness")
        if frame >= 0:
            pose = np.array([tuple(row) for row in evaluated.matrix_world], dtype=np.float64)
            world = transform_points(pose, points) / sheet.per_metre + sheet.centre
            places.append(world[sheet.place_of_vertex])
    return np.stack(places)


def _lengths(points: Array, ends: Array) -> Array:
    return np.maximum(np.linalg.norm(points[ends[:, 1]] - points[ends[:, 0]], axis=1), 1e-9)
