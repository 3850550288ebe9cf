"""Skeletons in Blender: armatures, skins that are checked before they are trusted, and baked poses.

A mesh is bound through a stand-in: its vertices welded, small islands dropped, remeshed as one closed
body. Blender's bone heat weighs that body, and the weights go back to the untouched mesh by place, so
that vertices at one place move as one. Blender reports success even where heat found nothing, so the
weights must pass `rig_skin.skin_faults`; if they don't, those of the nearest bones must.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import bpy
import mathutils
import numpy as np
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from lib import actions
from lib.build import Clip, Joints, Placed, Thing, centres_of, pose_at, rest_pose
from lib.frames import transform_points
from lib.rig import Rig
from lib.rig_curves import quaternion
from lib.rig_pose import Goal, Pose, bone_transforms, poses, turns_from_standing
from lib.rig_skin import (
    SMALL_ISLAND,
    bones_inside,
    nearest_bone_weights,
    pieces,
    rigid_weights,
    skin_faults,
    stiffened,
    strongest,
    weld,
)

Array = NDArray[Any]

STAND_IN_SIZE = 2.0  # metres; bone heat fails on very small and very large bodies
VOXELS = 72  # along the stand-in's longest side


class RigError(ValueError):
    """A mesh that can't be bound to its rig so that it holds together."""


def posed(
    clip: Clip, rigs: Sequence[Rig], things: Sequence[Thing], placed: Sequence[Placed]
) -> tuple[tuple[Thing, ...], dict[str, list[Pose]]]:
    """Returns the things knowing where their bones are, and the poses of each rig at every frame.

    What a rig hangs on, and what its hands reach for, is posed before it.
    """
    centres, made = centres_of(placed), dict[str, list[Pose]]()
    by_name, waiting = {thing.name: thing for thing in things}, {rig.object: rig for rig in rigs}

    def settle(name: str) -> None:
        thing = by_name[name]
        if thing.parent is not None and thing.simulated is None:
            settle(thing.parent)
        rig = waiting.pop(name, None)
        if rig is None:
            return
        for target in rig.reach.values():
            if isinstance(target, str):
                settle(target)
        world_from_mesh = [pose_at(thing, frame, by_name) for frame in range(clip.frame_count)]
        goals = _goals(rig, by_name, world_from_mesh, centres)
        made[name] = poses(rig, clip.frame_count, world_from_mesh, goals)
        moved = np.array([bone_transforms(rig, pose) for pose in made[name]])
        bones = {bone: moved[:, index] for index, bone in enumerate(rig.names())}
        by_name[name] = dataclasses.replace(thing, bones=bones)

    for thing in things:
        settle(thing.name)
    return tuple(by_name[thing.name] for thing in things), made


def add_rigs(
    rigs: Sequence[Rig], made: Mapping[str, list[Pose]], things: Sequence[Thing], placed: Sequence[Placed]
) -> list[Placed]:
    """Binds each rigged object to an armature `<object> rig`, bakes its poses, and hangs on bones what hangs there.

    Raises:
        RigError: A mesh can't be bound.
    """
    by_name, found = {thing.name: thing for thing in things}, {one.name: one for one in placed}
    for rig in rigs:
        mesh_object = found[rig.object].mesh_object
        vertices, faces = _geometry(mesh_object.data)
        weights = bind(rig, vertices, faces) if rig.skin is None else _own_weights(rig, vertices)
        armature = _add_armature(rig, f"{rig.object} rig", mesh_object.users_collection[0])
        _attach(mesh_object, armature, rig, weights)
        _bake_poses(armature, rig, made[rig.object])
        for thing in things:
            if thing.parent == rig.object and thing.bone:
                _hang(found[thing.name].mover, thing, armature, by_name[rig.object])
        turns = np.array([[quaternion(one) for one in turns_from_standing(rig, pose)] for pose in made[rig.object]])
        joints = Joints(rig.names(), tuple(bone.limits_deg for bone in rig.bones), turns)
        found[rig.object] = dataclasses.replace(found[rig.object], joints=joints)
    return [found[one.name] for one in placed]


def _own_weights(rig: Rig, vertices: Array) -> Array:
    assert rig.skin is not None
    if rig.skin.shape != (len(vertices), len(rig.bones)):
        raise RigError(f"the skin of {rig.object} is for {len(rig.skin)} vertices, and its mesh has {len(vertices)}")
    return rig.skin


def _hang(mover: Any, thing: Thing, armature: Any, carrier: Thing) -> None:
    """Hangs an object on a bone so that it is at rest where `attach` puts it as long as the rig is at rest."""
    bone = armature.data.bones[thing.bone]
    # Blender carries a bone's children from its tail.
    tail = mathutils.Matrix.Translation((0.0, bone.length, 0.0))
    carried = rest_pose(carrier) @ np.array(bone.matrix_local @ tail)
    attach = np.eye(4) if thing.attach is None else np.array(thing.attach)
    mover.parent, mover.parent_type, mover.parent_bone = armature, "BONE", thing.bone
    mover.matrix_parent_inverse = mathutils.Matrix((np.linalg.inv(carried) @ attach).tolist())


