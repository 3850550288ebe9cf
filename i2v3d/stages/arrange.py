"""Puts objects on what they stand on: finds the height of another object, or of a ground known by its mesh only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.scene import Layout, Mesh, MeshData, ObjectRest, SolvedLayout
from i2v3d.errors import StageError
from i2v3d.geometry.contact import standing_height_m
from i2v3d.geometry.frames import Array, transform_points
from i2v3d.spec.resolved import Vector
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.edit_mesh import mesh_owners, mesh_ref

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The layout, the background, and the finished meshes, in the order of `Params.owners`."""

    layout: Layout
    background: Mesh
    meshes: tuple[Mesh, ...]


@dataclass(frozen=True)
class Standing:
    """An object that stands on something: its mesh's owner, what it stands on, and where, from there."""

    name: str
    owner: str
    on: str
    at_m: Vector


@dataclass(frozen=True)
class Params:
    """What stands on what.

    Attributes:
        owners: Owner of each of the input meshes.
        standing: What is to be put in place.
        owners_of: (object, owner of its mesh) for every object.
        followers: (copy, original): copies that are placed relative to an original that is put in place here.
    """

    owners: tuple[str, ...]
    standing: tuple[Standing, ...]
    owners_of: tuple[tuple[str, str], ...]
    followers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outputs:
    """The layout with those objects where they stand."""

    layout: Layout


def layout_ref(scene: Scene) -> OutputRef:
    """Returns the layout with everything in place."""
    return OutputRef("arrange" if _standing(scene) else "layout", "layout")


def _standing(scene: Scene) -> list[Standing]:
    return [
        Standing(thing.name, thing.mesh_owner, thing.place.on, thing.place.at_m)
        for thing in scene.drawn
        if thing.place is not None and thing.place.on is not None
    ]


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node when something stands on something that is known by its mesh only."""
    standing = _standing(scene)
    if not standing:
        return
    owner_of = {thing.name: thing.mesh_owner for thing in scene.drawn}
    owners = mesh_owners(scene)
    moved = {thing.name for thing in standing}
    followers = tuple(
        (thing.name, thing.copy_of)
        for thing in scene.drawn
        if thing.copy_of in moved and thing.place is not None and thing.place.is_relative and thing.copy_of is not None
    )
    yield Node(
        name="arrange",
        stage="arrange",
        params=Params(owners, tuple(standing), tuple((name, owner_of[name]) for name in sorted(owner_of)), followers),
        inputs={
            "layout": OutputRef("layout", "layout"),
            "background": OutputRef("background_mesh", "mesh"),
            "meshes": tuple(mesh_ref(scene, name) for name in owners),
        },
        origins={"standing": "objects", "layout": "objects"},
    )


@stage("arrange", version=1, nodes=nodes, resources=Resources(memory_gb=1.0))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Puts one after the other, what is stood on first.

    Raises:
        StageError: An object stands beside what it should stand on, or things stand on each other in a circle.
    """
    meshes = {name: mesh.read() for name, mesh in zip(params.owners, inputs.meshes, strict=True)}
    layout = inputs.layout.read()
    outputs = Outputs(Layout(work.output("layout")))
    outputs.layout.write(arranged(layout, params, inputs.background.read(), meshes))
    return outputs


def arranged(layout: SolvedLayout, params: Params, background: MeshData, meshes: dict[str, MeshData]) -> SolvedLayout:
    """Returns the layout with every standing object on its support; raises as `run` does."""
    rests, owner_of = dict(layout.objects), dict(params.owners_of)
    waiting = list(params.standing)
    while waiting:
        unplaced = {thing.name for thing in waiting}
        ready = [thing for thing in waiting if thing.on not in unplaced]
        if not ready:
            names = ", ".join(f"`{thing.name}`" for thing in waiting)
            raise StageError(f"{names} stand on each other in a circle", field="standing")
        for thing in ready:
            rest, support, faces = rests[thing.name], background.vertices_m, background.faces
            if thing.on != "ground":
                below = meshes[owner_of[thing.on]]
                support, faces = world_points(below, rests[thing.on]), below.faces
                shift = rests[thing.on].world_from_object[:3, 3] * (1, 1, 0)
                rest = _shifted(rest, shift)
            height = standing_height_m(world_points(meshes[thing.owner], rest), support, faces)
            if not np.isfinite(height):
                message = f"`{thing.name}` stands beside `{thing.on}`, not on it"
                raise StageError(message, hint="change its `place: {at: [x, y]}`", field="standing")
            lowest = float(world_points(meshes[thing.owner], rest)[:, 2].min())
            rests[thing.name] = _shifted(rest, np.array([0, 0, height - lowest]))
            shift = rests[thing.name].world_from_object[:3, 3] - layout.objects[thing.name].world_from_object[:3, 3]
            for follower in (copy for copy, original in params.followers if original == thing.name):
                rests[follower] = _shifted(rests[follower], shift)
        waiting = [thing for thing in waiting if thing.on in unplaced]
    depths = {
        name: replace(rest, depth_m=float(layout.camera.project(rest.world_from_object[None, :3, 3])[1][0]))
        for name, rest in rests.items()
        if rest is not layout.objects[name]
    }
    return replace(layout, objects=rests | depths)


def world_points(mesh: MeshData, rest: ObjectRest) -> Array:
    """Returns the vertices (vertices, 3) of a mesh at rest in the world."""
    return transform_points(rest.world_from_object, np.asarray(mesh.vertices_m, np.float64) * rest.scale)


def _shifted(rest: ObjectRest, shift: Array) -> ObjectRest:
    world_from_object = rest.world_from_object.copy()
    world_from_object[:3, 3] += shift
    return replace(rest, world_from_object=world_from_object)
