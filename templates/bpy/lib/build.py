"""The scene in Blender: collections, background, objects at rest, their motion and the camera's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import mathutils
import numpy as np
from numpy.typing import NDArray

from lib import actions, compat, meshes
from lib.camera_path import PathKey, Surroundings, view_at
from lib.camera_rig import CameraRig, TrackPose, rigged, track_view
from lib.frames import Camera, Intrinsics, Resolution, blender_camera_pose, transform_points
from lib.motion import Motion, world_from_object_at

Array = NDArray[Any]
Rows = Sequence[Sequence[float]]

BACKGROUND_ID = 1
SENSOR_MM = 36.0
NO_RIG = CameraRig()


@dataclass(frozen=True)
class Clip:
    """Length, rate and picture size of the clip."""

    name: str
    fps: float
    frame_count: int
    width: int
    height: int


@dataclass(frozen=True)
class SourceCamera:
    """The camera that took the photo, seen through the output's window; OpenCV axes, pixels, metres."""

    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    world_from_camera: Rows


@dataclass(frozen=True)
class Thing:
    """One object: its id in the passes, its mesh folder, where it rests, its motion about that, and what carries it.

    What is carried by `parent` takes part in that one's motion, and its own is counted in the parent's rest axes;
    with `bone` it is that bone of the parent that carries it, and `attach` (4x4, world at rest) puts it there.
    `simulated` (frames, 4, 4), where there is one, is its motion from rest in the world; `bones` (frames, 4, 4) by
    name are where the bones of its rig take what they carry, in its mesh's frame.
    """

    name: str
    id: int
    assets: str
    world_from_object: Rows
    scale: float = 1.0
    motion: Motion = field(default_factory=dict)
    parent: str | None = None
    simulated: Array | None = None
    is_rigged: bool = False
    bone: str = ""
    attach: Rows | None = None
    bones: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Joints:
    """How the bones of a rig are turned, as their limits count it: `turns` (frames, bones, 4) are (w, x, y, z)."""

    names: tuple[str, ...]
    limits_deg: tuple[Any, ...]
    turns: Array


@dataclass(frozen=True)
class Placed:
    """What the scene cache reads back: the Blender object of each id and the folder of its mesh.

    Where the mesh folder holds vertices more than once or after modifiers, `corners` is the evaluated vertex of
    each, and `count` how many those are. Of a rigged one `joints` says how its bones are turned.
    `mover` is the object that its keys move.
    """

    name: str
    id: int
    assets: str
    mesh_object: Any  # bpy type
    corners: Array | None = None
    count: int | None = None
    joints: Joints | None = None
    mover: Any = None  # bpy type


def new_scene(clip: Clip) -> Any:  # Any: bpy types
    """Returns an empty scene with exact colours: Standard view, no dither, no world light."""
    compat.check_version()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.name = clip.name
    scene.frame_start = actions.FIRST_FRAME
    scene.frame_end = actions.FIRST_FRAME + clip.frame_count - 1
    render = scene.render
    # Blender's rate is a whole number over a divisor: 23.976 becomes 24 / 1.001.
    render.fps = max(1, round(clip.fps))
    render.fps_base = render.fps / clip.fps
    render.resolution_x, render.resolution_y, render.resolution_percentage = clip.width, clip.height, 100
    render.engine = "CYCLES"
    render.film_transparent = True
    render.use_motion_blur = False
    render.dither_intensity = 0.0
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"
    scene.unit_settings.system = "METRIC"
    scene.cycles.samples = 8
    scene.cycles.max_bounces = 0
    scene.cycles.transparent_max_bounces = scene.cycles.min_transparent_bounces = 8
    scene.cycles.use_denoising = False
    return scene


def add_background(scene: Any, assets: Path, folder: str) -> Placed:  # Any: bpy types
    """Puts the background where it was reconstructed, in world coordinates."""
    thing = bpy.data.objects.new("Background", meshes.load_mesh(assets / folder, "Background"))
    thing.pass_index = BACKGROUND_ID
    _collection(scene, "Background").objects.link(thing)
    return Placed("Background", BACKGROUND_ID, folder, thing)


def add_objects(scene: Any, assets: Path, things: Sequence[Thing]) -> list[Placed]:  # Any: bpy types
    """Puts every object at its rest and keys its motion; copies share one mesh."""
    collection = _collection(scene, "Objects")
    loaded: dict[str, Any] = {}
    placed = []
    for thing in things:
        if thing.assets not in loaded:
            loaded[thing.assets] = meshes.load_mesh(assets / thing.assets, thing.name)
        placed.append(_add_object(collection, thing, loaded[thing.assets]))
    movers = {thing.name: thing.mesh_object.parent or thing.mesh_object for thing in placed}
    rests = {name: mover.matrix_basis.copy() for name, mover in movers.items()}
    for thing in things:
        if thing.parent is not None and not thing.bone:
            # Nothing moves by hanging it up: the child stays where it is as long as the parent rests.
            movers[thing.name].parent = movers[thing.parent]
            movers[thing.name].matrix_parent_inverse = rests[thing.parent].inverted()
    return placed


