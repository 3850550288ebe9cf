"""Writes the Blender script of the scene: readable Python with the scene as plain literals.

The script is a product of its own. It builds the scene from the meshes beside it, opens in Blender
with named objects, actions and cameras, and writes the scene cache that every renderer reads.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2v3d.artifacts.camera import CameraPoses
from i2v3d.artifacts.motion import MeshShapes, SkinFile, TrackFile
from i2v3d.artifacts.scene import Layout, NpzFile, ObjectRest, Script
from i2v3d.blender.script import write_script
from i2v3d.errors import GraphError, StageError
from i2v3d.geometry.camera_path import PathKey
from i2v3d.geometry.camera_rig import TrackPose
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.geometry.mesh_sampling import sampled
from i2v3d.geometry.motion import object_motion
from i2v3d.rigs.motion_data import MotionFileError
from i2v3d.rigs.script_files import carrier, gripped, script_rigs, without_paths
from i2v3d.spec.resolved import CameraFollow, CameraShake
from i2v3d.spec.resolved_physics import ClothBody, SoftBody
from i2v3d.stages.arrange import layout_ref
from i2v3d.stages.base import Node, OutputRef, WorkDir, stage
from i2v3d.stages.camera_track import has_track
from i2v3d.stages.motion_file import file_clips
from i2v3d.stages.rig import SkeletonFile

if TYPE_CHECKING:
    from i2v3d.artifacts.scene import SolvedLayout
    from i2v3d.rigs.fit import Skeleton
    from i2v3d.spec.resolved import CameraKey, MeshPlay, MotionKey, RigMotion, Scene, SceneObject
    from i2v3d.spec.resolved_physics import Deforming, DepthOfField, RigidBody

BACKGROUND_FOLDER = "background"
FIRST_OBJECT_ID = 2
# What bodies fall on, by layout: a level ground of this height, the background's mesh, or nothing.
_GROUNDS: Mapping[str, float | str | None] = {"depth": "mesh", "backdrop": None}
MAX_PLACES = 20_000_000  # vertices times frames of a mesh that changes
_LAST_OBJECT_ID = 255  # passes hold ids in one byte


@dataclass(frozen=True)
class Inputs:
    """Where everything stands, the fitted skeletons of the objects in `Params.rigs`, and the camera's poses.

    The poses are those of every frame where the camera does not come from keys. `clips` are those from files and
    `skins` those of rigs from files, both in the order of `Params.rigs`; `shapes` are of `Params.plays`.
    """

    layout: Layout
    rigs: tuple[SkeletonFile, ...] = ()
    track: CameraPoses | None = None
    clips: tuple[TrackFile, ...] = ()
    skins: tuple[SkinFile, ...] = ()
    shapes: tuple[MeshShapes, ...] = ()


@dataclass(frozen=True)
class ScriptObject:
    """An object as the script has it: its name, its mesh folder below `assets/`, its motion, and what it hangs on.

    Attributes:
        bone: Of the parent's rig, or empty; `is_gripped` puts the object into its grip.
    """

    name: str
    assets: str
    motion: tuple[MotionKey, ...]
    parent: str | None = None
    bone: str = ""
    is_gripped: bool = False


@dataclass(frozen=True)
class Params:
    """What the script says besides the layout; `window_*` place the output in the prepared photo."""

    name: str
    size: Resolution
    fps: float
    frame_count: int
    window_left: int
    window_top: int
    objects: tuple[ScriptObject, ...]
    camera_path: tuple[CameraKey, ...]
    follow: CameraFollow | None = None
    shake: CameraShake | None = None
    bodies: tuple[tuple[str, RigidBody], ...] = ()
    rigs: tuple[tuple[str, RigMotion], ...] = ()
    deforming: tuple[tuple[str, Deforming], ...] = ()
    depth_of_field: DepthOfField | None = None
    plays: tuple[tuple[str, MeshPlay], ...] = ()


@dataclass(frozen=True)
class Outputs:
    """The script."""

    script: Script


def mesh_folders(objects: tuple[SceneObject, ...]) -> dict[str, str]:
    """Returns the folder below `assets/` of each object's mesh, by name; a copy shares its original's.

    Folders are the id and those letters of the name that any file system takes.
    """
    folders: dict[str, str] = {}
    for index, thing in enumerate(objects):
        letters = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in thing.name[:40])
        folders[thing.name] = f"{FIRST_OBJECT_ID + index}_{letters}"
    originals = {
        thing.name: None if thing.mesh_of == thing.name else thing.mesh_of or thing.copy_of for thing in objects
    }
    return {name: folders[_original(name, originals)] for name in folders}


def _original(name: str, originals: dict[str, str | None]) -> str:
    seen = {name}
    while (copied := originals.get(name)) is not None:
        if copied in seen:
            raise GraphError(f"object {name}: a copy of itself")
        seen.add(copied)
        name = copied
    return name


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields the one node of a scene, unless an artist's file takes its place.

    Raises:
        GraphError: There are more objects than ids.
    """
    most = _LAST_OBJECT_ID + 1 - FIRST_OBJECT_ID
    if len(scene.drawn) > most:
        raise GraphError(f"the scene has {len(scene.drawn)} objects; the limit is {most}")
    if scene.blend_file is not None:
        return
    plays = {thing.name: scene.sequences[thing.name] for thing in scene.drawn if thing.name in scene.sequences}
    yield Node(
        name="scene_script",
        stage="scene_script",
        params=Params(
            name=scene.title or scene.name,
            size=scene.output.size,
            fps=scene.output.fps,
            frame_count=scene.output.frame_count,
            window_left=scene.photo.window_left,
            window_top=scene.photo.window_top,
            objects=_script_objects(scene),
            camera_path=tuple(scene.camera_path),
            follow=scene.camera_rig.follow,
            shake=scene.camera_rig.shake,
            bodies=tuple(scene.bodies.items()),
            rigs=tuple((name, without_paths(rig)) for name, rig in scene.rigs.items()),
            deforming=tuple(scene.deforming.items()),
            depth_of_field=scene.depth_of_field,
            plays=tuple(plays.items()),
        ),
        inputs={
            "layout": layout_ref(scene),
            "track": OutputRef("camera_track", "track") if has_track(scene) else None,
            "rigs": tuple(OutputRef(f"rig[{name}]", "skeleton") for name in scene.rigs),
            "clips": tuple(OutputRef(f"clip[{name}.{index}]", "track") for name, index, _, _ in file_clips(scene)),
            "skins": tuple(OutputRef(f"rig[{name}]", "skin") for name, rig in scene.rigs.items() if rig.file),
            "shapes": tuple(OutputRef(f"foreground_mesh[{_shape_owner(scene, name)}]", "shapes") for name in plays),
        },
        origins={
            "size": "output.size",
            "fps": "output.fps",
            "frame_count": "output.duration",
            "objects": "motion",
            "camera_path": "camera",
            "follow": "camera.follow",
            "shake": "camera.handheld",
            "bodies": "simulate",
            "rigs": "motion",
            "deforming": "simulate",
            "depth_of_field": "camera.depth_of_field",
            "plays": "objects",
        },
    )


