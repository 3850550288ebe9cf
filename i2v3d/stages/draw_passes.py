"""Draws the passes of a few frames small, as a report shows them: render, depth, objects, what was unseen, flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.drawings import Overlays, WebFrames, drawn_size, shrunk
from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FramePasses, JsonFile
from i2v3d.geometry.frames import Array
from i2v3d.geometry.guidance_maps import depth_condition
from i2v3d.geometry.pass_colours import UNOBSERVED, depth_palette, flow_colours, id_palette
from i2v3d.geometry.resolution import Resolution
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.drawing_scale import DrawingScale

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_FRAMES = 8  # one step draws so many: an edit of the clip's end leaves its beginning as it is
_FIRST_OBJECT_ID = 2
_FLAT_QUALITY = 70


@dataclass(frozen=True)
class Inputs:
    """Renders in time order, their passes, and what their colours mean."""

    colours: tuple[Image, ...]
    passes: tuple[Passes, ...]
    scale: DrawingScale


@dataclass(frozen=True)
class Params:
    """How large the drawings are."""

    size: Resolution


@dataclass(frozen=True)
class Outputs:
    """One drawing a frame of each kind, and `[{"unobserved": share of pixels}]`."""

    render: WebFrames
    depth: WebFrames
    flow: WebFrames
    objects: Overlays
    unobserved: Overlays
    facts: JsonFile


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node per few frames."""
    count = scene.output.frame_count
    for first in range(0, count, _FRAMES):
        frames = range(first, min(first + _FRAMES, count))
        yield Node(
            name=f"draw_passes[{frames[0]}-{frames[-1]}]",
            stage="draw_passes",
            params=Params(drawn_size(scene.output.size, count)),
            inputs={
                "colours": tuple(OutputRef(f"render[{frame}]", "colour") for frame in frames),
                "passes": tuple(OutputRef(f"render[{frame}]", "passes") for frame in frames),
                "scale": OutputRef("drawing_scale", "scale"),
            },
            origins={"size": "output.size"},
        )


@stage("draw_passes", version=1, nodes=nodes, resources=Resources(memory_gb=0.3), is_batched=True)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Draws the frames."""
    outputs = Outputs(
        render=WebFrames(work.output("render")),
        depth=WebFrames(work.output("depth")),
        flow=WebFrames(work.output("flow")),
        objects=Overlays(work.output("objects")),
        unobserved=Overlays(work.output("unobserved")),
        facts=JsonFile(work.output("facts")),
    )
    for folder in (outputs.render, outputs.depth, outputs.flow, outputs.objects, outputs.unobserved):
        folder.path.mkdir()
    facts = []
    for index, (colour, file) in enumerate(zip(inputs.colours, inputs.passes, strict=True)):
        passes = file.read()
        outputs.render.item(index).write(shrunk(colour.read(), params.size))
        _draw(passes, index, outputs, params.size, inputs.scale.read())
        facts.append({"unobserved": float(1 - passes.is_observed.mean())})
        work.progress((index + 1) / len(inputs.colours))
    outputs.facts.write_json(facts)
    return outputs


def _draw(
    passes: FramePasses, index: int, outputs: Outputs, size: Resolution, scale: tuple[float, float, float]
) -> None:
    near_m, far_m, flow_px = scale
    centres = _centres(passes.ids.shape, size)
    ids = passes.ids[centres]
    outputs.objects.item(index).write(ids, id_palette(), _FIRST_OBJECT_ID)
    hidden = (~passes.is_observed[centres]).astype(np.uint8)
    outputs.unobserved.item(index).write(hidden, np.array([(0, 0, 0), UNOBSERVED], np.uint8), 1)
    nearness = depth_condition(passes.depth_m[centres], near_m, far_m)
    depth = depth_palette()[np.rint(nearness * 255).astype(np.uint8)]
    outputs.depth.item(index).write(depth, quality=_FLAT_QUALITY)
    flow = flow_colours(passes.flow_forward_px[centres], flow_px)
    outputs.flow.item(index).write(flow, quality=_FLAT_QUALITY)


def _centres(shape: tuple[int, ...], size: Resolution) -> tuple[Array, Array]:
    """Returns the indices of the pixels in which those of a smaller picture have their centres."""
    rows = ((np.arange(size.height) + 0.5) * shape[0] / size.height).astype(np.intp)
    columns = ((np.arange(size.width) + 0.5) * shape[1] / size.width).astype(np.intp)
    return np.ix_(rows, columns)  # type: ignore[return-value]  # a pair for a pair
