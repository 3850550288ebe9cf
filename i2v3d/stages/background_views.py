"""Widens the empty scene past the photo's frame, so that moderate camera moves show no edge.

One view: the source camera with a widened window. Pixels outside the photo are invented like those
behind the objects, and only what the photo shows counts as observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import Image, Matte
from i2v3d.artifacts.scene import Layout, View, Views
from i2v3d.backends.base import Inpainter
from i2v3d.geometry.frames import Array, Camera, Resolution
from i2v3d.geometry.layout_surfaces import Window, fill_guide
from i2v3d.geometry.masks import fill_polygons
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


_SEAM_SHARE = 0.12  # of the photo's size: how far the mirror image is seen next to the frame


@dataclass(frozen=True)
class Inputs:
    """The empty scene, where it was invented, and the layout."""

    filled: Image
    hole: Matte
    layout: Layout


@dataclass(frozen=True)
class Params:
    """`margin`: share of width and height that is added on each side; `forbidden`: as for `inpaint`."""

    margin: float
    forbidden: tuple[tuple[tuple[float, float], ...], ...] = ()


@dataclass(frozen=True)
class Outputs:
    """The widened picture with its camera."""

    views: Views


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    yield Node(
        name="background_views",
        stage="background_views",
        params=Params(scene.background.margin, scene.background.forbidden),
        inputs={
            "filled": OutputRef("inpaint", "filled"),
            "hole": OutputRef("inpaint", "hole"),
            "layout": OutputRef("layout", "seen"),
        },
        backend=scene.backends["background_views"],
        origins={"margin": "background.margin", "forbidden": "background.forbid"},
    )


@stage(
    "background_views",
    version=1,
    nodes=nodes,
    capability="Inpainter",
    determinism="seeded",
    resources=Resources(memory_gb=1.2),
)
def run(inputs: Inputs, params: Params, backend: Inpainter, work: WorkDir) -> Outputs:
    """Mirrors the picture outwards as a start and lets the backend fill the margin."""
    filled, layout = inputs.filled.read(), inputs.layout.read()
    height, width = filled.shape[:2]
    across, down = round(params.margin * width), round(params.margin * height)
    pad = ((down, down), (across, across))
    picture = np.pad(filled, (*pad, (0, 0)), mode="symmetric")
    is_margin = np.pad(np.zeros((height, width), bool), pad, constant_values=True)
    is_forbidden = np.pad(fill_polygons((height, width), params.forbidden), pad, mode="symmetric")
    work.progress(0.1, f"{across} px on each side")
    window = Window(-across, -down, Resolution(width + 2 * across, height + 2 * down))
    guide = fill_guide(layout, window)
    widened = backend.inpaint(picture, is_margin, guide, is_forbidden & ~is_margin if params.forbidden else None)
    if guide is not None:
        hidden = _hide_seam(picture, widened, across, down)
        widened = np.where(is_forbidden[..., None], widened, hidden)
    observed = np.pad(np.where(inputs.hole.read() > 0, 0, 255).astype(np.uint8), pad)
    opaque = np.full((*observed.shape, 1), 255, np.uint8)
    intrinsics = layout.camera.intrinsics.window(-across, -down, window.resolution)
    view = View(np.dstack([widened, opaque]), observed, Camera(intrinsics, layout.camera.world_from_camera))
    outputs = Outputs(Views(work.output("views")))
    outputs.views.write((view,))
    return outputs


def _hide_seam(mirrored: Array, widened: Array, across: int, down: int) -> Array:
    """Returns the widened picture, passing from its mirror image to the invented one next to the photo's frame.

    A mirror image meets the photo without a seam, and near the frame its symmetry does not show. A table top
    has a direction in its grain that a mirror would bend, so it is not done there (no guide).
    """
    height, width = widened.shape[:2]
    x, y = np.arange(width), np.arange(height)
    beyond_x = np.maximum(np.maximum(across - x, x - (width - across - 1)), 0) / (_SEAM_SHARE * (width - 2 * across))
    beyond_y = np.maximum(np.maximum(down - y, y - (height - down - 1)), 0) / (_SEAM_SHARE * (height - 2 * down))
    far = np.clip(np.hypot(beyond_x[None, :], beyond_y[:, None]), 0, 1)
    share = (1 - far * far * (3 - 2 * far))[..., None]
    blended = np.asarray(np.rint(mirrored * share + widened * (1 - share)), np.uint8)
    return np.where(far[..., None] > 0, blended, widened)
