"""What Wan VACE is told: sizes it can take, pictures that stay, depth that fades."""

from itertools import pairwise

import numpy as np
import pytest

from i2v3d.backends.base import GuidedFrame
from i2v3d.backends.modern.vace_conditions import Grid, conditions, whole_groups, windows

GRID = Grid()


def frames(count, height=32, width=48, strength=1.0):
    draw = np.random.default_rng(0)
    nothing = np.zeros((height, width), bool)
    return [
        GuidedFrame(
            colour=draw.integers(0, 256, (height, width, 3), dtype=np.uint8),
            depth=draw.random((height, width), np.float32),
            is_foreground=nothing,
            is_visible=~nothing,
            strength=np.full((height, width), strength, np.float32),
        )
        for _ in range(count)
    ]


def between(clip, depth_scale=1.0):
    """Conditions with both ends kept."""
    kept = {0: clip[0].colour, len(clip) - 1: clip[-1].colour}
    return conditions(clip, kept, depth_scale=depth_scale, grid=GRID)


@pytest.mark.parametrize("count", range(2, 41))
def test_any_length_becomes_whole_groups_of_four_after_the_first(count):
    asked = between(frames(count, 16, 16))
    assert len(asked.video) == len(asked.mask) == whole_groups(count, GRID)
    assert len(asked.video) % 4 == 1
    assert count <= len(asked.video) < count + 4
    assert asked.token_scale.shape == ((len(asked.video) - 1) // 4 + 1,)


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47), (17, 16), (1, 100), (90, 160)])
def test_any_size_is_widened_to_multiples_of_sixteen_and_shows_the_picture_at_the_top_left(height, width):
    clip = frames(5, height, width)
    asked = between(clip)
    _, padded_height, padded_width, _ = asked.video.shape
    assert padded_height % 16 == padded_width % 16 == 0
    assert 0 <= padded_height - height < 16
    assert 0 <= padded_width - width < 16
    assert np.array_equal(np.rint(asked.video[0, :height, :width] * 255), clip[0].colour)
    assert asked.token_scale.size == 2 * padded_height * padded_width // 256


def test_only_the_ends_are_kept_and_the_last_one_fills_what_was_added():
    clip = frames(7)
    asked = between(clip)
    assert asked.mask[:, 0, 0, 0].tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 0]
    assert (asked.mask == asked.mask[:, :1, :1]).all()
    for index in (6, 7, 8):
        assert np.array_equal(np.rint(asked.video[index] * 255), clip[-1].colour)


def test_between_the_ends_stands_the_depth_with_near_as_white():
    clip = frames(5)
    asked = between(clip)
    assert asked.video.dtype == np.float32
    for channel in range(3):
        assert np.allclose(asked.video[2, ..., channel], clip[2].depth)
    assert (asked.token_scale == 1).all()


def test_a_strength_of_nothing_leaves_middle_grey_and_the_ends_as_they_are():
    clip = frames(5)
    asked = between(clip, depth_scale=0.0)
    assert (asked.video[1:4] == 0.5).all()
    assert np.array_equal(asked.video[[0, 4]], between(clip).video[[0, 4]])
    assert (asked.token_scale == 1).all()


def test_strength_fades_depth_where_it_is_given_and_nowhere_else():
    clip = frames(5)
    clip[2].strength[:, :24] = 0.25
    asked = between(clip)
    assert np.allclose(asked.video[2, :, :24, 0] - 0.5, 0.25 * (clip[2].depth[:, :24] - 0.5), atol=1e-6)
    assert np.allclose(asked.video[2, :, 24:, 0], clip[2].depth[:, 24:])
    assert np.allclose(asked.video[1, ..., 0], clip[1].depth)


def test_strength_above_one_scales_the_tokens_it_covers_but_not_the_kept_frames():
    clip = frames(6, 32, 48)
    for frame in clip:
        frame.strength[16:, 32:] = 2.0
    scale = between(clip).token_scale.reshape(3, 2, 3)
    assert (scale[0] == 1).all()  # the first keyframe, alone in its group
    assert scale[1, 1, 2] == 2  # four frames that are made
    assert scale[2, 1, 2] == 1  # the last keyframe and its repetitions
    scale[:, 1, 2] = 1
    assert (scale == 1).all()


def test_a_group_of_made_and_kept_frames_has_the_mean_of_their_scales():
    assert between(frames(4, 16, 16, strength=2.0)).token_scale.tolist() == [1.0, (2 + 2 + 1 + 1) / 4]


@pytest.mark.parametrize("count", [2, 16, 81, 82, 86, 157, 158, 400, 1001])
def test_calls_cover_an_interval_and_go_on_from_the_five_frames_before(count):
    ranges = windows(count)
    assert ranges[0].start == 0
    assert ranges[-1].stop == count
    assert max(map(len, ranges)) <= 81
    assert all(before.stop - after.start == 5 for before, after in pairwise(ranges))
    assert len(ranges) == (1 if count <= 81 else -(-(count - 5) // 76))
