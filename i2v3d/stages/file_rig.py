"""Takes the skeleton and skin that a mesh file came with: bones named as a preset's where they are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.motion import FigureSkin, SkinFile
from i2v3d.artifacts.scene import Mesh
from i2v3d.errors import StageError
from i2v3d.rigs.file_skeleton import SkinError, file_skeleton, matched_weights
from i2v3d.rigs.motion_data import MotionFileError
from i2v3d.rigs.presets import PRESETS
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.edit_mesh import mesh_ref
from i2v3d.stages.mesh_file import mesh_of_rig
from i2v3d.stages.rig import SkeletonFile

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The finished mesh, and the skeleton and skin of the file that it comes from."""

    mesh: Mesh
    skin: FigureSkin


@dataclass(frozen=True)
class Params:
    """The object, the preset that its skeleton is like, and (bone of the preset, bone of the file) as given."""

    name: str
    preset: str
    bones: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Outputs:
    """The skeleton in the mesh's frame, and a weight of each bone for each of its vertices."""

    skeleton: SkeletonFile
    skin: SkinFile


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per object whose rig is that of its file."""
    for name, rig in scene.rigs.items():
        if rig.file is None:
            continue
        path = f"motion.{name}.rig"
        yield Node(
            name=f"rig[{name}]",
            stage="file_rig",
            params=Params(name, rig.preset, rig.file_bones),
            inputs={
                "mesh": mesh_ref(scene, name),
                "skin": OutputRef(f"mesh_file[{mesh_of_rig(scene, name)}]", "skin"),
            },
            origins={"skin": path, "bones": f"{path}.bones", "preset": f"{path}.like"},
        )


@stage("file_rig", version=1, nodes=nodes, resources=Resources(memory_gb=1.0))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Matches the mesh with the file and names the bones.

    Raises:
        StageError: The file has no skeleton, a vertex has no bone, or the mesh was reshaped.
    """
    mesh, figure = inputs.mesh.read(), inputs.skin.read_arrays()
    if not len(figure["names"]):
        message = f"the mesh file of `{params.name}` has no skeleton"
        raise StageError(message, hint="use a preset: `rig: humanoid`", field="skin")
    try:
        weights, scale, offset = matched_weights(mesh.vertices_m, mesh.faces, figure["points"], figure["weights"])
        skeleton = file_skeleton(
            PRESETS[params.preset],
            tuple(map(str, figure["names"])),
            tuple(map(int, figure["parents"])),
            figure["heads"] * scale + offset,
            figure["tails"] * scale + offset,
            given=dict(params.bones),
        )
    except SkinError as error:
        raise StageError(f"`{params.name}`: {error.message}", hint=error.hint, field="skin") from error
    except MotionFileError as error:
        raise StageError(error.message, hint=error.hint, field="bones") from error
    outputs = Outputs(SkeletonFile(work.output("skeleton")), SkinFile(work.output("skin")))
    outputs.skeleton.write(skeleton)
    outputs.skin.write_arrays({"weights": weights.astype(np.float32)})
    return outputs
