"""Gives an object of the photo a body: a textured mesh, and six views around it for later stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import CutOut
from i2v3d.artifacts.motion import MeshFrames, MeshShapes
from i2v3d.artifacts.scene import Glb, Layout, Mesh, MeshData, SolvedLayout, View, Views
from i2v3d.backends.base import Mesher
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, invert_rigid
from i2v3d.geometry.mesh_checks import find_mesh_faults
from i2v3d.geometry.orbit_views import six_view_cameras
from i2v3d.geometry.rasterise import draw_view
from i2v3d.spec.resolved import Box, Card, Inflate, Lathe, MeshFile, MeshSequence, TextShape, Vector
from i2v3d.stages.base import InputRef, Node, OutputRef, Resources, SourceFile, WorkDir, stage
from i2v3d.stages.edit_mesh import REPLACEMENT, needed_meshes
from i2v3d.stages.mesh_file import converted_ref, replacement_file

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene, SceneObject

_SAMPLES = 2


@dataclass(frozen=True)
class Inputs:
    """The object's cut-out (None for a mesh file), where it stands, and the user's mesh file if there is one.

    A file that Blender had to read comes `converted`. Of a mesh that changes over time, `later` are the files after
    the first, or `frames` all of them.
    """

    cutout: CutOut | None
    layout: Layout
    file: Path | None
    converted: Glb | None = None
    later: tuple[Path, ...] = ()
    frames: MeshFrames | None = None


@dataclass(frozen=True)
class Params:
    """How the object gets depth.

    Attributes:
        name: The object's name in the layout.
        shape: None when the mesh comes from a file.
        file_height_m: Height that a mesh from a file is scaled to, None to take its units as metres.
        file_pivot_m: Where the pivot of a mesh from a file is, from the centre of its base.
    """

    name: str
    shape: Inflate | Lathe | Card | Box | None
    file_height_m: float | None
    file_pivot_m: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Outputs:
    """The mesh in the object's frame, six views of it (see `geometry.orbit_views`), and its shapes over time if any."""

    mesh: Mesh
    views: Views
    shapes: MeshShapes | None = None


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per object that has a mesh of its own."""
    needed = needed_meshes(scene)
    for thing in scene.objects:
        if thing.name not in needed:
            continue
        if thing.edits is not None and thing.edits.replaced_file is not None:
            yield _replacement(scene, thing, thing.edits.replaced_file)
        if thing.copy_of is not None or isinstance(thing.shape, TextShape):
            continue
        file = thing.shape.file if isinstance(thing.shape, MeshFile) else None
        shape = None if isinstance(thing.shape, MeshFile) else thing.shape
        inputs: dict[str, InputRef | tuple[InputRef, ...] | None] = {
            "cutout": None if file else OutputRef(f"segment[{thing.name}]", "cutout"),
            "layout": OutputRef("layout", "layout" if thing.prompts is None else "seen"),
            "file": SourceFile(file, f"{thing.spec_path}.mesh.file") if file else None,
            "later": (),
        }
        if (converted := converted_ref(scene, thing.name)) is not None:
            inputs |= {"file": None, "converted": converted}
        if isinstance(thing.shape, MeshSequence):
            inputs |= _sequence_inputs(thing, thing.shape)
        yield Node(
            name=f"foreground_mesh[{thing.name}]",
            stage="foreground_mesh",
            params=Params(thing.name, shape, thing.height_m, thing.pivot_m)
            if file
            else Params(thing.name, shape, None),
            inputs=inputs,
            backend=scene.backends["foreground_mesh"],
            origins={
                "shape": f"{thing.spec_path}.mesh",
                "file_height_m": f"{thing.spec_path}.height",
                "file_pivot_m": f"{thing.spec_path}.pivot",
                "cutout": f"{thing.spec_path}.segment",
            },
        )


def _sequence_inputs(thing: SceneObject, sequence: MeshSequence) -> dict[str, InputRef | tuple[InputRef, ...] | None]:
    if sequence.abc_fps is not None:
        return {"file": None, "frames": OutputRef(f"mesh_frames[{thing.name}]", "frames")}
    path = f"{thing.spec_path}.mesh.sequence"
    return {"file": SourceFile(sequence.file, path), "later": tuple(SourceFile(file, path) for file in sequence.later)}


def _replacement(scene: Scene, thing: SceneObject, file: Path) -> Node:
    """Returns the node of a file that takes an object's place; `edit_mesh` fits it."""
    path = f"{thing.spec_path}.replace.file"
    layout = OutputRef("layout", "layout" if thing.prompts is None else "seen")
    return Node(
        name=f"foreground_mesh[{REPLACEMENT.format(thing.name)}]",
        stage="foreground_mesh",
        params=Params(thing.name, None, None),
        inputs={
            "cutout": None,
            "layout": layout,
            "file": None if replacement_file(thing) else SourceFile(file, path),
            "later": (),
            "converted": OutputRef(f"mesh_file[{REPLACEMENT.format(thing.name)}]", "glb")
            if replacement_file(thing)
            else None,
        },
        backend=scene.backends["foreground_mesh"],
        origins={"file": path},
    )


