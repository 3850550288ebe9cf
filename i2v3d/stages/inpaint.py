"""Paints the photo without its objects: holes grown over soft edges and contact shadows, then filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import Image, Matte
from i2v3d.artifacts.scene import Layout
from i2v3d.backends.base import Inpainter
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.geometry.layout_surfaces import Window, fill_guide
from i2v3d.geometry.masks import fill_polygons, grow_mask
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_VISIBLE = 3  # of 255: a pixel that shows this much of an object is part of its hole
_LEAST_KNOWN = 0.02


@dataclass(frozen=True)
class Inputs:
    """The working picture, the mattes of its objects, and the layout, which guides the filling."""

    photo: Image
    alphas: tuple[Matte, ...]
    layout: Layout


@dataclass(frozen=True)
class Params:
    """How far holes are grown, and which parts must not be copied; fields as in `spec.resolved.Background`."""

    hole_grow_px: int
    shadow_grow_px: int
    forbidden: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class Outputs:
    """The empty scene, and where it was invented (255)."""

    filled: Image
    hole: Matte


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    background = scene.background
    yield Node(
        name="inpaint",
        stage="inpaint",
        params=Params(background.hole_grow_px, background.shadow_grow_px, background.forbidden),
        inputs={
            "photo": OutputRef("prepare", "photo"),
            "alphas": tuple(
                OutputRef(f"segment[{thing.name}]", "alpha") for thing in scene.objects if thing.prompts is not None
            ),
            "layout": OutputRef("layout", "seen"),
        },
        backend=scene.backends["inpaint"],
        origins={
            "hole_grow_px": "background.grow",
            "shadow_grow_px": "background.shadow",
            "forbidden": "background.forbid",
            "alphas": "objects",
        },
    )


@stage(
    "inpaint",
    version=1,
    nodes=nodes,
    capability="Inpainter",
    determinism="seeded",
    resources=Resources(memory_gb=1.0),
)
def run(inputs: Inputs, params: Params, backend: Inpainter, work: WorkDir) -> Outputs:
    """Grows the holes and fills them.

    Raises:
        StageError: The objects cover so much that nothing is left to fill from.
    """
    photo = inputs.photo.read()
    height, width = photo.shape[:2]
    hole = np.zeros((height, width), bool)
    for alpha in inputs.alphas:
        hole |= alpha.read() >= _VISIBLE
    hole = grow_mask(hole, params.hole_grow_px, params.shadow_grow_px)
    is_forbidden = fill_polygons((height, width), params.forbidden)
    _check(hole | is_forbidden)
    work.progress(0.1, f"{100 * float(hole.mean()):.0f} % to fill")
    guide = fill_guide(inputs.layout.read(), Window(0, 0, Resolution(width, height)))
    filled = backend.inpaint(photo, hole, guide, is_forbidden if params.forbidden else None)
    outputs = Outputs(Image(work.output("filled")), Matte(work.output("hole")))
    outputs.filled.write(filled)
    outputs.hole.write(np.where(hole, 255, 0).astype(np.uint8))
    return outputs


def _check(is_unusable: Array) -> None:
    if 1 - is_unusable.mean() < _LEAST_KNOWN:
        hint = "make their masks smaller, or lower `background.grow`, `background.shadow` or `background.forbid`"
        raise StageError("the objects and their margins cover all of the photo: no background is left", hint=hint)
