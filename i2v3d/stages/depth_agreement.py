"""Measures how well the depth of a clip agrees with that of its render (paper Table 1) and of its scene.

`d_rmse` is the mean over the frames of the error of the estimated depth of a frame against the estimated depth of its
render, `d_rmse_to_scene` against the depth that the scene has; `metrics.depth_error.aligned_rmse` defines the error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.metrics import ClipMetrics, Measured, Metrics
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.compare_depth import DepthErrors, is_compared
from i2v3d.stages.finished_frames import FrameGroup, finished_frames

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """Errors of the frames in time order."""

    errors: tuple[DepthErrors, ...]


@dataclass(frozen=True)
class Params:
    """`fps` of the clip; `backend`: what estimated its depth."""

    fps: float
    backend: str


@dataclass(frozen=True)
class Outputs:
    """The metrics."""

    metrics: Metrics


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node for the finished clip, where the scene asks for it."""
    if is_compared(scene):
        yield depth_agreement_node(scene, "depth_agreement", finished_frames(scene))


def depth_agreement_node(scene: Scene, name: str, groups: Iterable[FrameGroup]) -> Node:
    """Returns the node that measures the frames of these groups."""
    return Node(
        name=name,
        stage="depth_agreement",
        params=Params(fps=scene.output.fps, backend=scene.backends["depth_agreement"]),
        inputs={"errors": tuple(OutputRef(f"compare_depth[{group.name}]", "errors") for group in groups)},
        origins={"fps": "output.fps", "backend": "backends.depth_agreement"},
    )


@stage("depth_agreement", version=1, nodes=nodes, resources=Resources(memory_gb=0.2))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Joins the errors of all frames."""
    parts = [part.read() for part in inputs.errors]
    by_name = {
        "d_rmse": tuple(error for to_render, _ in parts for error in to_render),
        "d_rmse_to_scene": tuple(error for _, to_scene in parts for error in to_scene),
    }
    measured = {
        name: Measured(name, float(np.mean(errors)), "lower", frames=errors, backend=params.backend)
        for name, errors in by_name.items()
    }
    outputs = Outputs(Metrics(work.output("metrics")))
    outputs.metrics.write(ClipMetrics(len(by_name["d_rmse"]), params.fps, measured))
    return outputs
