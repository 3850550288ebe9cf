"""Draws finished frames small, as a report shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from i2v3d.artifacts.drawings import WebFrames, drawn_size, shrunk
from i2v3d.artifacts.images import Frames, Image
from i2v3d.geometry.resolution import Resolution
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.generate_keyframes import keyframe_ref

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """An interval's frames, or the only frame of a clip."""

    clip: Frames | None
    picture: Image | None


@dataclass(frozen=True)
class Params:
    """How large the drawings are."""

    size: Resolution


@dataclass(frozen=True)
class Outputs:
    """One drawing a frame."""

    result: WebFrames


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node per interval between keyframes."""
    frames = scene.keyframing.frames
    params = Params(drawn_size(scene.output.size, scene.output.frame_count))
    origins = {"size": "output.size"}
    for first, last in pairwise(frames):
        clip = OutputRef(f"interpolate[{first}-{last}]", "frames")
        name = f"draw_result[{first}-{last}]"
        yield Node(name, "draw_result", params, {"clip": clip, "picture": None}, origins=origins)
    if len(frames) == 1:
        only = keyframe_ref(scene, frames[0])
        yield Node("draw_result[0]", "draw_result", params, {"clip": None, "picture": only}, origins=origins)


@stage("draw_result", version=1, nodes=nodes, resources=Resources(memory_gb=0.3), is_batched=True)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Draws the frames."""
    outputs = Outputs(WebFrames(work.output("result")))
    outputs.result.path.mkdir()
    pictures = [*(inputs.clip or ()), *([inputs.picture] if inputs.picture else [])]
    for index, picture in enumerate(pictures):
        outputs.result.item(index).write(shrunk(picture.read(), params.size))
        work.progress((index + 1) / len(pictures))
    return outputs
