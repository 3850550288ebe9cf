"""Reads an Alembic cache through Blender: its meshes, step by step, joined into one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.artifacts.motion import MeshFrames
from i2v3d.blender.figures import read_alembic
from i2v3d.spec.resolved import MeshSequence
from i2v3d.stages.base import Node, Resources, SourceFile, WorkDir, stage
from i2v3d.stages.edit_mesh import needed_meshes

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The cache."""

    file: Path


@dataclass(frozen=True)
class Params:
    """How many steps a second are read."""

    fps: float


@dataclass(frozen=True)
class Outputs:
    """The steps, the first one at the cache's first moment."""

    frames: MeshFrames


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per cache of an object."""
    needed = needed_meshes(scene)
    for thing in scene.objects:
        shape = thing.shape
        if isinstance(shape, MeshSequence) and shape.abc_fps and thing.copy_of is None and thing.name in needed:
            path = f"{thing.spec_path}.mesh"
            yield Node(
                name=f"mesh_frames[{thing.name}]",
                stage="mesh_frames",
                params=Params(shape.abc_fps),
                inputs={"file": SourceFile(shape.file, path)},
                origins={"file": path, "fps": path},
            )


@stage(
    "mesh_frames",
    version=1,
    nodes=nodes,
    templates=("bpy",),
    resources=Resources(memory_gb=2.0, timeout_s=1000.0),
    requires=("bpy",),
)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Reads the cache in a Blender of its own."""
    outputs = Outputs(MeshFrames(work.output("frames")))
    read_alembic(inputs.file, outputs.frames.path, params.fps, work_dir=work.path)
    return outputs
