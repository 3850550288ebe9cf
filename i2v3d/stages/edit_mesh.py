"""Changes an object's mesh: puts another in its place, reshapes it, colours it. Only where the spec says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.scene import Layout, Mesh, MeshData
from i2v3d.errors import StageError
from i2v3d.geometry import mesh_edits
from i2v3d.geometry.frames import Array, invert_rigid
from i2v3d.geometry.held_region import HeldRegion, fault
from i2v3d.geometry.mesh_checks import find_mesh_faults
from i2v3d.spec.resolved import MeshEdits, TextShape
from i2v3d.spec.resolved_physics import MeshDetail
from i2v3d.stages.base import InputRef, Node, OutputRef, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene, SceneObject

REPLACEMENT = "{} (replacement)"
MOST_CLOTH_VERTICES = 30_000
_MOST_PIXELS = 4096


@dataclass(frozen=True)
class Inputs:
    """The mesh to change, what takes its place, the pictures of its edits, and where it stands."""

    mesh: Mesh
    other: Mesh | None
    image: Path | None
    displace: Path | None
    layout: Layout


@dataclass(frozen=True)
class Params:
    """The edits; its files come as inputs instead."""

    name: str
    edits: MeshEdits


@dataclass(frozen=True)
class Outputs:
    """The changed mesh."""

    mesh: Mesh


def mesh_ref(scene: Scene, name: str) -> OutputRef:
    """Returns the finished mesh of an object: the one it shares, edited where it is edited."""
    things = {thing.name: thing for thing in scene.objects}
    owner = things[things[name].mesh_owner]
    if owner.edits is not None:
        return OutputRef(f"edit_mesh[{owner.name}]", "mesh")
    return _unedited(scene, owner)


def mesh_owners(scene: Scene) -> tuple[str, ...]:
    """Returns the objects whose finished meshes the scene shows, in spec order."""
    shown = {thing.mesh_owner for thing in scene.drawn}
    return tuple(thing.name for thing in scene.objects if thing.name in shown)


def needed_meshes(scene: Scene) -> frozenset[str]:
    """Returns the objects whose meshes are needed, be it to show, to copy or to take the box of."""
    things = {thing.name: thing for thing in scene.objects}
    wanted, needed = [*mesh_owners(scene)], set[str]()
    while wanted:
        thing = things[wanted.pop()]
        if thing.name not in needed:
            needed.add(thing.name)
            replaced_by = thing.edits.replaced_by if thing.edits is not None else None
            wanted += [things[other].mesh_owner for other in (thing.copy_of, replaced_by) if other is not None]
    return frozenset(needed)


def _unedited(scene: Scene, thing: SceneObject) -> OutputRef:
    if thing.copy_of is not None:
        return mesh_ref(scene, thing.copy_of)
    kind = "text_mesh" if isinstance(thing.shape, TextShape) else "foreground_mesh"
    return OutputRef(f"{kind}[{thing.name}]", "mesh")


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per edited object that is shown."""
    needed = needed_meshes(scene)
    for thing in scene.objects:
        edits = thing.edits
        if edits is None or thing.name not in needed:
            continue
        other: InputRef | None = None
        if edits.replaced_by is not None:
            other = mesh_ref(scene, edits.replaced_by)
        elif edits.replaced_file is not None:
            other = OutputRef(f"foreground_mesh[{REPLACEMENT.format(thing.name)}]", "mesh")
        path = thing.spec_path
        yield Node(
            name=f"edit_mesh[{thing.name}]",
            stage="edit_mesh",
            params=Params(
                thing.name, replace(edits, replaced_by=None, replaced_file=None, displace_file=None, image_file=None)
            ),
            inputs={
                "mesh": _unedited(scene, thing),
                "other": other,
                "image": _file(edits.image_file, f"{path}.material.image"),
                "displace": _file(edits.displace_file, f"{path}.shape.displace"),
                "layout": OutputRef("layout", "layout" if thing.prompts is None else "seen"),
            },
            origins={
                "edits": path,
                "other": f"{path}.replace",
                "mesh": f"{path}.mesh",
                "detail": f"simulate.{thing.name}",
            },
        )


def _file(file: Path | None, spec_path: str) -> SourceFile | None:
    return None if file is None else SourceFile(file, spec_path)


@stage("edit_mesh", version=1, nodes=nodes, resources=Resources(memory_gb=1.0))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Replaces, reshapes and colours, in this order.

    Raises:
        StageError: The result is no sound mesh.
    """
    mesh, edits = inputs.mesh.read(), params.edits
    if inputs.other is not None:
        mesh = mesh_edits.fitted(inputs.other.read(), mesh)
    mesh = _reshaped(mesh, edits, None if inputs.displace is None else _picture(inputs.displace))
    if inputs.image is not None:
        layout = inputs.layout.read()
        eye = invert_rigid(layout.objects[params.name].world_from_object) @ layout.camera.world_from_camera[:, 3]
        mesh = mesh_edits.painted(mesh, _picture(inputs.image), eye[:3])
    if edits.tint is not None:
        mesh = mesh_edits.tinted(mesh, edits.tint)
    if edits.detail is not None:
        mesh = _deformable(mesh, params.name, edits.detail)
    if faults := find_mesh_faults(mesh.vertices_m, mesh.faces):
        raise StageError(f"`{params.name}` as edited is not sound: {'; '.join(faults)}", field="edits")
    outputs = Outputs(Mesh(work.output("mesh")))
    outputs.mesh.write(mesh)
    return outputs


def _deformable(mesh: MeshData, name: str, detail: MeshDetail) -> MeshData:
    """Returns the mesh cut finely enough to fold.

    Raises:
        StageError: What is pinned holds nothing or all of it, or it has too many vertices to be simulated.
    """
    mesh = mesh_edits.cut(mesh, detail.cells)
    region = HeldRegion(detail.pinned.side, detail.pinned.share, detail.pinned.box_m)
    if what := fault(mesh.vertices_m, region):
        raise StageError(f"`{name}`: {what}", hint="change `pinned`", field="detail")
    if detail.kind == "cloth" and len(mesh.vertices_m) > MOST_CLOTH_VERTICES:
        message = f"`{name}` has {len(mesh.vertices_m):,} vertices; a cloth may have {MOST_CLOTH_VERTICES:,}"
        raise StageError(message, hint="use `mesh: card`, or a simpler mesh file", field="detail")
    return mesh


def _reshaped(mesh: MeshData, edits: MeshEdits, heights: Array | None) -> MeshData:
    if edits.bend_rad or edits.twist_rad or heights is not None:
        if np.ptp(mesh.vertices_m[:, 2]) <= 0:
            raise StageError("a flat mesh has no height to bend, twist or displace along", field="edits")
        mesh = mesh_edits.subdivided(mesh)
    if edits.scale != (1.0, 1.0, 1.0):
        mesh = mesh_edits.scaled(mesh, edits.scale, edits.part)
    if heights is not None:
        amount = edits.displace_m or float(np.ptp(mesh.vertices_m[:, 2])) / 20
        mesh = mesh_edits.displaced(mesh, heights[..., :3].mean(axis=-1) / 255, amount)
    if edits.twist_rad:
        mesh = mesh_edits.twisted(mesh, edits.twist_rad, edits.part)
    return mesh_edits.bent(mesh, edits.bend_rad, edits.part) if edits.bend_rad else mesh


def _picture(file: Path) -> Array:
    """Returns uint8 (height, width, 4)."""
    from PIL import Image as Pillow

    with Pillow.open(file) as opened:
        picture = opened.convert("RGBA")
        picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
        return np.asarray(picture)
