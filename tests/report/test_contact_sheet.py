"""Contact sheets and grid videos of small clips of known colours."""

import hashlib

import numpy as np
import pytest

from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Resolution
from i2v3d.report.clip_frames import EMPTY, open_clip, read_frames
from i2v3d.report.contact_sheet import contact_sheet
from i2v3d.report.grid_video import cell_size, grid_frames, grid_shape, write_grid
from i2v3d.stages.encode import Params, write_video

COLOURS = [(200, 40, 40), (40, 180, 60), (50, 70, 210), (220, 200, 40)]


@pytest.fixture
def clip(tmp_path):
    def make(label, colours, *, width=64, height=48, fps=24.0):
        path = tmp_path / f"{label.replace(' ', '_')}.mp4"
        frames = enumerate(np.full((height, width, 3), colour, np.uint8) for colour in colours)
        write_video(path, frames, Resolution(width, height), Params(fps=fps))
        return open_clip(label, path)

    return make


def is_near(pixel, colour):
    return np.abs(np.asarray(pixel, int) - colour).max() <= 4


def test_frames_are_read_by_number_with_their_colours(clip):
    made = clip("a", COLOURS)
    assert (made.frame_count, made.fps, made.duration_s) == (4, 24.0, 4 / 24)
    frames = list(read_frames(made, [0, 2, 2, 3]))
    assert [is_near(frame[20, 30], COLOURS[index]) for frame, index in zip(frames, (0, 2, 2, 3), strict=True)] == [
        True
    ] * 4
    with pytest.raises(ArtifactError, match="ends before frame 4"):
        list(read_frames(made, [4]))


def test_what_is_no_video_is_an_error_of_its_own(tmp_path):
    (tmp_path / "x.mp4").write_bytes(b"no video")
    with pytest.raises(ArtifactError, match=r"x\.mp4"):
        open_clip("x", tmp_path / "x.mp4")


def test_a_sheet_has_a_row_a_clip_and_columns_from_the_first_to_the_last_frame(clip):
    sheet = contact_sheet([clip("long one", COLOURS), clip("short", COLOURS[:2])])
    # 4 frames: 4 columns, each at one frame of the longest; the short clip holds its last.
    assert sheet.shape == (30 + 2 * (192 + 10), 228 + 4 * 266, 3)
    for row, shown in enumerate(([0, 1, 2, 3], [0, 1, 1, 1])):
        for column, index in enumerate(shown):
            pixel = sheet[30 + row * 202 + 100, 228 + column * 266 + 128]
            assert is_near(pixel, COLOURS[index]), (row, column, pixel)


def test_labels_are_drawn_beside_the_rows(clip):
    one, other = (contact_sheet([clip(label, COLOURS)]) for label in ("strength 1", "strength 2"))
    assert (one != other).any()
    assert ((one != other).any(axis=2).nonzero()[1] < 228).all()


def test_a_sheet_of_one_frame_has_one_column(clip):
    assert contact_sheet([clip("still", COLOURS[:1])]).shape[1] == 228 + 266


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (6, (2, 3)), (9, (3, 3)), (40, (10, 4))]
)
def test_a_grid_is_nearly_square_and_at_most_four_wide(count, shape):
    assert grid_shape(count) == shape


def test_a_grid_plays_in_time_and_a_clip_that_has_ended_holds_its_last_frame(clip):
    clips = [clip("fast", COLOURS, fps=24.0), clip("slow", COLOURS[:3], fps=12.0), clip("wide", COLOURS[:1], width=128)]
    frames = list(grid_frames(clips))
    assert len(frames) == 6  # 3 frames at 12 fps, shown at 24
    height, width = cell_size(clips)
    assert height % 2 == width % 2 == frames[0].shape[0] % 2 == frames[0].shape[1] % 2 == 0
    for index, frame in enumerate(frames):
        first, second = frame[42 + height // 2, 8 + width // 2], frame[42 + height // 2, 16 + width + width // 2]
        assert is_near(first, COLOURS[min(index, 3)])
        assert is_near(second, COLOURS[index // 2])
        assert is_near(frame[42 + height // 2, 8 + 2 * (width + 8) + width // 2], COLOURS[0])


def test_clips_of_another_shape_are_fitted_whole(clip):
    clips = [clip("tall", COLOURS[:1], width=48, height=64), clip("wide", COLOURS[:1], width=96, height=48)]
    (frame,) = grid_frames(clips)
    height, width = cell_size(clips)
    left = 16 + width
    assert is_near(frame[42 + 1, left + width // 2], EMPTY)  # above the wide one
    assert is_near(frame[42 + height // 2, left + 1], COLOURS[0])


def test_many_large_clips_still_fit_a_screen(clip):
    clips = [clip("large", COLOURS[:1], width=1024, height=576)] * 16
    (frame,) = grid_frames(clips)
    assert frame.shape[1] <= 1920
    assert frame.shape[0] <= 2160


def test_a_grid_video_is_the_same_every_time(clip, tmp_path):
    clips = [clip("a", COLOURS), clip("b", COLOURS[::-1])]
    digests = set()
    for name in ("one.mp4", "two.mp4"):
        write_grid(clips, tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    made = open_clip("grid", tmp_path / "one.mp4")
    assert (made.frame_count, made.fps) == (4, 24.0)
