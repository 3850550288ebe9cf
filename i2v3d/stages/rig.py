"""Fits a skeleton to an object's mesh: the preset's joints in the mesh's own frame, pinned ones where the user says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d.artifacts.scene import JsonFile, Layout, Mesh
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, invert_rigid
from i2v3d.geometry.rig import Bone
from i2v3d.rigs.fit import Skeleton, fit_skeleton, place_along_ray
from i2v3d.rigs.presets import PRESETS
from i2v3d.stages.arrange import layout_ref
from i2v3d.stages.base import Node, Resources, WorkDir, stage
from i2v3d.stages.edit_mesh import mesh_ref

if TYPE_CHECKING:
    from i2v3d.artifacts.scene import SolvedLayout
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The mesh, and where it stands (for joints pinned in the picture)."""

    mesh: Mesh
    layout: Layout


@dataclass(frozen=True)
class Params:
    """The object, its preset, and pinned joints: (joint, (x, y) in photo pixels)."""

    name: str
    preset: str
    joints: tuple[tuple[str, tuple[float, float]], ...]


@dataclass(frozen=True)
class SkeletonFile(JsonFile):
    """A `Skeleton` on disk."""

    def write(self, skeleton: Skeleton) -> None:
        """Writes the skeleton."""
        joints = {name: list(place) for name, place in skeleton.joints.items()}
        document = {"turn_rad": skeleton.turn_rad, "joints": joints, "wheels": dict(skeleton.wheels)}
        if skeleton.bones:
            document["bones"] = [dataclasses.astuple(bone) for bone in skeleton.bones]
            document["file_names"] = dict(skeleton.file_names)
        self.write_json(document)

    def read(self) -> Skeleton:
        """Returns the skeleton."""
        document = self.read_json()
        joints = {name: (place[0], place[1], place[2]) for name, place in document["joints"].items()}
        bones = tuple(Bone(*map(_tuples, row)) for row in document.get("bones", ()))
        return Skeleton(document["turn_rad"], joints, document["wheels"], bones, document.get("file_names", {}))


def _tuples(value: Any) -> Any:  # Any: plain values
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class Outputs:
    """The fitted joints."""

    skeleton: SkeletonFile


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per rigged object; a copy is fitted to its original's mesh."""
    for name, rig in scene.rigs.items():
        if rig.file is not None:
            continue  # `file_rig` has it
        yield Node(
            name=f"rig[{name}]",
            stage="rig",
            params=Params(name, rig.preset, rig.joints),
            inputs={
                "mesh": mesh_ref(scene, name),
                "layout": layout_ref(scene),
            },
            origins={"preset": f"motion.{name}.rig", "joints": f"motion.{name}.joints"},
        )


@stage("rig", version=1, nodes=nodes, resources=Resources(memory_gb=0.5))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Fits and writes the skeleton.

    Raises:
        StageError: The mesh is too flat or too small for the preset.
    """
    mesh, layout = inputs.mesh.read(), inputs.layout.read()
    extent = np.ptp(mesh.vertices_m, axis=0)
    if not extent.max() > 0 or len(mesh.faces) < 4:
        raise StageError(f"the mesh of `{params.name}` has no body that a rig could move", field="preset")
    pins = {joint: _pinned(mesh.vertices_m, layout, params.name, point) for joint, point in params.joints}
    outputs = Outputs(SkeletonFile(work.output("skeleton")))
    outputs.skeleton.write(fit_skeleton(PRESETS[params.preset], mesh.vertices_m, mesh.faces, pins))
    return outputs


def _pinned(vertices: Array, layout: SolvedLayout, name: str, point_px: tuple[float, float]) -> Array:
    """Returns the place in the mesh's frame that is seen at a point of the photo."""
    rest, camera = layout.objects[name], layout.camera
    object_from_world = invert_rigid(rest.world_from_object)
    ray_world = camera.world_from_camera[:3, :3] @ camera.intrinsics.rays(np.array(point_px))
    origin = (object_from_world @ camera.world_from_camera[:, 3])[:3] / rest.scale
    return place_along_ray(vertices, origin, object_from_world[:3, :3] @ ray_world)
