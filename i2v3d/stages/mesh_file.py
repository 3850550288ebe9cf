"""Reads a mesh file through Blender: an .fbx, or a figure that comes with its own skeleton and skin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.artifacts.motion import FigureSkin
from i2v3d.artifacts.scene import Glb
from i2v3d.blender.figures import read_figure
from i2v3d.spec.resolved import MeshFile
from i2v3d.stages.base import Node, OutputRef, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene, SceneObject


@dataclass(frozen=True)
class Inputs:
    """The file."""

    file: Path


@dataclass(frozen=True)
class Params:
    """Its type: `fbx` or `glb`."""

    kind: str


@dataclass(frozen=True)
class Outputs:
    """The meshes at rest as a plain file, and the skeleton with its weights."""

    glb: Glb
    skin: FigureSkin


def mesh_of_rig(scene: Scene, name: str) -> str:
    """Returns the object whose mesh file a rigged object shows."""
    things = {thing.name: thing for thing in scene.objects}
    return things[name].copy_of or name


def blender_files(scene: Scene) -> dict[str, Path]:
    """Returns the mesh files that Blender must read, by the object that names them."""
    rigged = {mesh_of_rig(scene, name) for name, rig in scene.rigs.items() if rig.file is not None}
    return {
        thing.name: thing.shape.file
        for thing in scene.objects
        if isinstance(thing.shape, MeshFile)
        and thing.copy_of is None
        and (thing.name in rigged or _is_fbx(thing.shape.file))
    }


def replacement_file(thing: SceneObject) -> Path | None:
    """Returns the .fbx that takes an object's place, or None."""
    file = thing.edits.replaced_file if thing.edits is not None else None
    return file if file is not None and _is_fbx(file) else None


def _is_fbx(file: Path) -> bool:
    return file.suffix.lower() == ".fbx"


def converted_ref(scene: Scene, name: str) -> OutputRef | None:
    """Returns the plain file of an object whose mesh Blender reads, or None."""
    return OutputRef(f"mesh_file[{name}]", "glb") if name in blender_files(scene) else None


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per such file of an object."""
    for name, file in blender_files(scene).items():
        yield _node(name, file, f"objects.{name}.mesh.file")
    for thing in scene.objects:
        if (other := replacement_file(thing)) is not None:
            yield _node(f"{thing.name} (replacement)", other, f"{thing.spec_path}.replace.file")


def _node(name: str, file: Path, path: str) -> Node:
    return Node(
        name=f"mesh_file[{name}]",
        stage="mesh_file",
        params=Params(file.suffix.lower().lstrip(".")),
        inputs={"file": SourceFile(file, path)},
        origins={"file": path},
    )


@stage(
    "mesh_file",
    version=1,
    nodes=nodes,
    templates=("bpy",),
    resources=Resources(memory_gb=2.0, timeout_s=1000.0),
    requires=("bpy",),
)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Reads the file in a Blender of its own."""
    outputs = Outputs(Glb(work.output("glb")), FigureSkin(work.output("skin")))
    read_figure(inputs.file, outputs.glb.path, outputs.skin.path, work_dir=work.path)
    return outputs
