"""Draws a frame from the scene cache: colour, depth, object ids, what the photo saw, and flow both ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FrameStates, SceneStatic
from i2v3d.backends.base import SceneRenderer
from i2v3d.geometry.frames import Resolution
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The scene cache: its unchanging part, and the states of the frame and of its neighbours."""

    static: SceneStatic
    states: FrameStates


@dataclass(frozen=True)
class Params:
    """Which of the states to draw, and how large. The frame's number is not among them: equal states, equal frame."""

    current: int
    width: int
    height: int


@dataclass(frozen=True)
class Outputs:
    """The picture, and what is known of each of its pixels."""

    colour: Image
    passes: Passes


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node a frame."""
    count, size = scene.output.frame_count, scene.output.size
    for frame in range(count):
        start, stop = max(0, frame - 1), min(count, frame + 2)
        yield Node(
            name=f"render[{frame}]",
            stage="render",
            params=Params(current=frame - start, width=size.width, height=size.height),
            inputs={
                "static": OutputRef("assemble", "static"),
                "states": OutputRef("assemble", "states", start, stop),
            },
            backend=scene.backends["render"],
            origins={"width": "output.size", "height": "output.size"},
        )


@stage(
    "render",
    version=1,
    nodes=nodes,
    capability="SceneRenderer",
    resources=Resources(cpu=1, memory_gb=1.0),
    is_batched=True,
)
def run(inputs: Inputs, params: Params, backend: SceneRenderer, work: WorkDir) -> Outputs:
    """Draws and writes the frame."""
    states = tuple(state.path for state in inputs.states)
    frame = backend.render(inputs.static.path, states, params.current, Resolution(params.width, params.height))
    outputs = Outputs(Image(work.output("colour")), Passes(work.output("passes")))
    outputs.colour.write(frame.colour)
    outputs.passes.write(frame.passes)
    return outputs
