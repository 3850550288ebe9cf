"""Frames out of any video file, as it is meant to be seen: exact colours, upright, square pixels.

Colours are converted here and not by the decoder's scaler, which rounds chroma: matrix and range are the file's own
(BT.709, BT.601 or BT.2020; limited or full range), and where it names none what players take. Pixels come out as sRGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d.errors import UsageError
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

_KNOWN = "any that FFmpeg decodes: .mp4, .webm, .mov, .mkv, .gif"
# ITU-T H.273 code of the matrix -> weights of red and blue in luma.
_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
_MATRIX_NAMES = {1: "BT.709", 5: "BT.601", 6: "BT.601", 9: "BT.2020"}
_RGB, _UNKNOWN = 0, 2
_HIGH_DYNAMIC_RANGE = (16, 18)  # transfers PQ and HLG
_FULL_RANGE = 2
_CHROMA_STEPS = {"yuv420p": (2, 2), "yuv422p": (1, 2), "yuv444p": (1, 1)}  # rows and columns of luma a chroma sample


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video before all of it is decoded.

    Attributes:
        width, height: As it is seen: upright, with square pixels.
        frame_count: Pictures in it.
        duration_s: From its first picture to the end of its last one.
        times_s: Of each picture from the first one, in the order in which they are shown.
        notes: What had to be assumed of it.
    """

    width: int
    height: int
    frame_count: int
    duration_s: float
    times_s: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def fps(self) -> float:
        """Mean number of pictures a second."""
        return self.frame_count / self.duration_s if self.duration_s > 0 else 0.0