def bind(rig: Rig, vertices: Array, faces: Array) -> Array:
    """Returns checked weights (vertices, bones).

    Raises:
        RigError: Neither bone heat nor the nearest bones give weights that hold.
    """
    places, place = weld(vertices)
    welded = place[faces]
    welded = welded[(welded[:, 0] != welded[:, 1]) & (welded[:, 1] != welded[:, 2]) & (welded[:, 2] != welded[:, 0])]
    ways: tuple[tuple[str, Callable[[], Array | None]], ...]
    if rig.is_rigid:
        ways = (("hard parts", lambda: rigid_weights(places, welded, rig)),)
    else:
        ways = (
            ("bone heat", lambda: _heat_weights(rig, places, welded, is_remeshed=True)),
            ("bone heat on the open mesh", lambda: _heat_weights(rig, places, welded, is_remeshed=False)),
            ("nearest bones", lambda: stiffened(nearest_bone_weights(places, rig, bones_inside(places, rig)), welded)),
        )
    found = []
    for name, way in ways:
        weights = way()
        if weights is None:
            found.append(f"{name}: no body to weigh")
            continue
        faults = skin_faults(vertices, faces, weights[place], rig)
        if not faults:
            print(f"{rig.object}: bound by {name}")  # noqa: T201 (Blender's log)
            return np.asarray(weights[place])
        found.append(f"{name}: {', '.join(faults)}")
    raise RigError(f"the mesh of {rig.object} can't be bound to its rig ({'; '.join(found)})")


def _heat_weights(rig: Rig, places: Array, faces: Array, *, is_remeshed: bool) -> Array | None:
    """Returns (places, bones) weights by bone heat on a stand-in, or None when heat found none."""
    label = pieces(faces, len(places))
    sizes = np.bincount(label)
    kept = faces[sizes[label[faces[:, 0]]] >= SMALL_ISLAND * sizes.max()]
    low, high = places.min(axis=0), places.max(axis=0)
    factor = STAND_IN_SIZE / float((high - low).max())
    body = _remeshed(places * factor, kept) if is_remeshed else _compact(places * factor, kept)
    if body is None:
        return None
    points, polygons = body
    is_inside = bones_inside(places, rig)
    weights = _weigh(rig, points, polygons, factor, is_inside)
    loose = weights.sum(axis=1) < 1e-6
    if loose.mean() > 0.5:
        return None
    if loose.any():
        weights[loose] = nearest_bone_weights(points[loose] / factor, rig, is_inside)
    return stiffened(_transferred(points, polygons, weights, places * factor), faces)


def _remeshed(points: Array, faces: Array) -> tuple[Array, Array] | None:
    """Returns vertices and triangles of the closed body round a mesh, its largest pieces only; None without any."""
    source = _mesh_object("stand-in source", points, faces)
    modifier = source.modifiers.new("Remesh", "REMESH")
    modifier.mode, modifier.voxel_size = "VOXEL", STAND_IN_SIZE / VOXELS
    mesh = bpy.data.meshes.new_from_object(source.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    bpy.data.meshes.remove(source.data)
    vertices, triangles = _geometry(mesh)
    bpy.data.meshes.remove(mesh)
    if len(triangles) < 8:
        return None
    label = pieces(triangles, len(vertices))
    sizes = np.bincount(label)
    return _compact(vertices, triangles[sizes[label[triangles[:, 0]]] >= SMALL_ISLAND * sizes.max()])


def _compact(points: Array, triangles: Array) -> tuple[Array, Array]:
    """Returns the points that the triangles use, and the triangles of those."""
    used, corners = np.unique(triangles, return_inverse=True)
    return points[used], corners.reshape(-1, 3)


def _weigh(rig: Rig, points: Array, triangles: Array, factor: float, is_inside: Array) -> Array:
    """Returns (points, bones) as bone heat has them; zeros where it found none."""
    body = _mesh_object("stand-in", points, triangles)
    armature = _add_armature(rig, "stand-in rig", bpy.context.scene.collection, factor)
    for bone, is_used in zip(rig.bones, is_inside, strict=True):
        armature.data.bones[bone.name].use_deform = bool(is_used)
    _select(body, armature)
    bpy.ops.object.parent_set(type="ARMATURE_AUTO")
    column = {group.index: rig.names().index(group.name) for group in body.vertex_groups}
    weights = np.zeros((len(points), len(rig.bones)))
    for index, vertex in enumerate(body.data.vertices):
        for entry in vertex.groups:
            weights[index, column[entry.group]] = entry.weight
    bpy.data.meshes.remove(body.data)
    bpy.data.armatures.remove(armature.data)
    return weights


def _transferred(points: Array, triangles: Array, weights: Array, places: Array) -> Array:
    """Returns the weights at the nearest points of the stand-in's surface."""
    tree = BVHTree.FromPolygons(points.tolist(), triangles.tolist(), all_triangles=True)
    nearest = [tree.find_nearest(place) for place in places.tolist()]
    at = np.array([tuple(hit[0]) for hit in nearest])
    corners = triangles[np.array([hit[2] for hit in nearest])]
    a, b, c = (points[corners[:, index]] for index in range(3))
    normal = np.cross(b - a, c - a)
    area = np.maximum(np.einsum("nc,nc->n", normal, normal), 1e-30)
    to_b = np.einsum("nc,nc->n", np.cross(at - a, c - a), normal) / area
    to_c = np.einsum("nc,nc->n", np.cross(b - a, at - a), normal) / area
    share = np.clip(np.stack([1 - to_b - to_c, to_b, to_c], axis=1), 0.0, 1.0)
    share /= share.sum(axis=1, keepdims=True)
    return strongest(np.einsum("nk,nkb->nb", share, weights[corners]))


def _mesh_object(name: str, points: Array, faces: Array) -> Any:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.tolist(), [], faces.tolist())
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def _geometry(mesh: Any) -> tuple[Array, Array]:
    """Returns vertices and triangles of a Blender mesh."""
    vertices = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", vertices)
    mesh.calc_loop_triangles()
    faces = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    return vertices.reshape(-1, 3).astype(np.float64), faces.reshape(-1, 3)


