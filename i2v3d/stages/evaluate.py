"""Joins what was measured on single frames into the metrics of the clip, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.metrics import Metrics, MetricsTable
from i2v3d.artifacts.scene import FrameStates, JsonFile, SceneStatic
from i2v3d.metrics.clip import ClipFacts, join_frames
from i2v3d.metrics.frame_file import FrameMeasures
from i2v3d.stages import measure
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.model_metrics import metrics_not_asked_for, model_metrics

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The values of all frames in order, the scene cache, and what other steps measured on the same clip."""

    values: tuple[FrameMeasures, ...]
    static: SceneStatic
    states: FrameStates
    others: tuple[Metrics, ...]


@dataclass(frozen=True)
class Params:
    """What is known of the clip.

    Attributes:
        keyframes: Frames at which it may have a seam.
        not_asked_for: Metrics that the scene does without, and how to have them.
    """

    fps: float
    keyframes: tuple[int, ...]
    not_asked_for: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outputs:
    """The metrics, and the same by frame as a table."""

    metrics: Metrics
    table: MetricsTable


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node of the finished clip."""
    yield evaluate_node(scene, "evaluate", measure.nodes(scene), model_metrics(scene))


def evaluate_node(scene: Scene, name: str, measuring: Iterable[Node], others: tuple[OutputRef, ...]) -> Node:
    """Returns the node that joins what these nodes measure, and metrics of the same clip that others made."""
    return Node(
        name=name,
        stage="evaluate",
        params=Params(scene.output.fps, scene.keyframing.frames, metrics_not_asked_for(scene)),
        inputs={
            "values": tuple(OutputRef(node.name, "values") for node in measuring),
            "static": OutputRef("assemble", "static"),
            "states": OutputRef("assemble", "states"),
            "others": others,
        },
        origins={"fps": "output.fps", "keyframes": "keyframes.every"},
    )


@stage("evaluate", version=1, nodes=nodes, resources=Resources(cpu=1, memory_gb=0.3))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Joins and writes them."""
    frames = [values for group in inputs.values for values in group.read()]
    facts = clip_facts(inputs.static, inputs.states, params.fps, params.keyframes)
    metrics = join_frames(frames, facts, [other.read() for other in inputs.others], dict(params.not_asked_for))
    outputs = Outputs(Metrics(work.output("metrics")), MetricsTable(work.output("table")))
    outputs.metrics.write(metrics)
    outputs.table.write(metrics)
    return outputs


def clip_facts(static: SceneStatic, states: FrameStates, fps: float, keyframes: tuple[int, ...]) -> ClipFacts:
    """Returns what the scene cache knows of a clip."""
    entries = JsonFile(static.path / "scene.json").read_json()["objects"]
    cameras = np.stack([state.read_arrays()["world_from_camera"] for state in states])
    return ClipFacts(fps, {entry["id"]: entry["name"] for entry in entries}, keyframes, cameras)
