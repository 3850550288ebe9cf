"""Builds the scene in Blender from the script and the meshes: .blend, .glb, and the scene cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.scene import (
    Blend,
    CameraTrack,
    FrameStates,
    Glb,
    JsonFile,
    Layout,
    Mesh,
    NpzFile,
    SceneStatic,
    Script,
    SolvedLayout,
)
from i2v3d.blender.run import run_script
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Resolution, transform_points
from i2v3d.geometry.placement import crossed_surface, is_in_picture, is_inside
from i2v3d.spec.resolved_physics import ClothBody
from i2v3d.stages.arrange import layout_ref
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.edit_mesh import mesh_owners, mesh_ref
from i2v3d.stages.scene_script import BACKGROUND_FOLDER, mesh_folders

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene
    from i2v3d.spec.resolved_physics import Deforming

TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Inputs:
    """The script, its layout, and every mesh it names; those of objects that are not copies, in spec order."""

    script: Script
    layout: Layout
    background: Mesh
    meshes: tuple[Mesh, ...]


@dataclass(frozen=True)
class Params:
    """Folder below `assets/` of each of `meshes`, and the picture's size."""

    folders: tuple[str, ...]
    size: Resolution


@dataclass(frozen=True)
class Outputs:
    """The scene cache, and the scene for people and other programs."""

    static: SceneStatic
    states: FrameStates
    cameras: CameraTrack
    blend: Blend
    glb: Glb


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields the one node of a scene, unless an artist's file takes its place (`open_blend`)."""
    if scene.blend_file is not None:
        return
    folders = mesh_folders(scene.objects)
    owners = mesh_owners(scene)
    yield Node(
        name="assemble",
        stage="assemble",
        params=Params(tuple(folders[name] for name in owners), scene.output.size),
        inputs={
            "script": OutputRef("scene_script", "script"),
            "layout": layout_ref(scene),
            "background": OutputRef("background_mesh", "mesh"),
            "meshes": tuple(mesh_ref(scene, name) for name in owners),
        },
        origins={"camera": "camera", "folders": "objects", "size": "output.size"},
        # Blender's cloth may differ by fractions of a millimetre where it lies on something curved.
        determinism="seeded" if any(_has_obstacles(scene, body) for body in scene.deforming.values()) else None,
    )


def _has_obstacles(scene: Scene, body: Deforming) -> bool:
    is_ground_curved = scene.background.layout == "depth"
    return isinstance(body, ClothBody) and (bool(body.obstacles) or is_ground_curved)


def lay_out(scene_dir: Path, script: Script, meshes: Iterable[tuple[str, Mesh]]) -> None:
    """Writes a runnable scene folder: `scene.py`, `lib/`, and `assets/` with each mesh in its folder."""
    scene_dir.mkdir(parents=True)
    shutil.copytree(script.path, scene_dir, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for folder, mesh in meshes:
        shutil.copytree(mesh.path, scene_dir / "assets" / folder, copy_function=shutil.copyfile)


@stage(
    "assemble",
    version=1,
    nodes=nodes,
    resources=Resources(cpu=1, memory_gb=2.0, timeout_s=TIMEOUT_S + 60.0),
    requires=("bpy",),
)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Runs the script in a Blender of its own and hands on what it wrote."""
    scene_dir, made = work.path / "scene", work.path / "made"
    lay_out(
        scene_dir,
        inputs.script,
        [(BACKGROUND_FOLDER, inputs.background), *zip(params.folders, inputs.meshes, strict=True)],
    )
    work.progress(0.05, "starting Blender")
    run_script(
        scene_dir / "scene.py",
        ["--out", str(made), "--emit", "blend", "glb", "cache", "cameras"],
        work_dir=work.path,
        timeout_s=TIMEOUT_S,
    )
    outputs = Outputs(
        static=SceneStatic(work.output("static")),
        states=FrameStates(work.output("states")),
        cameras=CameraTrack(work.output("cameras")),
        blend=Blend(work.output("blend")),
        glb=Glb(work.output("glb")),
    )
    for written, artifact in (
        ("static", outputs.static),
        ("states", outputs.states),
        ("cameras.json", outputs.cameras),
        ("scene.blend", outputs.blend),
        ("scene.glb", outputs.glb),
    ):
        (made / written).rename(artifact.path)
    shutil.rmtree(scene_dir)
    for warning in check_views(outputs.static, outputs.states, params.size, layout=inputs.layout.read()):
        work.warn(warning, field="folders")
    return outputs


def check_views(static: SceneStatic, states: FrameStates, size: Resolution, *, layout: SolvedLayout) -> list[str]:
    """Returns what the user may not have meant: objects that are never in the picture.

    Raises:
        StageError: The camera is inside an object or behind the background.
    """
    source = layout.camera.world_from_camera[:3, 3]
    things = [thing for thing in JsonFile(static.path / "scene.json").read_json()["objects"] if thing["is_foreground"]]
    meshes = {thing["mesh"]: NpzFile(static.path / thing["mesh"] / "geometry.npz").read_arrays() for thing in things}
    unseen = {thing["id"]: thing["name"] for thing in things}
    for frame, state in enumerate(states):
        arrays = state.read_arrays()
        place = arrays["world_from_camera"][:3, 3]
        if crossed := crossed_surface(place, layout.background, source):
            message = f"the camera is behind {crossed} in frame {frame}, where the photo shows nothing"
            raise StageError(
                message, hint="shorten the camera's way, or put the background further off", field="camera"
            )
        for thing in things:
            mesh = meshes[thing["mesh"]]
            object_from_world = np.linalg.inv(arrays["transforms"][thing["id"] - 1])
            camera = transform_points(object_from_world, place)
            vertices = mesh["vertices_m"].astype(np.float64)
            if f"vertices_{thing['id']}" in arrays:  # it deforms
                vertices = transform_points(object_from_world, arrays[f"vertices_{thing['id']}"].astype(np.float64))
            if is_inside(camera, vertices, mesh["faces"]):
                raise StageError(
                    f"the camera is inside `{thing['name']}` in frame {frame}",
                    hint="change the camera path, the motion, or where the object stands",
                    field="camera",
                )
            if thing["id"] in unseen:
                camera_from_object = np.linalg.inv(object_from_world @ arrays["world_from_camera"])
                points = transform_points(camera_from_object, vertices)
                if is_in_picture(points, arrays["image_from_camera"], size.width, size.height):
                    del unseen[thing["id"]]
    return [f"`{name}` is outside the picture in every frame" for name in unseen.values()]