def _select(*things: Any) -> None:
    """Makes these the selected objects and the last one the active one, which operators act on."""
    bpy.context.view_layer.update()  # until then objects that were removed are listed as None
    for other in bpy.context.view_layer.objects:
        other.select_set(other in things)
    bpy.context.view_layer.objects.active = things[-1]


def _add_armature(rig: Rig, name: str, collection: Any, factor: float = 1.0) -> Any:
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(armature)
    _select(armature)
    bpy.ops.object.mode_set(mode="EDIT")
    made = {}
    for bone in rig.bones:
        made[bone.name] = edited = armature.data.edit_bones.new(bone.name)
        edited.head = mathutils.Vector(bone.head) * factor
        edited.tail = mathutils.Vector(bone.tail) * factor
        if edited.length < 1e-4:  # Blender drops a bone without length
            edited.tail = edited.head + mathutils.Vector((0.0, 0.0, 1e-3))
        if bone.parent:
            edited.parent = made[bone.parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.select_set(False)
    armature.data.display_type = "STICK"
    armature.show_in_front = True
    return armature


def _attach(mesh_object: Any, armature: Any, rig: Rig, weights: Array) -> None:
    """Puts the armature between an object and what moves it, and gives the mesh its weights."""
    armature.parent, armature.matrix_basis = mesh_object.parent, mesh_object.matrix_basis.copy()
    mesh_object.parent, mesh_object.matrix_basis = armature, mathutils.Matrix.Identity(4)
    for index, bone in enumerate(rig.bones):
        group = mesh_object.vertex_groups.new(name=bone.name)
        for vertex in np.flatnonzero(weights[:, index] > 0):
            group.add([int(vertex)], float(weights[vertex, index]), "REPLACE")
    modifier = mesh_object.modifiers.new(armature.name, "ARMATURE")
    modifier.object = armature


def _goals(
    rig: Rig, things: Mapping[str, Thing], world_from_mesh: Sequence[Array], centres: Mapping[str, Array]
) -> dict[str, Goal]:
    """Returns where the ends of arms go, in the mesh's frame."""

    def goal(target: str | tuple[float, float, float]) -> Goal:
        def at(frame: int) -> Array:
            if isinstance(target, str):
                place = transform_points(pose_at(things[target], frame, things), centres[target])
            else:
                place = np.array(target)
            return np.asarray((np.linalg.inv(world_from_mesh[frame]) @ (*place, 1.0))[:3])

        return at

    return {bone: goal(target) for bone, target in rig.reach.items()}


def _bake_poses(armature: Any, rig: Rig, made: Sequence[Pose]) -> None:
    """Keys every bone that moves, one key a frame, in an action `<object> pose`."""
    tracks = []
    mesh_from_rig = rig.mesh_from_rig
    for index, bone in enumerate(rig.bones):
        rest = np.array([tuple(row) for row in armature.data.bones[bone.name].matrix_local.to_3x3()])
        bone_from_rig = rest.T @ mesh_from_rig
        turns = np.array([quaternion(bone_from_rig @ pose.turns[index] @ bone_from_rig.T) for pose in made])
        for frame in range(1, len(turns)):
            if turns[frame] @ turns[frame - 1] < 0:  # the same turn, without a jump to the far side
                turns[frame] *= -1
        path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"]'
        if np.abs(turns - (1.0, 0.0, 0.0, 0.0)).max() > 1e-9:
            tracks.append((f"{path}.rotation_quaternion", turns))
        ways = np.array([bone_from_rig @ pose.root for pose in made])
        if index == 0 and np.abs(ways).max() > 1e-12:
            tracks.append((f"{path}.location", ways))
    if tracks:
        actions.bake(armature, f"{rig.object} pose", tracks)