def _add_object(collection: Any, thing: Thing, mesh: Any) -> Placed:
    rest = np.array(thing.world_from_object, dtype=np.float64)
    place = rest[:3, 3]
    if thing.is_rigged and mesh.users:
        mesh = mesh.copy()  # weights are the mesh's, and those of a copy are its own
    mover = mesh_object = bpy.data.objects.new(thing.name, mesh)
    scale = thing.scale
    if thing.is_rigged or not np.array_equal(rest[:3, :3], np.eye(3)):
        # Motion is about world axes, so an object that rests turned is turned below the one that moves.
        mesh_object.name = f"{thing.name} mesh"
        mover = bpy.data.objects.new(thing.name, None)
        turned = np.eye(4)
        turned[:3, :3] = rest[:3, :3] * scale
        mesh_object.parent = mover
        mesh_object.matrix_basis = mathutils.Matrix(turned.tolist())
        collection.objects.link(mover)
        scale = 1.0
    collection.objects.link(mesh_object)
    mover.location = place
    mover.scale = (scale, scale, scale)
    mesh_object.pass_index = thing.id
    actions.animate_object(mover, thing.motion, place=place, scale=scale)
    return Placed(thing.name, thing.id, thing.assets, mesh_object, mover=mover)


def add_cameras(
    scene: Any,  # Any: bpy types
    clip: Clip,
    source: SourceCamera,
    *,
    path: Sequence[PathKey],
    things: Sequence[Thing],
    placed: Sequence[Placed],
    rig: CameraRig = NO_RIG,
    track: Sequence[TrackPose] = (),
) -> None:
    """Adds the camera with its path or track baked, one key a frame, and a still one at the source view."""
    collection = _collection(scene, "Cameras")
    views = camera_track(clip, source, path=path, things=things, centres=centres_of(placed), rig=rig, track=track)
    scene.camera = _add_camera(collection, "Camera", views[0])
    if any(not _is_equal_view(view, views[0]) for view in views):
        _bake_camera(scene.camera, views)
    _add_camera(collection, "Source camera", _source_view(clip, source))
    far_m = 4 * _extent_m(scene)
    for camera in collection.objects:
        camera.data.clip_start, camera.data.clip_end = far_m * 1e-5, far_m


def camera_track(
    clip: Clip,
    source: SourceCamera,
    *,
    path: Sequence[PathKey],
    things: Sequence[Thing],
    centres: Mapping[str, Array],
    rig: CameraRig = NO_RIG,
    track: Sequence[TrackPose] = (),
) -> list[Camera]:
    """Returns the output camera of every frame.

    Args:
        clip: Length and size.
        source: The source view.
        path: Keys of the path.
        things: The objects, for what the path follows.
        centres: Centre of each object's bounds in its mesh's own frame.
        rig: What moves the camera on top of that.
        track: Poses of every frame, in the place of the path; empty without.
    """
    start = _source_view(clip, source)
    middle = np.array([clip.width / 2, clip.height / 2])
    rest = {thing.name: transform_points(rest_pose(thing), centres[thing.name]) for thing in things}
    by_name = {thing.name: thing for thing in things}

    def point_at(name: str, moment: float) -> Array:
        return transform_points(pose_at(by_name[name], moment, by_name), centres[name])

    cameras = []
    for frame in range(clip.frame_count):
        around = Surroundings(
            world_from_source=start.world_from_camera,
            centre_ray=start.intrinsics.rays(middle),
            rest_points=rest,
            points={thing.name: point_at(thing.name, frame) for thing in things},
        )
        view = track_view(track, frame) if track else view_at(path, frame, around)
        view = rigged(view, rig, frame, fps=clip.fps, point_at=point_at)
        cameras.append(Camera(_zoomed(start.intrinsics, view.zoom), view.world_from_camera))
    return cameras


def rest_pose(thing: Thing) -> Array:
    """Returns `world_from_object` (4, 4) at rest, with the scale."""
    return world_from_object_at({}, 0.0, rest=np.array(thing.world_from_object, np.float64), scale=thing.scale)


