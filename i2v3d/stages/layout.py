"""Solves the source camera and where everything stands, in metres.

`SolvedLayout.background` holds `kind` and `far_m` (nothing is drawn further away), and by kind:

- `ground_and_backdrop`: the ground Z = 0, and the upright plane Y = `backdrop_y_m`.
- `backdrop`: the upright plane Y = `backdrop_y_m` alone.
- `plane`: the ground alone (a table seen from above).
- `dome`: the ground, and a sphere of `radius_m` about the camera.
- `room`: the ground, a back wall Y = `back_m`, walls X = `left_m` < 0 and X = `right_m` > 0, a ceiling
  Z = `ceiling_m`.
- `depth`: a depth file of the photo: `depth_kind` (`metric`: metres times `scale`; `inverse`: the largest
  value is at `near_m`, the smallest at `far_m`), `scale`, `near_m`.

Objects: see `ObjectRest`. The base of a standing thing is the middle of it on the ground, that of a floating
thing the middle of its lower edge at its distance; the pivot is there, or off it by `pivot_m` in object axes. A
copy starts from its original's place and turn; it is scaled, about its base, to its own height.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d.artifacts.images import Matte
from i2v3d.artifacts.scene import Layout, ObjectRest, SolvedLayout
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Camera, Intrinsics, Resolution
from i2v3d.geometry.layout_background import Surfaces, default_horizon, solve_background
from i2v3d.geometry.layout_solve import (
    Silhouette,
    floating_depth,
    floating_pivot,
    measure_silhouette,
    near_base,
    round_base,
    source_camera,
    standing_height,
)
from i2v3d.spec.resolved import Lathe, MeshFile, Place, Vector
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The mattes of the photo's objects, in spec order."""

    alphas: tuple[Matte, ...]


@dataclass(frozen=True)
class Standing:
    """What is declared of one object's place; fields as in `spec.resolved.SceneObject`.

    `is_mesh_file`: its mesh comes from a file, so that its outline does not tell its height.
    `has_round_base`: it is turned on a lathe, so that seen from above its base is a disc.
    """

    name: str
    is_in_photo: bool
    copy_of: str | None
    place: Place | None
    height_m: float | None
    pivot_m: Vector
    contact_y_px: float | None
    is_standing: bool
    distance_m: float | None
    is_mesh_file: bool = False
    has_round_base: bool = False


@dataclass(frozen=True)
class Params:
    """What is declared of the camera, the background's surfaces and each object."""

    width: int
    height: int
    fov_rad: float
    camera_height_m: float
    surfaces: Surfaces
    objects: tuple[Standing, ...]


@dataclass(frozen=True)
class Outputs:
    """The solved layout, and the same with the photo's own objects alone.

    Pictures and meshes made from the photo depend on the second: they are not made again when a copy is moved.
    """

    layout: Layout
    seen: Layout


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    background = scene.background
    surfaces = Surfaces(
        layout=background.layout,
        horizon_y_px=background.horizon_y_px,
        contact_y_px=background.contact_y_px,
        back_wall_px=background.back_wall_px,
        distance_m=background.distance_m,
        depth_kind=background.depth_kind,
        near_m=background.near_m,
        far_m=background.far_m,
    )
    objects = tuple(
        Standing(
            name=thing.name,
            is_in_photo=thing.prompts is not None,
            copy_of=thing.copy_of,
            place=thing.place,
            height_m=thing.height_m,
            pivot_m=thing.pivot_m,
            contact_y_px=thing.contact_y_px,
            is_standing=thing.is_standing,
            distance_m=thing.distance_m,
            is_mesh_file=isinstance(thing.shape, MeshFile),
            has_round_base=isinstance(thing.shape, Lathe),
        )
        for thing in scene.objects
    )
    size = scene.photo.size
    yield Node(
        name="layout",
        stage="layout",
        params=Params(size.width, size.height, scene.camera.fov_rad, scene.camera.height_m, surfaces, objects),
        inputs={
            "alphas": tuple(
                OutputRef(f"segment[{thing.name}]", "alpha") for thing in scene.objects if thing.prompts is not None
            )
        },
        origins={
            "fov_rad": "source.camera.fov",
            "camera_height_m": "source.camera.height",
            "surfaces": "background",
            "objects": "objects",
        },
    )


