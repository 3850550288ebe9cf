"""Takes an artist's .blend in place of the generated scene: its objects and cameras become the scene cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import CutOut, Matte
from i2v3d.artifacts.scene import Blend, CameraTrack, FrameStates, Glb, JsonFile, Layout, Mesh, SceneStatic
from i2v3d.blender.run import run_script
from i2v3d.blender.script import write_lib
from i2v3d.geometry.frames import Resolution
from i2v3d.resources import templates_dir
from i2v3d.stages.arrange import layout_ref
from i2v3d.stages.assemble import TIMEOUT_S, Outputs, check_views
from i2v3d.stages.base import Node, OutputRef, Resources, SourceFile, WorkDir, stage
from i2v3d.stages.edit_mesh import mesh_ref

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The file, the layout, and the meshes that the generated scene has: they know what the photo saw."""

    blend: Path
    layout: Layout
    background: Mesh
    meshes: tuple[Mesh, ...]


@dataclass(frozen=True)
class Params:
    """The clip, and the names of the objects in id order; `meshes` are theirs."""

    name: str
    size: Resolution
    fps: float
    frame_count: int
    objects: tuple[str, ...]


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields the one node, in the place of `assemble`, when the spec names a file."""
    if scene.blend_file is None:
        return
    names = tuple(thing.name for thing in scene.drawn)
    yield Node(
        name="assemble",
        stage="open_blend",
        params=Params(scene.name, scene.output.size, scene.output.fps, scene.output.frame_count, names),
        inputs={
            "blend": SourceFile(scene.blend_file, "scene.blend"),
            "layout": layout_ref(scene),
            "background": OutputRef("background_mesh", "mesh"),
            "meshes": tuple(mesh_ref(scene, name) for name in names),
        },
        origins={"blend": "scene.blend", "objects": "objects", "size": "output.size", "frame_count": "output.duration"},
    )


@stage(
    "open_blend",
    version=1,
    nodes=nodes,
    resources=Resources(cpu=1, memory_gb=2.0, timeout_s=TIMEOUT_S + 60.0),
    templates=("bpy",),
    requires=("bpy",),
)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Opens the file in a Blender of its own, scripts off, and reads every frame in order."""
    made, script = work.path / "made", work.path / "script"
    script.mkdir()
    (script / "lib").mkdir()
    write_lib(script / "lib")
    shutil.copyfile(templates_dir() / "bpy" / "open_scene.py", script / "open_scene.py")
    clip = {"name": params.name, "fps": params.fps, "frame_count": params.frame_count}
    clip |= {"width": params.size.width, "height": params.size.height}
    request = {"blend": str(inputs.blend), "clip": clip, "objects": list(params.objects)}
    (work.path / "request.json").write_text(json.dumps(request), encoding="utf-8")
    work.progress(0.05, "starting Blender")
    run_script(
        script / "open_scene.py",
        ["--request", str(work.path / "request.json"), "--out", str(made)],
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
    (made / "static").rename(outputs.static.path)
    (made / "states").rename(outputs.states.path)
    (made / "cameras.json").rename(outputs.cameras.path)
    (made / "scene.glb").rename(outputs.glb.path)
    shutil.copyfile(inputs.blend, outputs.blend.path)
    _finish_textures(outputs.static.path, (inputs.background, *inputs.meshes))
    shutil.rmtree(made)
    shutil.rmtree(script)
    for warning in check_views(outputs.static, outputs.states, params.size, layout=inputs.layout.read()):
        work.warn(warning)
    return outputs


def _finish_textures(static: Path, originals: tuple[Mesh, ...]) -> None:
    """Brings pictures to RGBA and adds what the photo saw; a picture of another size is not the photo's."""
    from PIL import Image as Pillow

    for entry in JsonFile(static / "scene.json").read_json()["objects"]:
        folder = static / entry["mesh"]
        with Pillow.open(folder / "texture.png") as opened:
            texture = np.asarray(opened.convert("RGBA"))
        (folder / "texture.png").unlink()
        CutOut(folder / "texture.png").write(texture)
        observed = np.zeros(texture.shape[:2], np.uint8)
        if entry["id"] <= len(originals):
            known = Matte(originals[entry["id"] - 1].path / "observed.png").read()
            observed = known if known.shape == observed.shape else observed
        Matte(folder / "observed.png").write(observed)