@stage(
    "foreground_mesh",
    version=1,
    nodes=nodes,
    capability="Mesher",
    resources=Resources(memory_gb=1.0),
)
def run(inputs: Inputs, params: Params, backend: Mesher, work: WorkDir) -> Outputs:
    """Lifts the cut-out (or loads the file) and draws it from six sides.

    Raises:
        StageError: The backend returned a mesh that is not sound.
    """
    layout = inputs.layout.read()
    mesh, places = _lifted(inputs, params, backend, layout)
    work.progress(0.6, f"{len(mesh.faces)} faces")
    if faults := find_mesh_faults(mesh.vertices_m, mesh.faces):
        raise StageError(f"the mesh of `{params.name}` is not sound: {'; '.join(faults)}")
    outputs = Outputs(Mesh(work.output("mesh")), Views(work.output("views")))
    outputs.mesh.write(mesh)
    outputs.views.write(_six_views(mesh, layout, params.name))
    if places is None:
        return outputs
    outputs = replace(outputs, shapes=MeshShapes(work.output("shapes")))
    assert outputs.shapes is not None
    outputs.shapes.write_arrays({"places": places})
    return outputs


def _lifted(inputs: Inputs, params: Params, backend: Mesher, layout: SolvedLayout) -> tuple[MeshData, Array | None]:
    """Returns the mesh and, where it changes, its vertices (steps, vertices, 3) over time."""
    files = (inputs.file, *inputs.later) if inputs.frames is None else tuple(one.path for one in inputs.frames)
    if len(files) > 1 or inputs.frames is not None:
        mesh, places = backend.load_sequence([file for file in files if file is not None])
        factor = 1.0 if params.file_height_m is None else _height_factor(mesh, params.file_height_m)
        for step in range(len(places)):
            places[step] = places[step] * np.float64(factor) - np.array(params.file_pivot_m)
        return replace(mesh, vertices_m=places[0]), places
    return _lifted_still(inputs, params, backend, layout), None


def _lifted_still(inputs: Inputs, params: Params, backend: Mesher, layout: SolvedLayout) -> MeshData:
    file = inputs.file if inputs.converted is None else inputs.converted.path
    if file is not None:
        no_pixels = np.zeros((0, 0, 4), np.uint8)
        mesh = backend.lift(no_pixels, layout, params.name, MeshFile(file))
        if params.file_height_m is not None:
            mesh = _at_height(mesh, params.file_height_m)
        return replace(mesh, vertices_m=(mesh.vertices_m - np.array(params.file_pivot_m)).astype(np.float32))
    if inputs.cutout is None or params.shape is None:
        raise StageError(f"`{params.name}` has neither pixels nor a mesh file")
    return backend.lift(inputs.cutout.read(), layout, params.name, params.shape)


def _at_height(mesh: MeshData, height_m: float) -> MeshData:
    return replace(mesh, vertices_m=(mesh.vertices_m * _height_factor(mesh, height_m)).astype(np.float32))


def _height_factor(mesh: MeshData, height_m: float) -> float:
    extent = float(np.ptp(mesh.vertices_m[:, 2]))
    if extent <= 0:
        raise StageError(
            "the mesh is flat: a height can't scale it", hint="leave out `height` or turn the mesh upright"
        )
    return height_m / extent


def _six_views(mesh: MeshData, layout: SolvedLayout, name: str) -> tuple[View, ...]:
    cameras = six_view_cameras(mesh.vertices_m, _towards_photo(layout, name))
    return tuple(draw_view(mesh, camera, _SAMPLES) for camera in cameras)


def _towards_photo(layout: SolvedLayout, name: str) -> Array:
    object_from_world = invert_rigid(layout.objects[name].world_from_object)
    return (object_from_world @ layout.camera.world_from_camera[:, 3])[:3]
