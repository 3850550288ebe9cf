"""Measures finished frames against the render, which knows where everything is.

One node for each few frames in a row: each reads its frames with their neighbours once, and an edit of the last second
of a clip measures only the groups in which a frame changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FrameStates
from i2v3d.metrics.frame import FramePair, FrameValues, MeasuredFrame, measure_frame
from i2v3d.metrics.frame_file import FrameMeasures
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.finished_frames import finished_frames

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

GROUP = 6
"""Frames measured by one node."""


@dataclass(frozen=True)
class Inputs:
    """Frames of a clip in order, with a neighbour at either end where there is one, and the same of the render."""

    results: tuple[Image, ...]
    renders: tuple[Image, ...]
    passes: tuple[Passes, ...]
    states: FrameStates


@dataclass(frozen=True)
class Params:
    """What to measure.

    Attributes:
        has_previous: The first of the frames is only a neighbour.
        count: Frames to measure.
        never_photographed: Ids of objects of which the photo shows nothing.
    """

    has_previous: bool
    count: int
    never_photographed: tuple[int, ...]


@dataclass(frozen=True)
class Outputs:
    """The values of each frame."""

    values: FrameMeasures


def result_refs(scene: Scene) -> tuple[OutputRef, ...]:
    """Returns where each finished frame of a clip comes from, whatever makes it."""
    return tuple(
        ref
        for group in finished_frames(scene)
        for ref in (
            *(
                OutputRef(clip.node, clip.output, index, index + 1)
                for clip in group.clips
                for index in range(len(group.frames))
            ),
            *group.pictures,
        )
    )


def never_photographed(scene: Scene) -> tuple[int, ...]:
    """Returns the ids of objects that were added to the photo's scene from files or as text."""
    return tuple(
        2 + index for index, thing in enumerate(scene.drawn) if thing.prompts is None and thing.copy_of is None
    )


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node for each group of frames of the finished clip."""
    yield from measuring_nodes(scene, result_refs(scene))


def measuring_nodes(scene: Scene, results: Sequence[OutputRef], label: str = "") -> Iterator[Node]:
    """Yields one node for each group of frames of a clip; `label` tells clips of one scene apart."""
    count = len(results)
    for first in range(0, count, GROUP):
        last = min(first + GROUP, count) - 1
        around = range(max(0, first - 1), min(count, last + 2))
        yield Node(
            name=f"measure[{label and f'{label} '}{first}{f'-{last}' if last > first else ''}]",
            stage="measure",
            params=Params(first > 0, last - first + 1, never_photographed(scene)),
            inputs={
                "results": tuple(results[index] for index in around),
                "renders": tuple(OutputRef(f"render[{index}]", "colour") for index in around),
                "passes": tuple(OutputRef(f"render[{index}]", "passes") for index in around),
                "states": OutputRef("assemble", "states", around.start, around.stop),
            },
        )


@stage("measure", version=1, nodes=nodes, resources=Resources(cpu=1, memory_gb=0.6), is_batched=True)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Measures the frames one after another."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        values = list(_measure(inputs, params, work))
    finally:
        cv2.setNumThreads(threads)
    outputs = Outputs(FrameMeasures(work.output("values")))
    outputs.values.write(values)
    return outputs


def _measure(inputs: Inputs, params: Params, work: WorkDir) -> Iterator[FrameValues]:
    start = 1 if params.has_previous else 0
    previous: FramePair | None = _pair(inputs, 0) if params.has_previous else None
    current = _frame(inputs, start, params)
    for index in range(start, start + params.count):
        following = _frame(inputs, index + 1, params) if index + 1 < len(inputs.results) else None
        yield measure_frame(current, following, previous)
        work.progress((index - start + 1) / params.count)
        if following is not None:
            previous, current = current, following


def _frame(inputs: Inputs, index: int, params: Params) -> MeasuredFrame:
    pair = _pair(inputs, index)
    return MeasuredFrame(
        result=pair.result,
        render=pair.render,
        passes=inputs.passes[index].read(),
        image_from_camera=inputs.states.item(index).read_arrays()["image_from_camera"],
        never_photographed=params.never_photographed,
    )


def _pair(inputs: Inputs, index: int) -> FramePair:
    result, render = inputs.results[index], inputs.renders[index]
    pixels = render.read()
    # Where a backend had nothing to add, the file is the render's own: decoding it again takes 15 ms.
    same = result.path.read_bytes() == render.path.read_bytes()
    return FramePair(pixels if same else result.read(), pixels)