def probe_video(path: Path) -> VideoFacts:
    """Returns what is known of a video; its first picture is decoded to see that it can be.

    Raises:
        UsageError: There is no such file, it is no video, has no picture, can't be decoded, or is HDR.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no such video")
    if path.stat().st_size == 0:
        raise UsageError(f"{path}: the file is empty", hint="export the video again")
    with _opened(path) as container:
        stream = container.streams.video[0]
        stamps = sorted(
            packet.pts
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size and not packet.is_discard
        )
        step = 1 / (stream.average_rate or stream.guessed_rate or Fraction(25))
        unit = stream.time_base or step
        seconds = [float((stamp - stamps[0]) * unit) for stamp in stamps]
    first = next(iter(read_pictures(path)), None)
    if first is None:
        raise UsageError(f"{path}: there is no picture in it", hint="export the video again")
    pictures, notes = first
    times = tuple(seconds) or (0.0,)
    height, width = pictures.shape[:2]
    return VideoFacts(width, height, len(times), times[-1] + float(step), times, notes)


def read_pictures(path: Path) -> Iterator[tuple[Array, tuple[str, ...]]]:
    """Yields the pictures of a video, uint8 (height, width, 3), sRGB, in order, each with what was assumed of it.

    Raises:
        UsageError: It can't be decoded, or is HDR.
    """
    import av

    with _opened(path) as container:
        stream = container.streams.video[0]
        aspect = stream.sample_aspect_ratio or Fraction(1)
        stream.codec_context.thread_count = 1
        try:
            for frame in container.decode(stream):
                yield _picture(frame, float(aspect), path)
        except av.FFmpegError as error:
            raise UsageError(f"{path}: can't be decoded: {error.strerror}", hint="export the video again") from error


def _opened(path: Path) -> InputContainer:
    import av

    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        raise UsageError(f"{path}: not a video that can be read: {error.strerror}", hint=_KNOWN) from error
    if not container.streams.video:
        container.close()
        raise UsageError(f"{path}: there is no picture in it, only sound or data", hint=_KNOWN)
    return container


def _picture(frame: VideoFrame, pixel_aspect: float, path: Path) -> tuple[Array, tuple[str, ...]]:
    import cv2

    if int(frame.color_trc) in _HIGH_DYNAMIC_RANGE:
        raise UsageError(f"{path}: an HDR video can't be measured", hint="export it as SDR (BT.709 or sRGB)")
    pixels, notes = _rgb(frame)
    if pixel_aspect > 0 and abs(pixel_aspect - 1) > 1e-3:
        height, width = pixels.shape[:2]
        pixels = cv2.resize(pixels, (max(1, round(width * pixel_aspect)), height), interpolation=cv2.INTER_CUBIC)
        notes += (f"its pixels are {pixel_aspect:g} times as wide as high: made square",)
    if (quarters := round(frame.rotation / 90) % 4) != 0:
        # The number says by how much the stored picture is turned counter-clockwise to be seen upright.
        pixels = np.rot90(pixels, quarters)
        notes += (f"turned by {90 * quarters} degrees, as its metadata says",)
    return np.ascontiguousarray(pixels), notes


def _rgb(frame: VideoFrame) -> tuple[Array, tuple[str, ...]]:
    """Returns sRGB pixels, uint8 (height, width, 3), and what was assumed."""
    name = frame.format.name
    if frame.format.is_rgb or name.startswith(("gbr", "pal", "bgr", "rgb")) or int(frame.colorspace) == _RGB:
        return frame.to_ndarray(format="rgb24"), ()
    matrix = int(frame.colorspace)
    notes: tuple[str, ...] = ()
    if matrix not in _LUMA_WEIGHTS:
        # What players take: the matrix of high definition from the size of high definition on.
        matrix = 1 if frame.width >= 1280 or frame.height > 576 else 6
        notes = (
            f"it names no colour matrix that is known here: {_MATRIX_NAMES[matrix]} taken, as players do at its size",
        )
    is_full = name.startswith("yuvj") or int(frame.color_range) == _FULL_RANGE
    luma, blue, red = _planes(frame)
    return _rgb_of(luma, blue, red, _LUMA_WEIGHTS[matrix], is_full=is_full), notes


def _planes(frame: VideoFrame) -> tuple[Array, Array, Array]:
    """Returns luma and colour differences, float32 (height, width) each, in 8-bit steps."""
    name = frame.format.name.replace("yuvj", "yuv")
    depth = max(component.bits for component in frame.format.components)
    if name in ("nv12", "nv21"):
        frame, name = frame.reformat(format="yuv420p"), "yuv420p"  # only the order of bytes differs
    if depth > 8 or name not in _CHROMA_STEPS:
        # Of rarer kinds the scaler makes 16-bit planes, with range and matrix left alone.
        frame = frame.reformat(format="yuv444p16le")
        return tuple(_plane(frame, index, np.uint16) / np.float32(256) for index in range(3))  # type: ignore[return-value]
    luma = _plane(frame, 0, np.uint8).astype(np.float32)
    rows, columns = _CHROMA_STEPS[name]
    blue, red = (_widened(_plane(frame, index, np.uint8), luma.shape, rows, columns) for index in (1, 2))
    return luma, blue, red


def _plane(frame: VideoFrame, index: int, dtype: Any) -> Array:
    plane = frame.planes[index]
    size = np.dtype(dtype).itemsize
    return np.frombuffer(bytes(plane), dtype).reshape(plane.height, plane.line_size // size)[:, : plane.width]


def _widened(plane: Array, shape: tuple[int, ...], rows: int, columns: int) -> Array:
    """Returns a colour plane at luma's size: samples lie on every second column, and between rows (H.273 type 0)."""
    import cv2

    height, width = shape
    if (rows, columns) == (1, 1):
        return plane.astype(np.float32)
    x, y = np.arange(width, dtype=np.float32) / columns, (np.arange(height, dtype=np.float32) + 0.5) / rows - 0.5
    column, row = np.meshgrid(x, y)
    values = np.ascontiguousarray(plane, np.float32)
    return cv2.remap(values, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _rgb_of(luma: Array, blue: Array, red: Array, weights: tuple[float, float], *, is_full: bool) -> Array:
    of_red, of_blue = weights
    of_green = 1 - of_red - of_blue
    y = luma if is_full else (luma - 16) * np.float32(255 / 219)
    scale = np.float32(1.0 if is_full else 255 / 224)
    b_less_y = (blue - 128) * (scale * np.float32(2 * (1 - of_blue)))
    r_less_y = (red - 128) * (scale * np.float32(2 * (1 - of_red)))
    g_less_y = -(np.float32(of_red) * r_less_y + np.float32(of_blue) * b_less_y) / np.float32(of_green)
    rgb = np.stack([y + r_less_y, y + g_less_y, y + b_less_y], axis=-1)
    return np.rint(np.clip(rgb, 0, 255)).astype(np.uint8)


__all__ = ["VideoFacts", "probe_video", "read_pictures"]
