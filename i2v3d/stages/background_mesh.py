"""Lays the widened picture on the declared surfaces: a grid mesh in the world that is exact in the source view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.scene import Layout, Mesh, MeshData, SolvedLayout, View, Views
from i2v3d.errors import StageError
from i2v3d.geometry.depth_maps import ground_of, read_depth_map, sample_depth
from i2v3d.geometry.frames import Array
from i2v3d.geometry.layout_surfaces import surface_depth
from i2v3d.geometry.picture_grid import grid_faces, grid_lines
from i2v3d.stages.base import InputRef, Node, OutputRef, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_MOST_SLOPE_RAD = np.radians(4)
_HEIGHT_SLACK = 0.15  # of the camera's height


@dataclass(frozen=True)
class Inputs:
    """The widened picture with its camera, the layout, and the user's depth file for layout `depth`."""

    views: Views
    layout: Layout
    depth: Path | None


@dataclass(frozen=True)
class Params:
    """`step_px`: pitch of the grid; it is finer where depth changes fast."""

    step_px: float = 8.0


@dataclass(frozen=True)
class Outputs:
    """The mesh, in world metres."""

    mesh: Mesh


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    file = scene.background.depth_file
    depth: InputRef | None = None if file is None else SourceFile(file, "background.layout.depth")
    yield Node(
        name="background_mesh",
        stage="background_mesh",
        params=Params(),
        inputs={
            "views": OutputRef("background_views", "views"),
            "layout": OutputRef("layout", "seen"),
            "depth": depth,
        },
        origins={"depth": "background.layout.depth"},
    )


@stage("background_mesh", version=1, nodes=nodes, resources=Resources(memory_gb=0.8))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Meshes the surfaces behind every pixel of the widened picture.

    Raises:
        StageError: The depth file is missing or not what it should be.
    """
    layout, view = inputs.layout.read(), inputs.views.read()[0]
    is_hole = _hole_of(layout, view)
    depth_map = _depth_of(layout, inputs.depth, is_hole)
    if depth_map is not None and (warning := _other_ground(layout, depth_map, is_hole)):
        work.warn(warning, field="depth")
    outputs = Outputs(Mesh(work.output("mesh")))
    outputs.mesh.write(background_mesh(layout, view, depth_map, params.step_px))
    return outputs


def background_mesh(layout: SolvedLayout, view: View, depth_map: Array | None, step_px: float) -> MeshData:
    """Returns the mesh of one view.

    Texture coordinates are homogeneous with q = z-depth in the view's camera, so that the photo's
    projection is exact inside every triangle.

    Args:
        layout: The solved layout.
        view: The widened picture.
        depth_map: float (height, width), z-depth of the whole photo in metres, for layout `depth`.
        step_px: Pitch of the grid.
    """
    camera, size = view.camera, view.camera.intrinsics.resolution

    def depth_at(pixels: Array) -> Array:
        photo_px = pixels + _photo_offset(layout, view)
        if depth_map is not None:
            return sample_depth(depth_map, photo_px)
        return np.minimum(surface_depth(layout.background, layout.camera, photo_px), layout.background["far_m"])

    columns, rows = grid_lines(depth_at, size, step_px)
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1)
    depth = depth_at(pixels)
    rays = camera.intrinsics.rays(pixels) @ camera.world_from_camera[:3, :3].T
    vertices = camera.world_from_camera[:3, 3] + rays * depth[..., None]
    shares = pixels / [size.width, size.height]
    texcoords = np.concatenate([shares * depth[..., None], depth[..., None]], axis=-1)
    return MeshData(
        vertices_m=vertices.reshape(-1, 3).astype(np.float32),
        faces=grid_faces(len(rows), len(columns)),
        texcoords=texcoords.reshape(-1, 3).astype(np.float32),
        texture=view.colour,
        is_observed=view.is_observed,
    )


def _photo_offset(layout: SolvedLayout, view: View) -> Array:
    """Returns what is added to the view's pixel coordinates to give the photo's."""
    photo, wide = layout.camera.intrinsics, view.camera.intrinsics
    return np.array([photo.centre_x_px - wide.centre_x_px, photo.centre_y_px - wide.centre_y_px])


def _hole_of(layout: SolvedLayout, view: View) -> Array:
    """Returns bool (height, width) where the photo shows objects and not the background."""
    size = layout.camera.intrinsics.resolution
    left, top = (round(value) for value in -_photo_offset(layout, view))
    return np.asarray(view.is_observed[top : top + size.height, left : left + size.width] == 0)


def _depth_of(layout: SolvedLayout, file: Path | None, is_hole: Array) -> Array | None:
    if layout.background["kind"] != "depth":
        return None
    if file is None:
        raise StageError("the layout is a depth file, but none was given", hint="write `layout: {depth: depth.npy}`")
    size = layout.camera.intrinsics.resolution
    nearest_m = max((rest.depth_m for rest in layout.objects.values()), default=0.0)
    return read_depth_map(file, layout.background, size, is_hole=is_hole, nearest_m=nearest_m)


def _other_ground(layout: SolvedLayout, depth_map: Array, is_hole: Array) -> str:
    """Returns what to tell when the depth file shows the ground elsewhere than the declared camera has it, or ""."""
    found, height_m = ground_of(depth_map, layout.camera, is_hole), float(layout.camera.world_from_camera[2, 3])
    if found is None:
        return ""
    if found.slope_rad > _MOST_SLOPE_RAD:
        return (
            f"the ground in the depth file slopes by {np.degrees(found.slope_rad):.0f} degrees, "
            "which the spec has level; check `source.camera.pitch` and `fov`"
        )
    if abs(found.below_m - height_m) > _HEIGHT_SLACK * height_m:
        return (
            f"the ground in the depth file is {found.below_m:.3g} m below the camera, which the spec has at "
            f"{height_m:.3g} m: things will float or sink; "
            f"write `source: {{camera: {{height: {found.below_m:.3g}m}}}}`, or scale the depth"
        )
    return ""
