"""Finds over which depths the depth condition of a clip is normalised, so that it doesn't flicker.

The range is rounded outwards, so that an edit of the camera path seldom changes it; frames are generated again only
where their own renders changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import JsonFile
from i2v3d.backends.catalog import is_run_by
from i2v3d.errors import StageError
from i2v3d.geometry.guidance_maps import depth_extent, rounded_extent
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """Passes of every frame of the clip."""

    passes: tuple[Passes, ...]


@dataclass(frozen=True)
class Params:
    """None: the range follows from the depths."""


@dataclass(frozen=True)
class DepthRange(JsonFile):
    """`{"near_m": number, "far_m": number or null}`; null where the view is open to infinity."""

    def read(self) -> tuple[float, float]:
        """Returns nearest and farthest depth in metres."""
        values = self.read_json()
        return values["near_m"], float("inf") if values["far_m"] is None else values["far_m"]


@dataclass(frozen=True)
class Outputs:
    """The clip's range."""

    range: DepthRange


def depth_range_ref(scene: Scene) -> OutputRef | None:
    """Returns the clip's range for a stage that generates; None when each frame has its own."""
    if scene.generation.guidance.depth_range == "frame":
        return None
    return OutputRef("depth_range", "range")


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node for a scene that is generated with a common range."""
    is_generated = is_run_by(scene.backends, "keyframes", "generate_keyframes") or is_run_by(
        scene.backends, "interpolate", "generate_clip"
    )
    if not is_generated or depth_range_ref(scene) is None:
        return
    passes = tuple(OutputRef(f"render[{index}]", "passes") for index in range(scene.output.frame_count))
    yield Node(name="depth_range", stage="depth_range", params=Params(), inputs={"passes": passes})


@stage("depth_range", version=1, nodes=nodes, resources=Resources(cpu=1, memory_gb=0.3))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Finds the range.

    Raises:
        StageError: No frame shows anything.
    """
    extents = []
    for index, passes in enumerate(inputs.passes):
        extents.append(depth_extent(passes.read().depth_m))
        work.progress((index + 1) / len(inputs.passes))
    near_m, far_m = rounded_extent(min(near for near, _ in extents), max(far for _, far in extents))
    if near_m == float("inf"):
        raise StageError("no frame shows anything of the scene")
    outputs = Outputs(DepthRange(work.output("range")))
    outputs.range.write_json({"near_m": near_m, "far_m": None if far_m == float("inf") else far_m})
    return outputs