def _shape_owner(scene: Scene, name: str) -> str:
    things = {thing.name: thing for thing in scene.objects}
    return things[name].copy_of or name


def _script_objects(scene: Scene) -> tuple[ScriptObject, ...]:
    folders = mesh_folders(scene.objects)
    return tuple(
        ScriptObject(
            thing.name,
            folders[thing.name],
            tuple(scene.motion.get(thing.name, ())),
            thing.parent,
            thing.parent_bone,
            thing.is_gripped,
        )
        for thing in scene.drawn
    )


@stage("scene_script", version=1, nodes=nodes, templates=("bpy",))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Writes the script."""
    layout = inputs.layout.read()
    skeletons = {name: skeleton.read() for (name, _), skeleton in zip(params.rigs, inputs.rigs, strict=True)}
    try:
        rigs, files = script_rigs(
            params.rigs, skeletons, inputs.clips, inputs.skins, fps=params.fps, frame_count=params.frame_count
        )
        attached = _attachments(params, skeletons, layout)
    except MotionFileError as error:
        raise StageError(error.message, hint=error.hint, field="rigs") from error
    sequences = {name: f"shapes/{index}.npz" for index, (name, _) in enumerate(params.plays, 1)}
    camera = layout.camera
    window = camera.intrinsics.window(params.window_left, params.window_top, params.size)
    folder = work.output("script")
    write_script(
        folder,
        "scene.py.j2",
        {
            "clip": {
                "name": params.name,
                "fps": float(params.fps),
                "frame_count": params.frame_count,
                "width": params.size.width,
                "height": params.size.height,
            },
            "camera": {
                "focal_px": (float(window.focal_x_px), float(window.focal_y_px)),
                "centre_px": (float(window.centre_x_px), float(window.centre_y_px)),
                "world_from_camera": _rows(camera.world_from_camera),
            },
            "background": BACKGROUND_FOLDER,
            "things": [
                _thing(FIRST_OBJECT_ID + index, thing, layout.objects[thing.name])
                | {"bone": thing.bone, "attach": attached.get(thing.name)}
                | {"is_rigged": thing.name in dict(params.rigs)}
                for index, thing in enumerate(params.objects)
            ],
            "camera_path": [_path_key(key) for key in params.camera_path],
            "camera_rig": _rig(params),
            "camera_track": [] if inputs.track is None else [_pose(pose) for pose in inputs.track.read()],
            "bodies": {name: dataclasses.asdict(body) for name, body in params.bodies},
            "focus": [dataclasses.astuple(key) for key in params.depth_of_field.focus] if params.depth_of_field else [],
            "aperture_m": params.depth_of_field.aperture_m if params.depth_of_field else 0.0,
            "cloths": _deforming(params, ClothBody),
            "soft": _deforming(params, SoftBody),
            "sequences": sequences,
            "ground": _GROUNDS.get(layout.background.get("kind", ""), 0.0),
            "rigs": rigs,
            "has_skins": bool(inputs.skins),
            "has_tracks": bool(inputs.clips),
            "hangs_on_bones": any(thing.bone for thing in params.objects),
        },
    )
    for name, source in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(source, folder / name)
    for (name, play), shapes in zip(params.plays, inputs.shapes, strict=True):
        _write_shapes(folder / sequences[name], play, shapes, params)
    return Outputs(Script(folder))


def _write_shapes(file: Path, play: MeshPlay, shapes: MeshShapes, params: Params) -> None:
    """Writes the vertices of every frame.

    Raises:
        StageError: They are too many.
    """
    places = shapes.read_arrays()["places"]
    if places.shape[1] * params.frame_count > MAX_PLACES:
        message = f"{places.shape[1]:,} vertices in {params.frame_count} frames are too many to play"
        raise StageError(message, hint=f"the limit is {MAX_PLACES:,} together: decimate the meshes", field="plays")
    file.parent.mkdir(exist_ok=True)
    NpzFile(file).write_arrays(
        {
            "places": sampled(
                places,
                play.numbers,
                steps_per_frame=play.steps_per_frame,
                start=play.start,
                is_looped=play.is_looped,
                frame_count=params.frame_count,
            )
        }
    )


def _deforming(params: Params, kind: type[Deforming]) -> dict[str, dict[str, Any]]:  # Any: literals
    """Returns the bodies of one kind by name: the fields of their region, and the plain ones."""
    found = {}
    for name, body in params.deforming:
        if isinstance(body, kind):
            plain = dataclasses.asdict(body)
            region = {key: value for key, value in plain.pop("pinned").items() if value is not None}
            found[name] = {"region": region, "plain": plain}
    return found


def _rig(params: Params) -> dict[str, dict[str, Any] | None] | None:  # Any: literals
    """Returns the fields of each part of the rig, None for a part that there is not; None for no rig."""
    parts = {"follow": params.follow, "shake": params.shake}
    rig = {name: None if part is None else dataclasses.asdict(part) for name, part in parts.items()}
    return rig if any(rig.values()) else None


def _pose(pose: TrackPose) -> tuple[Any, ...]:  # Any: literals
    return (pose.place, pose.turn) if pose.zoom == 1.0 else (pose.place, pose.turn, pose.zoom)


def _rows(matrix: Array) -> tuple[tuple[float, ...], ...]:
    # Adding zero turns -0.0 into 0.0, which reads better and changes nothing.
    return tuple(tuple(float(value) + 0.0 for value in row) for row in matrix)


def _thing(object_id: int, thing: ScriptObject, rest: ObjectRest) -> dict[str, Any]:  # Any: literals
    return {
        "name": thing.name,
        "id": object_id,
        "assets": thing.assets,
        "world_from_object": _rows(rest.world_from_object),
        "scale": float(rest.scale),
        "motion": object_motion(thing.motion),
        "parent": thing.parent,
    }


def _attachments(params: Params, skeletons: Mapping[str, Skeleton], layout: SolvedLayout) -> dict[str, Any]:
    """Returns the 4x4 of each gripped object that puts it there; raises `MotionFileError` for a bone there is not."""
    found: dict[str, Any] = {}
    for thing in params.objects:
        if thing.parent is None or not thing.bone:
            continue
        carrier(params.rigs, skeletons, thing.parent, thing.bone)
        if thing.is_gripped:
            rests = (layout.objects[thing.parent], layout.objects[thing.name])
            found[thing.name] = _rows(gripped(params.rigs, skeletons, owner=thing.parent, bone=thing.bone, rests=rests))
    return found


def _path_key(key: CameraKey) -> dict[str, Any]:  # Any: literals
    """Returns the fields that differ from the source view, the frame always."""
    source = PathKey(key.frame)
    values = {field.name: getattr(key, field.name) for field in dataclasses.fields(PathKey)}
    return {name: value for name, value in values.items() if name == "frame" or value != getattr(source, name)}
