"""Measures how alike neighbouring frames are, and each frame and the photo, from embeddings (paper Table 1).

`frame_consistency` is the mean cosine of the embeddings of neighbouring frames, `clip_i` that of each frame's and the
photo's, both in the output window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.metrics import ClipMetrics, Measured, Metrics
from i2v3d.metrics.likeness import likeness_of_neighbours, likeness_to
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.embed_frames import PHOTO_NODE, Embeddings, is_embedded
from i2v3d.stages.finished_frames import FrameGroup, finished_frames

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """Embeddings of the photo, and of the frames in time order."""

    photo: Embeddings
    frames: tuple[Embeddings, ...]


@dataclass(frozen=True)
class Params:
    """`fps` of the clip; `backend`: what embedded it."""

    fps: float
    backend: str


@dataclass(frozen=True)
class Outputs:
    """The metrics."""

    metrics: Metrics


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node for the finished clip, where the scene asks for it."""
    if is_embedded(scene):
        yield appearance_node(scene, "appearance", finished_frames(scene))


def appearance_node(scene: Scene, name: str, groups: Iterable[FrameGroup]) -> Node:
    """Returns the node that measures the frames of these groups."""
    return Node(
        name=name,
        stage="appearance",
        params=Params(fps=scene.output.fps, backend=scene.backends["appearance"]),
        inputs={
            "photo": OutputRef(PHOTO_NODE, "embeddings"),
            "frames": tuple(OutputRef(f"embed_frames[{group.name}]", "embeddings") for group in groups),
        },
        origins={"fps": "output.fps", "backend": "backends.appearance"},
    )


@stage("appearance", version=1, nodes=nodes, resources=Resources(memory_gb=0.2))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Measures the clip; a clip of one frame has no consistency."""
    embeddings = np.concatenate([part.read() for part in inputs.frames])
    to_photo = likeness_to(inputs.photo.read()[0], embeddings)
    to_previous = likeness_of_neighbours(embeddings)
    measured, missing = {}, {}
    if len(to_previous):
        measured["frame_consistency"] = _measured("frame_consistency", (None, *map(float, to_previous)), params)
    else:
        missing["frame_consistency"] = "the clip has one frame"
    measured["clip_i"] = _measured("clip_i", tuple(map(float, to_photo)), params)
    outputs = Outputs(Metrics(work.output("metrics")))
    outputs.metrics.write(ClipMetrics(len(embeddings), params.fps, measured, missing))
    return outputs


def _measured(name: str, frames: tuple[float | None, ...], params: Params) -> Measured:
    value = float(np.mean([value for value in frames if value is not None]))
    return Measured(name, value, "higher", frames=frames, backend=params.backend)
