"""Turns a camera path from another program, or the views of reconstruction, into a pose for every frame."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.artifacts.camera import CameraPoses
from i2v3d.artifacts.scene import Layout, SolvedLayout, Views
from i2v3d.blender.camera_paths import read_any
from i2v3d.errors import StageError
from i2v3d.geometry.camera_files import CameraFileError
from i2v3d.geometry.camera_files.path import CameraPath
from i2v3d.geometry.camera_resampling import track_of
from i2v3d.geometry.frames import Camera, Resolution
from i2v3d.geometry.orbit_views import drawn_near, flight, seen_centre, sweep_stops
from i2v3d.stages.base import InputRef, Node, OutputRef, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The source camera, and a file (with COLMAP's lenses apart), or the views of an object."""

    layout: Layout
    file: Path | None
    lens_file: Path | None
    views: Views | None


@dataclass(frozen=True)
class Params:
    """How the path becomes the clip's.

    Attributes:
        frame_count: Frames of the clip.
        size: Its picture, at `window_left` and `window_top` of the prepared photo.
        format, is_relative, scale, camera: As in `spec.resolved.CameraPathFile`.
        object: Whose views `views` are; empty for a file.
        reach: Share of the way to each of the views.
    """

    frame_count: int
    size: Resolution
    window_left: int
    window_top: int
    format: str = ""
    is_relative: bool = True
    scale: float = 1.0
    camera: str = ""
    object: str = ""
    reach: float = 1.0


@dataclass(frozen=True)
class Outputs:
    """The poses."""

    track: CameraPoses


def has_track(scene: Scene) -> bool:
    """Returns whether the camera's way comes from a track instead of keys."""
    return scene.camera_rig.file is not None or scene.camera_rig.through is not None


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields the one node of a scene whose camera has a track."""
    if not has_track(scene):
        return
    file, through = scene.camera_rig.file, scene.camera_rig.through
    window = (scene.output.frame_count, scene.output.size, scene.photo.window_left, scene.photo.window_top)
    params = Params(*window)
    inputs: dict[str, InputRef | tuple[InputRef, ...] | None] = {"file": None, "lens_file": None, "views": None}
    if file is not None:
        params = Params(*window, file.format, file.is_relative, file.scale, file.camera)
        inputs["file"] = SourceFile(file.file, "camera.file")
        inputs["lens_file"] = SourceFile(file.lens_file, "camera.file") if file.lens_file else None
    elif through is not None:
        params = Params(*window, object=through.object, reach=through.reach)
        inputs["views"] = OutputRef(f"foreground_mesh[{through.object}]", "views")
    yield Node(
        name="camera_track",
        stage="camera_track",
        params=params,
        inputs={"layout": OutputRef("layout", "layout"), **inputs},
        origins={
            "file": "camera.file",
            "lens_file": "camera.file",
            "views": "camera.through",
            "object": "camera.through",
            "reach": "camera.through.reach",
            "format": "camera.file.format",
            "is_relative": "camera.file.relative",
            "scale": "camera.file.scale",
            "camera": "camera.file.camera",
            "frame_count": "output.duration",
            "size": "output.size",
        },
    )


@stage(
    "camera_track",
    version=1,
    nodes=nodes,
    templates=("bpy",),
    resources=Resources(timeout_s=1000.0),
    requires=("bpy",),
)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Reads the cameras and resamples them to the clip's frames."""
    layout = inputs.layout.read()
    lens = layout.camera.intrinsics.window(params.window_left, params.window_top, params.size)
    if inputs.views is not None:
        path, is_relative = _flight(inputs.views, params, layout, Camera(lens, layout.camera.world_from_camera)), False
    else:
        path, is_relative = _read(inputs, params, work.path), params.is_relative
    track = track_of(
        path,
        params.frame_count,
        source=layout.camera.world_from_camera,
        source_lens=lens,
        is_relative=is_relative,
        scale=params.scale,
    )
    outputs = Outputs(CameraPoses(work.output("track")))
    outputs.track.write(track)
    return outputs


def _flight(views: Views, params: Params, layout: SolvedLayout, source: Camera) -> CameraPath:
    rest = layout.objects[params.object]
    seen = []
    for view in views.read():
        pose = view.camera.world_from_camera.copy()
        pose[:3, 3] *= rest.scale
        seen.append(Camera(view.camera.intrinsics, rest.world_from_object @ pose))
    stops, centre = sweep_stops(source, seen), seen_centre(seen)
    if len(stops) < 2:
        message = f"none of the views of `{params.object}` is in front of it and above the ground"
        raise StageError(message, hint="write keys, or `preset: arc`", field="views")
    cameras = flight(drawn_near(stops, centre, params.reach), centre, params.frame_count)
    return CameraPath(tuple(cameras), tuple(map(float, range(len(cameras)))))


def _read(inputs: Inputs, params: Params, folder: Path) -> CameraPath:
    file = inputs.file
    if file is None:
        raise StageError("neither a file nor views are given")
    try:
        if params.format != "colmap":
            return read_any(file, params.format, params.camera, work_dir=folder)
        model = folder / "model"
        model.mkdir()
        shutil.copyfile(file, model / "images.txt")
        if inputs.lens_file is not None:
            shutil.copyfile(inputs.lens_file, model / "cameras.txt")
        found = read_any(model, "colmap")
        shutil.rmtree(model)
        return found
    except CameraFileError as error:
        raise StageError(error.message, hint=error.hint, field="file") from error
