"""Draws the photo, its objects cut out with their mattes, and the filled background, as a report shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.base import Artifact
from i2v3d.artifacts.drawings import WebPicture, shrunk
from i2v3d.artifacts.images import CutOut, Image
from i2v3d.artifacts.scene import JsonFile
from i2v3d.geometry.frames import Array
from i2v3d.geometry.resolution import Resolution
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_PHOTO_PX = 1280
_OBJECT_PX = 360
_MARGIN = 0.06


@dataclass(frozen=True)
class Inputs:
    """The working picture, what was cut out of it, and what is left, where that was painted."""

    photo: Image
    cutouts: tuple[CutOut, ...]
    filled: Image


@dataclass(frozen=True)
class Params:
    """`objects`: whose cut-outs they are."""

    objects: tuple[str, ...]


@dataclass(frozen=True)
class PhotoDrawings(Artifact):
    """`photo.webp`, `filled.webp`, by object `cutout_0.webp` and `alpha_0.webp`, and `objects.json`.

    `objects.json` is `[{"name", "share": of the photo, "crop": [left, top, width, height] in its pixels}]`.
    """


@dataclass(frozen=True)
class Outputs:
    """The pictures."""

    pictures: PhotoDrawings


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the one node."""
    seen = tuple(thing.name for thing in scene.objects if thing.prompts is not None)
    yield Node(
        name="draw_photo",
        stage="draw_photo",
        params=Params(seen),
        inputs={
            "photo": OutputRef("prepare", "photo"),
            "cutouts": tuple(OutputRef(f"segment[{name}]", "cutout") for name in seen),
            "filled": OutputRef("inpaint", "filled"),
        },
        origins={"photo": "source.image", "objects": "objects"},
    )


@stage("draw_photo", version=1, nodes=nodes, resources=Resources(memory_gb=0.5))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Draws all of them."""
    outputs = Outputs(PhotoDrawings(work.output("pictures")))
    folder = outputs.pictures.path
    folder.mkdir()
    WebPicture(folder / "photo.webp").write(_at_most(inputs.photo.read(), _PHOTO_PX))
    WebPicture(folder / "filled.webp").write(_at_most(inputs.filled.read(), _PHOTO_PX))
    entries = []
    for index, (name, file) in enumerate(zip(params.objects, inputs.cutouts, strict=True)):
        cutout = file.read()
        alpha = cutout[..., 3]
        left, top, right, bottom = _crop(alpha)
        small = _at_most(cutout[top:bottom, left:right], _OBJECT_PX)
        WebPicture(folder / f"cutout_{index}.webp").write(small)
        WebPicture(folder / f"alpha_{index}.webp").write(np.repeat(small[..., 3:], 3, axis=2))
        share = float(alpha.mean()) / 255
        entries.append({"name": name, "share": share, "crop": [left, top, right - left, bottom - top]})
    JsonFile(folder / "objects.json").write_json(entries)
    return outputs


def _at_most(pixels: Array, longest_px: int) -> Array:
    height, width = pixels.shape[:2]
    factor = min(1.0, longest_px / max(height, width))
    return shrunk(pixels, Resolution(max(1, round(width * factor)), max(1, round(height * factor))))


def _crop(alpha: Array) -> tuple[int, int, int, int]:
    """Returns left, top, right, bottom about what is visible, with a margin."""
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    height, width = alpha.shape
    if not rows.size:
        return 0, 0, width, height
    margin = 1 + int(_MARGIN * max(rows[-1] - rows[0], columns[-1] - columns[0]))
    return (
        max(0, int(columns[0]) - margin),
        max(0, int(rows[0]) - margin),
        min(width, int(columns[-1]) + margin + 1),
        min(height, int(rows[-1]) + margin + 1),
    )
