"""Encodes frames into an H.264 video that plays everywhere.

`encode` makes the finished clip and `encode[render]` the plain renders, both as MP4 with BT.709
colours and the index in front. Colours are converted here in integers and the encoder runs on one
thread, so that equal frames give equal bytes on any number of cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.scene import Video
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.generate_keyframes import keyframe_ref

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from i2v3d.spec.resolved import Scene

_BT709 = 1  # ITU-T H.273 code of the primaries, the transfer and the matrix alike
_LIMITED_RANGE = 1
_RATE_DENOMINATOR = 1001
# BT.709 luma and colour differences in limited range, in 1/65536.
_SHIFT = 16
_YUV_FROM_RGB = np.rint(
    np.array(
        [
            [0.2126 * 219, 0.7152 * 219, 0.0722 * 219],
            [-0.2126 / 1.8556 * 224, -0.7152 / 1.8556 * 224, 0.9278 / 1.8556 * 224],
            [0.7874 / 1.5748 * 224, -0.7152 / 1.5748 * 224, -0.0722 / 1.5748 * 224],
        ]
    )
    / 255
    * 2**_SHIFT
).astype(np.int32)


@dataclass(frozen=True)
class Inputs:
    """The clip in order: finished intervals, then single pictures."""

    clips: tuple[Frames, ...]
    pictures: tuple[Image, ...]


@dataclass(frozen=True)
class Params:
    """`crf`: constant quality of x264, lower is better. `gop`: frames from one full picture to the next."""

    fps: float
    crf: int = 16
    gop: int = 24
    preset: str = "medium"


@dataclass(frozen=True)
class Outputs:
    """The video."""

    video: Video


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields the finished clip and the plain renders."""
    renders = tuple(OutputRef(f"render[{index}]", "colour") for index in range(scene.output.frame_count))
    for name, inputs in (("encode", clip_inputs(scene)), ("encode[render]", {"clips": (), "pictures": renders})):
        yield Node(
            name=name,
            stage="encode",
            params=Params(fps=scene.output.fps),
            inputs=inputs,
            origins={"fps": "output.fps"},
        )


def clip_inputs(scene: Scene) -> dict[str, tuple[OutputRef, ...]]:
    """Returns where the finished frames come from, as an encoder's inputs: intervals in order, then single pictures."""
    frames = scene.keyframing.frames
    clips = tuple(OutputRef(f"interpolate[{first}-{last}]", "frames") for first, last in pairwise(frames))
    # A clip of a single frame has no interval.
    return {"clips": clips, "pictures": () if clips else (keyframe_ref(scene, frames[0]),)}


@stage("encode", version=1, nodes=nodes, resources=Resources(cpu=1, memory_gb=0.5))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Encodes one video."""
    pictures = [*(picture for clip in inputs.clips for picture in clip), *inputs.pictures]
    if not pictures:
        raise StageError("there is no frame to encode")
    outputs = Outputs(Video(work.output("video")))
    height, width = pictures[0].read().shape[:2]
    write_video(outputs.video.path, numbered(pictures, work), Resolution(width, height), params)
    return outputs


def write_video(file: Path, frames: Iterable[tuple[int, Array]], size: Resolution, params: Params) -> None:
    """Writes an MP4 of pictures uint8 (height, width, 3), each with the number of the frame at which it is shown."""
    import av

    # `bitexact` leaves the library's version out of the file.
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(file), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=Fraction(params.fps).limit_denominator(_RATE_DENOMINATOR))
        set_up(stream, size)
        stream.codec_context.gop_size = params.gop
        stream.options = {
            "crf": str(params.crf),
            "preset": params.preset,
            "flags": "+bitexact",
            # Without it x264's bytes differ between processors, and with AVX-512 from one process to the next.
            "x264-params": "cpu-independent=1",
        }
        write_frames(container, stream, frames)


def set_up(stream: VideoStream, size: Resolution) -> None:
    """Sets what every encoded clip has: its size, BT.709 colours in limited range, one thread."""
    stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    context.thread_count = 1


def write_frames(container: OutputContainer, stream: VideoStream, frames: Iterable[tuple[int, Array]]) -> None:
    """Encodes pictures uint8 (height, width, 3), each with the number of the frame at which it is shown, to the end."""
    import av

    for number, pixels in frames:
        frame = av.VideoFrame.from_ndarray(planes_of(pixels), format="yuv420p")
        frame.pts = number
        frame.colorspace, frame.color_range = _BT709, _LIMITED_RANGE
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def numbered(pictures: list[Image], work: WorkDir) -> Iterator[tuple[int, Array]]:
    """Yields each picture's number and pixels, and tells how far it is."""
    for index, picture in enumerate(pictures):
        yield index, picture.read()
        work.progress((index + 1) / len(pictures))


def planes_of(pixels: Array) -> Array:
    """Returns BT.709 4:2:0 planes, uint8 (height * 3 / 2, width), of sRGB pixels (height, width, 3) of even size.

    Colour differences are averaged over each two rows and, weighted 1-2-1, over the columns about every
    second one, which is where H.264 players take them to lie.
    """
    height, width = pixels.shape[:2]
    red, green, blue = (pixels[..., index].astype(np.int32) for index in range(3))
    half = 1 << (_SHIFT - 1)
    y, u, v = (row[0] * red + row[1] * green + row[2] * blue for row in _YUV_FROM_RGB)
    luma = ((y + half) >> _SHIFT) + 16
    chroma = []
    for plane in (u, v):
        tall = (plane[0::2] >> 3) + (plane[1::2] >> 3)
        left = np.concatenate([tall[:, :1], tall[:, 1:-1:2]], axis=1)
        mean = left + 2 * tall[:, 0::2] + tall[:, 1::2]
        chroma.append(((mean + half) >> _SHIFT) + 128)
    planes = np.concatenate([luma.reshape(-1), chroma[0].reshape(-1), chroma[1].reshape(-1)])
    return np.clip(planes, 0, 255).astype(np.uint8).reshape(height * 3 // 2, width)
