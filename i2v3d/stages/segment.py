"""Cuts an object out of the photo: prompts to a soft matte and the object's own colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import CutOut, Image, Matte
from i2v3d.backends.base import Segmenter
from i2v3d.errors import StageError
from i2v3d.spec.resolved import Prompts
from i2v3d.stages.base import Node, OutputRef, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_EVERYTHING = 0.995
_FEWEST_PIXELS = 12


@dataclass(frozen=True)
class Inputs:
    """The working picture, and the user's mask picture if there is one."""

    photo: Image
    mask: Path | None


@dataclass(frozen=True)
class Params:
    """The outline prompts of one object.

    Attributes:
        name: The object, for messages.
        prompts: In photo pixels; the mask file comes as an input instead.
    """

    name: str
    prompts: Prompts


@dataclass(frozen=True)
class Outputs:
    """The soft matte, and the cut-out with colours bled past its edge."""

    alpha: Matte
    cutout: CutOut


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node per object that is in the photo."""
    for thing in scene.objects:
        if thing.prompts is None:
            continue
        mask = thing.prompts.mask_file
        path = f"{thing.spec_path}.segment"
        yield Node(
            name=f"segment[{thing.name}]",
            stage="segment",
            params=Params(thing.name, replace(thing.prompts, mask_file=None)),
            inputs={
                "photo": OutputRef("prepare", "photo"),
                "mask": None if mask is None else SourceFile(mask, f"{path}.mask"),
            },
            backend=scene.backends["segment"],
            origins={"prompts": path, "mask": f"{path}.mask"},
        )


@stage("segment", version=1, nodes=nodes, capability="Segmenter", resources=Resources(memory_gb=0.8))
def run(inputs: Inputs, params: Params, backend: Segmenter, work: WorkDir) -> Outputs:
    """Finds the matte and the colours behind its soft edge.

    Raises:
        StageError: The matte is empty or covers the whole photo.
    """
    photo = inputs.photo.read()
    alpha = backend.segment(photo, replace(params.prompts, mask_file=inputs.mask))
    _check(alpha, params.name)
    work.progress(0.7, f"{100 * float(alpha.mean()):.1f} % of the photo")
    alpha_8 = np.rint(alpha * 255).astype(np.uint8)
    colours = backend.foreground_colours(photo, alpha)
    outputs = Outputs(Matte(work.output("alpha")), CutOut(work.output("cutout")))
    outputs.alpha.write(alpha_8)
    outputs.cutout.write(np.dstack([colours, alpha_8]))
    return outputs


def _check(alpha: np.ndarray, name: str) -> None:  # type: ignore[type-arg]  # any float array
    is_thing = alpha > 0.5
    if np.count_nonzero(is_thing) < _FEWEST_PIXELS:
        hint = "draw the box, polygon or mask around the object, with a point on it"
        message = f"the mask of `{name}` is empty: no part of the photo was found to belong to it"
        raise StageError(message, hint=hint, field="prompts")
    if is_thing.mean() > _EVERYTHING:
        hint = "the mask must leave some background; is it inverted, or the box the whole photo?"
        raise StageError(f"the mask of `{name}` covers the whole photo", hint=hint, field="prompts")
