"""Sizes that a model can't take are padded, and cut back."""

import numpy as np
import pytest

from i2v3d.backends.base import GuidedFrame
from i2v3d.backends.paper.padding import Padding


@pytest.mark.parametrize(("height", "width"), [(108, 192), (576, 1024), (65, 64), (1, 130)])
def test_a_padded_picture_is_of_whole_tiles_and_is_cut_back_unchanged(height, width):
    padding = Padding(height, width)
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    padded = padding.pad(picture)
    assert padded.shape == (padding.padded_height, padding.padded_width, 3)
    assert not padding.padded_height % 64 and not padding.padded_width % 64
    assert np.array_equal(padding.crop(padded), picture)


def test_a_size_that_fits_is_left_alone():
    depth = np.zeros((64, 128), np.float32)
    assert Padding(64, 128).pad(depth) is depth


def test_every_channel_of_a_frame_is_padded_in_the_same_way():
    pattern = np.random.default_rng(1).random((20, 30)) > 0.5
    frame = GuidedFrame(
        colour=np.repeat(pattern[..., None], 3, axis=2).astype(np.uint8),
        depth=pattern.astype(np.float32),
        is_foreground=pattern,
        is_visible=pattern,
        strength=pattern.astype(np.float32),
    )
    padded = Padding(20, 30).pad_frame(frame)
    for channel in (padded.colour[..., 0], padded.depth, padded.is_visible, padded.strength):
        assert np.array_equal(channel.astype(bool), padded.is_foreground)
