"""Encodes the finished frames for places that take no MP4: WebM (VP9) for web pages, GIF for wikis and issue trackers.

Both are made from the finished frames, not from the MP4. A GIF is at most 640 pixels wide and shows at most 15 frames a
second, in 256 colours chosen over the whole clip: larger ones weigh tens of megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.scene import Gif, WebM
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.stages.base import Node, Resources, WorkDir, stage
from i2v3d.stages.encode import clip_inputs, numbered, set_up, write_frames

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from i2v3d.spec.resolved import Scene

_RATE_DENOMINATOR = 1001
_GIF_WIDTH_PX = 640
_GIF_FPS = 15.0


@dataclass(frozen=True)
class Inputs:
    """The clip in order: finished intervals, then single pictures."""

    clips: tuple[Frames, ...]
    pictures: tuple[Image, ...]


@dataclass(frozen=True)
class Params:
    """`is_webm`, `is_gif`: what to write. `crf`: constant quality of VP9, lower is better."""

    fps: float
    is_webm: bool
    is_gif: bool
    crf: int = 24


@dataclass(frozen=True)
class Outputs:
    """What was asked for."""

    webm: WebM | None
    gif: Gif | None


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields a node for each of the two that is wanted."""
    for form in ("webm", "gif"):
        if form in scene.output.formats:
            yield Node(
                name=f"encode[{form}]",
                stage="encode_other",
                params=Params(scene.output.fps, is_webm=form == "webm", is_gif=form == "gif"),
                inputs=clip_inputs(scene),
                origins={"fps": "output.fps", "is_webm": "output.formats", "is_gif": "output.formats"},
            )


@stage("encode_other", version=1, nodes=nodes, resources=Resources(cpu=1, memory_gb=1.0))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Encodes one file."""
    pictures = [*(picture for clip in inputs.clips for picture in clip), *inputs.pictures]
    if not pictures:
        raise StageError("there is no frame to encode")
    webm = WebM(work.output("webm")) if params.is_webm else None
    gif = Gif(work.output("gif")) if params.is_gif else None
    if webm is not None:
        _write_webm(webm.path, pictures, params, work)
    if gif is not None:
        _write_gif(gif.path, pictures, params.fps, work)
    return Outputs(webm, gif)


def _write_webm(file: Path, pictures: list[Image], params: Params, work: WorkDir) -> None:
    import av

    size = _size_of(pictures)
    with av.open(str(file), "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libvpx-vp9", rate=Fraction(params.fps).limit_denominator(_RATE_DENOMINATOR))
        set_up(stream, size)
        # Zero bit rate: the quality alone decides.
        stream.options = {"crf": str(params.crf), "b": "0", "cpu-used": "4", "deadline": "good", "flags": "+bitexact"}
        stream.codec_context.bit_rate = 0
        write_frames(container, stream, numbered(pictures, work))


def shown_in_gif(count: int, fps: float) -> list[int]:
    """Returns which of `count` frames at `fps` a GIF shows: every n-th."""
    return list(range(0, count, max(1, -int(-fps // _GIF_FPS))))


def _write_gif(file: Path, pictures: list[Image], fps: float, work: WorkDir) -> None:
    """Writes every n-th frame with one palette for the clip; times are hundredths of a second, never drifting apart."""
    from PIL import Image as Pillow

    chosen = shown_in_gif(len(pictures), fps)
    frames = [_small(pictures[index]) for index in chosen]
    work.progress(0.3, "choosing colours")
    palette = _palette(frames)
    drawn = [Pillow.fromarray(frame).quantize(palette=palette, dither=Pillow.Dither.FLOYDSTEINBERG) for frame in frames]
    # Shown until the next one is due; the last as long as one frame of the clip.
    due_cs = [round(100 * index / fps) for index in (*chosen, len(pictures))]
    durations_ms = [max(2, after - before) * 10 for before, after in pairwise(due_cs)]
    drawn[0].save(file, save_all=True, append_images=drawn[1:], duration=durations_ms, loop=0, optimize=False)


def _small(picture: Image) -> Array:
    from PIL import Image as Pillow

    pixels = picture.read()
    height, width = pixels.shape[:2]
    if width <= _GIF_WIDTH_PX:
        return pixels
    size = (_GIF_WIDTH_PX, round(height * _GIF_WIDTH_PX / width))
    return np.asarray(Pillow.fromarray(pixels).resize(size, Pillow.Resampling.LANCZOS))


def _palette(frames: list[Array]) -> Picture:
    """Returns a picture with the 256 colours that serve the whole clip best: those of a strip of some of its frames."""
    from PIL import Image as Pillow

    some = [frames[round(index)][::2, ::2] for index in np.linspace(0, len(frames) - 1, min(len(frames), 8))]
    return Pillow.fromarray(np.concatenate(some)).quantize(256, method=Pillow.Quantize.MEDIANCUT)


def _size_of(pictures: list[Image]) -> Resolution:
    height, width = pictures[0].read().shape[:2]
    return Resolution(width, height)
