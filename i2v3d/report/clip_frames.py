"""Frames of finished videos by time, and their fitting into cells of one size with a label."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Array, Resolution

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

PAPER = (18, 20, 24)
INK = (236, 238, 242)
FAINT_INK = (150, 156, 168)
EMPTY = (34, 37, 44)
_TIME_SLACK_S = 1e-6


@dataclass(frozen=True)
class Clip:
    """A finished video with the label it is shown under. fps and frame_count: as the file has them."""

    label: str
    path: Path
    size: Resolution
    fps: float
    frame_count: int

    @property
    def duration_s(self) -> float:
        """Until the end of the last frame."""
        return self.frame_count / self.fps

    def frame_at(self, time_s: float) -> int:
        """Returns the frame shown at a time; the last one from then on."""
        return min(int((time_s + _TIME_SLACK_S) * self.fps), self.frame_count - 1)


def open_clip(label: str, path: Path) -> Clip:
    """Returns what is known of a video.

    Raises:
        ArtifactError: It can't be read, or holds no frame.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            size = Resolution(width=stream.codec_context.width, height=stream.codec_context.height)
            count = stream.frames or sum(1 for _ in container.decode(stream))
            rate = stream.average_rate
    except (OSError, ValueError, IndexError) as error:  # of broken data, av raises ValueErrors
        raise ArtifactError(f"{path.name}: can't be read as a video: {error}") from error
    if not count or not rate:
        raise ArtifactError(f"{path.name}: the video holds no frame")
    return Clip(label, path, size, float(rate), count)


def read_frames(clip: Clip, wanted: Sequence[int]) -> Iterator[Array]:
    """Yields frames by number, uint8 sRGB (height, width, 3); numbers rise or repeat.

    Raises:
        ArtifactError: The file ends before one of them.
    """
    import av

    position = 0
    with av.open(str(clip.path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            count = bisect.bisect_right(wanted, number, lo=position) - position
            if count:
                pixels = frame.to_ndarray(format="rgb24")
                for _ in range(count):
                    yield pixels
                position += count
            if position == len(wanted):
                return
    raise ArtifactError(f"{clip.path.name}: the video ends before frame {wanted[position]}")


def fitted(pixels: Array, height: int, width: int) -> Array:
    """Returns the picture scaled into (height, width), its proportions kept, the rest filled evenly."""
    from PIL import Image

    own_height, own_width = pixels.shape[:2]
    scale = min(height / own_height, width / own_width)
    size = (max(1, round(own_width * scale)), max(1, round(own_height * scale)))
    cell = np.full((height, width, 3), EMPTY, np.uint8)
    picture = Image.fromarray(pixels)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = np.asarray(picture)
    return cell


def label_font(size_px: int) -> FreeTypeFont | ImageFont:
    """Returns the font of labels: the one that Pillow brings, so that every machine draws the same."""
    from PIL import ImageFont

    return ImageFont.load_default(size=size_px)


def wrapped(draw: ImageDraw, text: str, font: FreeTypeFont | ImageFont, width: int, max_lines: int) -> list[str]:
    """Returns a label in lines no wider than `width`; what does not fit into `max_lines` ends in dots."""
    lines: list[str] = []
    for part in text.split(", "):  # one field a line
        line = ""
        for word in part.split():
            longer = f"{line} {word}".strip()
            if line and draw.textlength(longer, font=font) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], f"{lines[max_lines - 1]} ..."]
    return [_cut(draw, line, font, width) for line in lines]


def _cut(draw: ImageDraw, line: str, font: FreeTypeFont | ImageFont, width: int) -> str:
    if draw.textlength(line, font=font) <= width:
        return line
    while line and draw.textlength(f"{line}...", font=font) > width:
        line = line[:-1]
    return f"{line}..."
