"""Refines the rendered keyframes into finished pictures.

One node per keyframe, in a chain: each keeps what the one before already invented. The stage cuts the
photo to the output window and reads the passes between two keyframes one by one; the backend refines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.keyframes import KeyframeTrace
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.base import KeyframePast, KeyframeRefiner, RenderedFrame
from i2v3d.backends.catalog import is_run_by
from i2v3d.errors import StageError
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The rendered keyframe, the photo, and the keyframe before with the way from it (none for the first)."""

    colour: Image
    passes: Passes
    photo: Image
    previous: Image | None
    previous_trace: KeyframeTrace | None
    passes_since: tuple[Passes, ...]


@dataclass(frozen=True)
class Params:
    """`window_left`, `window_top`: first corner of the output window in the photo, in pixels."""

    window_left: int
    window_top: int
    seed: int


@dataclass(frozen=True)
class Outputs:
    """The refined keyframe, and what the next keyframe must know of it."""

    colour: Image
    trace: KeyframeTrace


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node per keyframe, where a backend refines them."""
    if not is_run_by(scene.backends, "keyframes", "keyframes"):
        return
    params = Params(scene.photo.window_left, scene.photo.window_top, scene.seed)
    frames = scene.keyframing.frames
    for before, frame in ((None, frames[0]), *pairwise(frames)):
        since = () if before is None else range(before, frame + 1)
        yield Node(
            name=f"keyframes[{frame}]",
            stage="keyframes",
            params=params,
            inputs={
                "colour": OutputRef(f"render[{frame}]", "colour"),
                "passes": OutputRef(f"render[{frame}]", "passes"),
                "photo": OutputRef("prepare", "photo"),
                "previous": None if before is None else OutputRef(f"keyframes[{before}]", "colour"),
                "previous_trace": None if before is None else OutputRef(f"keyframes[{before}]", "trace"),
                "passes_since": tuple(OutputRef(f"render[{index}]", "passes") for index in since),
            },
            backend=scene.backends["keyframes"],
            origins={"window_left": "image", "window_top": "image", "seed": "seed"},
        )


@stage(
    "keyframes",
    version=1,
    nodes=nodes,
    capability="KeyframeRefiner",
    determinism="seeded",
    resources=Resources(cpu=1, memory_gb=0.8),
    is_batched=True,
)
def run(inputs: Inputs, params: Params, backend: KeyframeRefiner, work: WorkDir) -> Outputs:
    """Refines one keyframe."""
    frame = RenderedFrame(inputs.colour.read(), inputs.passes.read())
    height, width = frame.colour.shape[:2]
    top, left = params.window_top, params.window_left
    photo = inputs.photo.read()[top : top + height, left : left + width]
    if photo.shape != frame.colour.shape:
        raise StageError(f"the window at ({left}, {top}) of {width}x{height} pixels is not inside the photo")
    past = None
    if inputs.previous is not None and inputs.previous_trace is not None:
        passes = (item.read() for item in inputs.passes_since)
        past = KeyframePast(inputs.previous.read(), inputs.previous_trace.read(), passes)
    refined = backend.refine(frame, photo, past, seed=params.seed)
    outputs = Outputs(Image(work.output("colour")), KeyframeTrace(work.output("trace")))
    outputs.colour.write(refined.colour)
    outputs.trace.write(refined.memory)
    return outputs