def pose_at(thing: Thing, frame: float, by_name: Mapping[str, Thing]) -> Array:
    """Returns `world_from_object` (4, 4) at a frame, with the motion of what carries it."""
    if thing.simulated is not None:
        step = min(max(round(frame), 0), len(thing.simulated) - 1)
        return np.asarray(thing.simulated[step] @ rest_pose(thing))
    rest = np.array(thing.world_from_object, dtype=np.float64)
    pose = world_from_object_at(thing.motion, frame, rest=rest, scale=thing.scale)
    if thing.parent is None:
        return pose
    parent = by_name[thing.parent]
    carried = pose_at(parent, frame, by_name)
    if thing.bone:
        carried = carried @ bone_at(parent, thing.bone, frame)
        pose = pose if thing.attach is None else np.array(thing.attach) @ pose
    return np.asarray(carried @ np.linalg.inv(rest_pose(parent)) @ pose)


def bone_at(thing: Thing, bone: str, frame: float) -> Array:
    """Returns where a bone takes what it carries (4, 4), mesh frame; at rest as long as the rig has no poses."""
    track = thing.bones.get(bone)
    if track is None:
        return np.eye(4)
    before = min(max(int(np.floor(frame)), 0), len(track) - 1)
    after = min(before + 1, len(track) - 1)
    t = min(max(frame - before, 0.0), 1.0)
    return np.asarray((1 - t) * track[before] + t * track[after])


def centres_of(placed: Sequence[Placed]) -> dict[str, Array]:
    """Returns the centre of each object's bounds in its mesh's own frame."""
    centres = {}
    for thing in placed:
        corners = np.array([tuple(corner) for corner in thing.mesh_object.bound_box], dtype=np.float64)
        centres[thing.name] = (corners.min(axis=0) + corners.max(axis=0)) / 2
    return centres


def _extent_m(scene: Any) -> float:
    """Returns how far from the world's origin anything reaches."""
    bpy.context.view_layer.update()
    corners = [
        thing.matrix_world @ mathutils.Vector(corner)
        for thing in scene.objects
        if thing.type == "MESH"
        for corner in thing.bound_box
    ]
    return max(float(corner.length) for corner in corners)


def _source_view(clip: Clip, source: SourceCamera) -> Camera:
    size = Resolution(clip.width, clip.height)
    return Camera(Intrinsics(*source.focal_px, *source.centre_px, size), np.array(source.world_from_camera, np.float64))


def _zoomed(intrinsics: Intrinsics, factor: float) -> Intrinsics:
    """Returns the pinhole zoomed about the middle of its own picture."""
    size = intrinsics.resolution
    return Intrinsics(
        intrinsics.focal_x_px * factor,
        intrinsics.focal_y_px * factor,
        size.width / 2 + (intrinsics.centre_x_px - size.width / 2) * factor,
        size.height / 2 + (intrinsics.centre_y_px - size.height / 2) * factor,
        size,
    )


def _is_equal_view(first: Camera, second: Camera) -> bool:
    same_pose = np.array_equal(first.world_from_camera, second.world_from_camera)
    return same_pose and first.intrinsics == second.intrinsics


def _lens(camera: Camera) -> tuple[float, float, float]:
    """Returns Blender's (lens in mm, shift_x, shift_y), the shifts in picture widths.

    Raises:
        ValueError: The pixels are not square.
    """
    k, size = camera.intrinsics, camera.intrinsics.resolution
    if abs(k.focal_x_px / k.focal_y_px - 1.0) > 1e-9:
        raise ValueError("Blender's camera needs square pixels")
    return (
        k.focal_x_px / size.width * SENSOR_MM,
        (size.width / 2 - k.centre_x_px) / size.width,
        (k.centre_y_px - size.height / 2) / size.width,
    )


def _add_camera(collection: Any, name: str, camera: Camera) -> Any:
    data = bpy.data.cameras.new(name)
    data.sensor_fit, data.sensor_width = "HORIZONTAL", SENSOR_MM
    data.lens, data.shift_x, data.shift_y = _lens(camera)
    data.passepartout_alpha = 0.9
    thing = bpy.data.objects.new(name, data)
    thing.rotation_mode = "XYZ"
    thing.matrix_world = mathutils.Matrix(blender_camera_pose(camera.world_from_camera).tolist())
    collection.objects.link(thing)
    return thing


def _bake_camera(thing: Any, views: Sequence[Camera]) -> None:
    turns, angles = [], thing.rotation_euler.copy()
    for view in views:
        pose = mathutils.Matrix(blender_camera_pose(view.world_from_camera).tolist())
        angles = pose.to_3x3().to_euler("XYZ", angles)  # no jump by a full turn between two frames
        turns.append(tuple(angles))
    places = np.array([view.world_from_camera[:3, 3] for view in views])
    actions.bake(thing, "Camera path", [("location", places), ("rotation_euler", np.array(turns))])
    lenses = np.array([_lens(view) for view in views])
    if np.ptp(lenses, axis=0).any():
        paths = ("lens", "shift_x", "shift_y")
        actions.bake(thing.data, "Camera zoom", [(path, lenses[:, [i]]) for i, path in enumerate(paths)])


def _collection(scene: Any, name: str) -> Any:
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    return collection