@stage("layout", version=1, nodes=nodes, resources=Resources(memory_gb=0.3))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Solves the camera from the horizon, the scale from a known height, and every object's place.

    Raises:
        StageError: The declared numbers contradict each other or the photo.
    """
    seen = [thing for thing in params.objects if thing.is_in_photo]
    outlines = {thing.name: measure_silhouette(matte.read()) for thing, matte in zip(seen, inputs.alphas, strict=True)}
    solved = solve(params, outlines)
    outputs = Outputs(Layout(work.output("layout")), Layout(work.output("seen")))
    outputs.layout.write(solved)
    outputs.seen.write(replace(solved, objects={thing.name: solved.objects[thing.name] for thing in seen}))
    return outputs


def solve(params: Params, outlines: Mapping[str, Silhouette]) -> SolvedLayout:
    """Returns the layout of objects with these outlines.

    Raises:
        StageError: The declared numbers contradict each other or the photo.
    """
    intrinsics = Intrinsics.from_fov(params.fov_rad, Resolution(params.width, params.height))
    horizon = params.surfaces.horizon_y_px
    if horizon is None:
        horizon = default_horizon(params.surfaces, intrinsics)
    unscaled = source_camera(intrinsics, horizon, params.camera_height_m)
    scale = _metric_scale(params, outlines, unscaled)
    camera = source_camera(intrinsics, horizon, params.camera_height_m * scale)
    bases = {
        thing.name: _photo_base(thing, outlines[thing.name], camera) for thing in params.objects if thing.is_in_photo
    }
    added = [thing for thing in params.objects if not thing.is_in_photo]
    for thing in sorted(added, key=lambda thing: thing.copy_of is not None):  # what is copied comes first
        bases[thing.name] = _placed_base(thing, bases)
    reach = max((float(base[1]) for base in bases.values()), default=0.0)
    background = solve_background(params.surfaces, camera, bases, max(reach, 0.0))
    originals = {thing.name: thing for thing in params.objects}
    objects = {}
    for thing in params.objects:
        original = originals[thing.copy_of or thing.name]
        factor = _copy_scale(
            thing, original, outlines.get(original.name), original_base=bases[original.name], camera=camera
        )
        outline = outlines.get(thing.name)
        objects[thing.name] = _rest(thing, original, bases[thing.name], scale=factor, camera=camera, outline=outline)
    return SolvedLayout(camera, float(horizon), float(scale), background, objects)


def _metric_scale(params: Params, outlines: Mapping[str, Silhouette], camera: Camera) -> float:
    """Returns what the camera height is multiplied by so that the first standing thing of known height has it."""
    for thing in params.objects:
        if thing.is_in_photo and thing.is_standing and thing.height_m is not None:
            outline = outlines[thing.name]
            base = _standing_base(thing, outline, camera)
            return thing.height_m / _standing_height(thing.name, outline, base, camera)
    return 1.0


def _standing_base(thing: Standing, outline: Silhouette, camera: Camera) -> Array:
    # A flat or inflated thing stands in one upright plane: further back, the ground would hide its foot.
    find = round_base if thing.has_round_base else near_base
    return find(camera, outline, thing.contact_y_px, thing.name)


def _standing_height(name: str, outline: Silhouette, base: Array, camera: Camera) -> float:
    height = standing_height(camera, outline, base)
    if height <= 0:
        hint = "leave out its `height` and give the camera's height under `source.camera`"
        raise StageError(f"`{name}` has no height over the ground as the camera stands", hint=hint, field="objects")
    return height


def _photo_base(thing: Standing, outline: Silhouette, camera: Camera) -> Array:
    if thing.place is not None:
        hint = "leave out `place`, and move it with `motion` or show it elsewhere as a `copy`"
        message = f"`{thing.name}` stands where the photo shows it and can't be placed elsewhere"
        raise StageError(message, hint=hint, field="objects")
    if thing.is_standing:
        return _standing_base(thing, outline, camera)
    depth = thing.distance_m
    if depth is None:
        depth = floating_depth(camera.intrinsics, outline, thing.height_m)
    return floating_pivot(camera, outline, depth)


def _placed_base(thing: Standing, bases: Mapping[str, Array]) -> Array:
    at = np.zeros(3) if thing.place is None else np.array(thing.place.at_m)
    if thing.copy_of is None:
        return at
    if thing.copy_of not in bases:
        raise StageError(f"`{thing.name}` copies `{thing.copy_of}`, which is not there", field="objects")
    return np.asarray(bases[thing.copy_of] + at) if _is_relative(thing) else at


def _is_relative(copy: Standing) -> bool:
    return copy.place is None or copy.place.is_relative


def _copy_scale(
    thing: Standing, original: Standing, outline: Silhouette | None, *, original_base: Array, camera: Camera
) -> float:
    """Returns the factor on the original's mesh that gives a copy its own height."""
    if thing.copy_of is None or thing.height_m is None:
        return 1.0
    if outline is None or original.is_mesh_file:
        height = original.height_m
        if height is None:
            message = (
                f"`{thing.name}` can't be given a height: that of `{original.name}`, which it copies, is not known"
            )
            raise StageError(message, hint=f"give `{original.name}` a `height` too", field="objects")
    elif original.is_standing:
        height = _standing_height(original.name, outline, original_base, camera)
    else:
        _, depth = camera.project(original_base[None])
        height = (outline.bottom_px - outline.top_px) * float(depth[0]) / camera.intrinsics.focal_y_px
    return thing.height_m / height


def _rest(
    thing: Standing, original: Standing, base: Array, *, scale: float, camera: Camera, outline: Silhouette | None
) -> ObjectRest:
    """Returns the rest of a thing; a copy has the mesh of its original, and so its pivot too."""
    if thing is not original and thing.pivot_m not in ((0.0, 0.0, 0.0), original.pivot_m):
        message = f"`{thing.name}` shares the mesh of `{original.name}` and turns about the same point of it"
        raise StageError(message, hint=f"leave out its `pivot`, or give it to `{original.name}`", field="objects")
    turn = 0.0 if thing.place is None else thing.place.turn_rad
    if thing is not original and _is_relative(thing) and original.place is not None:
        turn += original.place.turn_rad
    cos, sin = np.cos(turn), np.sin(turn)
    world_from_object = np.eye(4)
    world_from_object[:2, :2] = ((cos, -sin), (sin, cos))
    world_from_object[:3, 3] = base + scale * (world_from_object[:3, :3] @ np.array(original.pivot_m))
    contact: Any = float("nan")
    if outline is not None:
        contact = outline.bottom_px if thing.contact_y_px is None else thing.contact_y_px
    _, depth = camera.project(base[None])
    return ObjectRest(world_from_object, scale, float(contact), float(depth[0]))
