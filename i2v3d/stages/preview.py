"""Draws every fourth frame, small, into a video that plays in true time, and a sheet of some of them.

It is no part of a normal build: `i2v3d build --preview` and `i2v3d watch` ask for it. What it shows is the
render, whatever a profile makes of it. Everything up to the scene cache are the steps of the whole build.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.scene import FrameState, SceneStatic, Video
from i2v3d.backends.base import SceneRenderer
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.stages import encode
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

EVERY = 4
_LONGER_SIDE_PX = 512
_LONGER_SIDE_WITH_LENS_PX = 256  # blur takes up to 256 pictures a frame, fewer where it is few pixels wide
_COLUMNS, _ROWS = 4, 3
_BORDER_PX = 4


@dataclass(frozen=True)
class Inputs:
    """The scene cache: its unchanging part, and the states of the frames to draw."""

    static: SceneStatic
    states: tuple[FrameState, ...]


@dataclass(frozen=True)
class Params:
    """When the states are shown, and how large.

    Attributes:
        frames: Frame number of each state.
        fps: Of the clip that the numbers count in.
        size: Of the output.
        small: Of the preview.
    """

    frames: tuple[int, ...]
    fps: float
    size: Resolution
    small: Resolution


@dataclass(frozen=True)
class Outputs:
    """The video, and up to twelve of its frames on a sheet, in rows."""

    video: Video
    sheet: Image


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields the one node; the graph of a whole build leaves it out."""
    frames = previewed(scene.output.frame_count)
    yield Node(
        name="preview",
        stage="preview",
        params=Params(frames, scene.output.fps, scene.output.size, small_size(scene)),
        inputs={
            "static": OutputRef("assemble", "static"),
            "states": tuple(OutputRef("assemble", "states", frame, frame + 1) for frame in frames),
        },
        backend=scene.backends.get("preview", scene.backends["render"]),
        origins={"frames": "output.duration", "fps": "output.fps", "size": "output.size", "small": "output.size"},
    )


def previewed(frame_count: int) -> tuple[int, ...]:
    """Returns every fourth frame of a clip, and the last."""
    return tuple(sorted({*range(0, frame_count, EVERY), frame_count - 1}))


def small_size(scene: Scene) -> Resolution:
    """Returns the size to draw at, even: the longer side 512 pixels, 256 with depth of field, or the output's."""
    size = scene.output.size
    longer_px = _LONGER_SIDE_PX if scene.depth_of_field is None else _LONGER_SIDE_WITH_LENS_PX
    scale = min(1.0, longer_px / max(size.width, size.height))
    width, height = (max(2, 2 * round(scale * side / 2)) for side in (size.width, size.height))
    return Resolution(width, height)


@stage("preview", version=1, nodes=nodes, capability="SceneRenderer", resources=Resources(cpu=1, memory_gb=1.0))
def run(inputs: Inputs, params: Params, backend: SceneRenderer, work: WorkDir) -> Outputs:
    """Draws the frames one after another while the video is written."""
    shown = set(_on_sheet(len(params.frames)))
    kept: list[Array] = []
    outputs = Outputs(Video(work.output("video")), Image(work.output("sheet")))

    def drawn() -> Iterator[tuple[int, Array]]:
        for index, (frame, state) in enumerate(zip(params.frames, inputs.states, strict=True)):
            colour = _draw(inputs.static, state, params, backend, work)
            if index in shown:
                kept.append(colour)
            yield frame, colour
            work.progress((index + 1) / len(params.frames))

    coding = encode.Params(fps=params.fps, crf=21, gop=2 * EVERY, preset="veryfast")
    encode.write_video(outputs.video.path, drawn(), params.small, coding)
    outputs.sheet.write(_sheet(kept))
    return outputs


def _draw(static: SceneStatic, state: FrameState, params: Params, backend: SceneRenderer, work: WorkDir) -> Array:
    """Returns the frame at the smaller size, uint8 (height, width, 3)."""
    arrays, size, small = state.read_arrays(), params.size, params.small
    scaled = np.diag([small.width / size.width, small.height / size.height, 1.0])
    arrays["image_from_camera"] = scaled @ arrays["image_from_camera"]
    file = FrameState(work.path / "small.npz")
    file.write_arrays(arrays)
    colour = backend.render(static.path, (file.path,), 0, small).colour
    file.path.unlink()
    return colour


def _on_sheet(count: int) -> list[int]:
    """Returns which of so many pictures are on the sheet: as evenly as it goes, the first and the last among them."""
    return sorted({round(index) for index in np.linspace(0, count - 1, min(count, _COLUMNS * _ROWS))})


def _sheet(pictures: list[Array]) -> Array:
    """Returns pictures of one size, halved, in rows with a thin dark border."""
    halved = [_halved(picture) for picture in pictures]
    height, width = halved[0].shape[:2]
    columns = min(_COLUMNS, len(halved))
    rows = -(-len(halved) // columns)
    sheet = np.full(
        (rows * (height + _BORDER_PX) + _BORDER_PX, columns * (width + _BORDER_PX) + _BORDER_PX, 3), 24, np.uint8
    )
    for index, picture in enumerate(halved):
        top = _BORDER_PX + index // columns * (height + _BORDER_PX)
        left = _BORDER_PX + index % columns * (width + _BORDER_PX)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _halved(picture: Array) -> Array:
    """Returns the mean of each two by two pixels."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    blocks = picture.reshape(height, 2, width, 2, 3).astype(np.uint16)
    return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)
