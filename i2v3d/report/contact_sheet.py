"""A contact sheet: a row for each clip, a column for each of some times, as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.report.clip_frames import FAINT_INK, INK, PAPER, Clip, fitted, label_font, read_frames, wrapped

_COLUMNS = 6
_CELL_WIDTH = 256
_LABEL_WIDTH = 208
_GAP = 10
_HEADER = 30
_FONT_PX = 17
_SMALL_FONT_PX = 14
_LINE = 23


def contact_sheet(clips: Sequence[Clip], columns: int = _COLUMNS) -> Array:
    """Returns the sheet, uint8 sRGB (height, width, 3).

    Columns are even in time over the longest clip, first and last frame included; a clip that has ended
    shows its last frame.
    """
    from PIL import Image, ImageDraw

    # The last column is the start of the last frame, so that it is another time than the end.
    last_s = max(clip.duration_s - 1 / clip.fps for clip in clips)
    columns = min(columns, max(clip.frame_count for clip in clips))
    times_s = np.linspace(0.0, last_s, columns)
    height = round(_CELL_WIDTH * max(clip.size.height / clip.size.width for clip in clips))
    height = max(min(height, 2 * _CELL_WIDTH), 4 * _LINE)
    left = _LABEL_WIDTH + 2 * _GAP
    sheet = np.empty((_HEADER + len(clips) * (height + _GAP), left + columns * (_CELL_WIDTH + _GAP), 3), np.uint8)
    sheet[:] = PAPER
    for row, clip in enumerate(clips):
        frames = read_frames(clip, [clip.frame_at(time_s) for time_s in times_s])
        for column, pixels in enumerate(frames):
            top, start = _HEADER + row * (height + _GAP), left + column * (_CELL_WIDTH + _GAP)
            sheet[top : top + height, start : start + _CELL_WIDTH] = fitted(pixels, height, _CELL_WIDTH)
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    font, small = label_font(_FONT_PX), label_font(_SMALL_FONT_PX)
    for column, time_s in enumerate(times_s):
        middle = left + column * (_CELL_WIDTH + _GAP) + _CELL_WIDTH // 2
        draw.text((middle, _HEADER // 2), f"{time_s:.2f} s", fill=FAINT_INK, font=small, anchor="mm")
    for row, clip in enumerate(clips):
        lines = wrapped(draw, clip.label, font, _LABEL_WIDTH, (height - _LINE) // _LINE)
        facts = f"{clip.size.width}x{clip.size.height}, {clip.duration_s:.3g} s"
        top = _HEADER + row * (height + _GAP) + (height - _LINE * (len(lines) + 1)) // 2
        for number, line in enumerate([*lines, facts]):
            is_fact = number == len(lines)
            place = (2 * _GAP, top + number * _LINE)
            draw.text(place, line, fill=FAINT_INK if is_fact else INK, font=small if is_fact else font)
    return np.asarray(picture)
