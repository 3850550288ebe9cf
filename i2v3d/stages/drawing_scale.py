"""Finds over which depths and speeds the report colours depth and flow, so that colours mean the same in every frame.

Both are rounded outwards: an edit of the clip's last second seldom changes them, and then only the frames that
changed are drawn again. They are found from the scene cache, long before the last frame is rendered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.scene import FrameStates, JsonFile, NpzFile, SceneStatic
from i2v3d.geometry.frames import Array, transform_points
from i2v3d.geometry.guidance_maps import rounded_extent
from i2v3d.geometry.pass_colours import rounded_up
from i2v3d.geometry.resolution import Resolution
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_POINTS = 3000  # of each mesh; where it is finer, some of its vertices tell as much
_IGNORED_PERCENT = 2.0
_FALLBACK_M = (1.0, 100.0)


@dataclass(frozen=True)
class Inputs:
    """The scene cache."""

    static: SceneStatic
    states: FrameStates


@dataclass(frozen=True)
class Params:
    """The picture, in the cameras' pixels."""

    size: Resolution


@dataclass(frozen=True)
class DrawingScale(JsonFile):
    """`{"near_m": number, "far_m": number or null, "flow_px": number}`; null where the view is open to infinity."""

    def read(self) -> tuple[float, float, float]:
        """Returns nearest and farthest depth in metres, and the longest flow in pixels of the clip."""
        values = self.read_json()
        return values["near_m"], float("inf") if values["far_m"] is None else values["far_m"], values["flow_px"]


@dataclass(frozen=True)
class Outputs:
    """The clip's scale."""

    scale: DrawingScale


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    yield Node(
        name="drawing_scale",
        stage="drawing_scale",
        params=Params(scene.output.size),
        inputs={"static": OutputRef("assemble", "static"), "states": OutputRef("assemble", "states")},
        origins={"size": "output.size"},
    )


@stage("drawing_scale", version=1, nodes=nodes, resources=Resources(memory_gb=0.5))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Projects some vertices of every mesh into every frame."""
    meshes = _meshes(inputs.static)
    near, far, flow = np.inf, 0.0, 0.0
    before: Array | None = None
    for state in (state.read_arrays() for state in inputs.states):
        at_px, depth_m = _seen(meshes, state)
        is_in_view = (depth_m > 0) & ((at_px >= 0) & (at_px < (params.size.width, params.size.height))).all(axis=1)
        if is_in_view.any():
            near = min(near, float(np.percentile(depth_m[is_in_view], _IGNORED_PERCENT)))
            far = max(far, float(depth_m[is_in_view].max()))
            if before is not None:
                ways = np.linalg.norm(at_px - before, axis=1)[is_in_view]
                known = ways[np.isfinite(ways)]
                flow = max(flow, float(np.percentile(known, 100 - _IGNORED_PERCENT))) if known.size else flow
        before = np.where((depth_m > 0)[:, None], at_px, np.nan)
    near_m, far_m = rounded_extent(near, far) if 0 < near <= far else _FALLBACK_M
    outputs = Outputs(DrawingScale(work.output("scale")))
    finite_far = None if far_m == float("inf") else far_m
    outputs.scale.write_json({"near_m": near_m, "far_m": finite_far, "flow_px": rounded_up(flow)})
    return outputs


def _meshes(static: SceneStatic) -> list[tuple[int, Array, slice]]:
    """Returns (id, some vertices at rest, which ones) of every mesh."""
    found = []
    for entry in JsonFile(static.path / "scene.json").read_json()["objects"]:
        vertices = NpzFile(static.path / entry["mesh"] / "geometry.npz").read_arrays()["vertices_m"]
        some = slice(None, None, max(1, len(vertices) // _POINTS))
        found.append((int(entry["id"]), vertices[some].astype(np.float64), some))
    return found


def _seen(meshes: list[tuple[int, Array, slice]], state: dict[str, Array]) -> tuple[Array, Array]:
    """Returns where the vertices are in the picture (vertices, 2), pixels, and their z-depths."""
    world = np.concatenate(
        [
            state[f"vertices_{number}"][some].astype(np.float64)
            if f"vertices_{number}" in state
            else transform_points(state["transforms"][number - 1], vertices)
            for number, vertices, some in meshes
        ]
    )
    camera = transform_points(np.linalg.inv(state["world_from_camera"]), world)
    image = camera @ state["image_from_camera"].T
    depth_m = camera[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return image[:, :2] / depth_m[:, None], depth_m
