"""A grid of clips that play side by side in time, each under its label, as one video."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from i2v3d.geometry.frames import Array, Resolution
from i2v3d.report.clip_frames import INK, PAPER, Clip, fitted, label_font, read_frames, wrapped
from i2v3d.stages.encode import Params, write_video

MAX_COLUMNS = 4
_ONE_ROW = 3
_MAX_WIDTH = 1920
_MAX_HEIGHT = 2160
_GAP = 8
_LABEL = 34
_FONT_PX = 18
_SMALLEST_CELL = 96
_CRF = 18


def grid_shape(count: int) -> tuple[int, int]:
    """Returns (rows, columns) for so many clips: nearly square, at most `MAX_COLUMNS` wide."""
    columns = count if count <= _ONE_ROW else min(MAX_COLUMNS, math.ceil(math.sqrt(count)))
    return math.ceil(count / columns), columns


def cell_size(clips: Sequence[Clip]) -> tuple[int, int]:
    """Returns (height, width) of a cell, both even: no larger than the clips, and the grid fits a 4k screen."""
    rows, columns = grid_shape(len(clips))
    aspect = max(clip.size.height / clip.size.width for clip in clips)
    width = min(max(clip.size.width for clip in clips), (_MAX_WIDTH - _GAP) // columns - _GAP)
    height = min(width * aspect, (_MAX_HEIGHT - _GAP) / rows - _GAP - _LABEL)
    width = max(_SMALLEST_CELL, min(width, round(height / aspect)))
    return 2 * round(width * aspect / 2), 2 * (width // 2)


def grid_frames(clips: Sequence[Clip]) -> Iterator[Array]:
    """Yields the grid's frames, uint8 sRGB of one even size, at the highest rate among the clips.

    A clip that has ended holds its last frame until the longest one ends.
    """
    fps = max(clip.fps for clip in clips)
    count = max(math.ceil(clip.duration_s * fps - 1e-6) for clip in clips)
    height, width = cell_size(clips)
    _, columns = grid_shape(len(clips))
    ground = _ground(clips, height, width)
    sources = [read_frames(clip, [clip.frame_at(index / fps) for index in range(count)]) for clip in clips]
    shown: list[Array | None] = [None] * len(clips)
    cells: list[Array] = [ground] * len(clips)
    for _ in range(count):
        frame = ground.copy()
        for number, source in enumerate(sources):
            pixels = next(source)
            if pixels is not shown[number]:  # a held frame is fitted once
                shown[number], cells[number] = pixels, fitted(pixels, height, width)
            top, left = _corner(number, columns, height, width)
            frame[top + _LABEL : top + _LABEL + height, left : left + width] = cells[number]
        yield frame


def write_grid(clips: Sequence[Clip], path: Path) -> None:
    """Writes the grid as a video like a build's own, but encoded quickly: it is for comparing, not for keeping."""
    width, height = _size(clips)
    params = Params(fps=max(clip.fps for clip in clips), crf=_CRF, preset="veryfast")
    write_video(path, enumerate(grid_frames(clips)), Resolution(width, height), params)


def _corner(number: int, columns: int, height: int, width: int) -> tuple[int, int]:
    """Returns (top, left) of a cell, its label included."""
    row, column = divmod(number, columns)
    return _GAP + row * (height + _LABEL + _GAP), _GAP + column * (width + _GAP)


def _size(clips: Sequence[Clip]) -> tuple[int, int]:
    """Returns (width, height) of the grid, both even."""
    height, width = cell_size(clips)
    rows, columns = grid_shape(len(clips))
    size = (_GAP + columns * (width + _GAP), _GAP + rows * (height + _LABEL + _GAP))
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def _ground(clips: Sequence[Clip], height: int, width: int) -> Array:
    """Returns the grid with its labels and no pictures."""
    from PIL import Image, ImageDraw

    _, columns = grid_shape(len(clips))
    picture = Image.new("RGB", _size(clips), PAPER)
    draw = ImageDraw.Draw(picture)
    font = label_font(_FONT_PX)
    for number, clip in enumerate(clips):
        top, left = _corner(number, columns, height, width)
        (line,) = wrapped(draw, clip.label.replace(", ", "  \u00b7  "), font, width, 1)
        draw.text((left + 2, top + _LABEL // 2), line, fill=INK, font=font, anchor="lm")
    return np.asarray(picture)
