"""Overlapping windows cover a clip."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v3d.diffusion.windows import overlapping_windows


@st.composite
def clips(draw):
    size = draw(st.integers(1, 12))
    return draw(st.integers(1, 80)), size, draw(st.integers(0, size - 1))


@given(clips())
def test_windows_cover_every_frame_in_order(clip):
    frames, size, overlap = clip
    windows = overlapping_windows(frames, size=size, overlap=overlap)
    assert {frame for window in windows for frame in window} == set(range(frames))
    assert windows[0].start == 0
    assert windows[-1].stop == frames


@given(clips())
def test_neighbours_share_exactly_the_overlap_and_each_brings_something_new(clip):
    frames, size, overlap = clip
    windows = overlapping_windows(frames, size=size, overlap=overlap)
    for before, after in pairwise(windows):
        assert before.stop - after.start == overlap
        assert after.stop > before.stop
    assert all(len(window) == size for window in windows[:-1])


def test_the_last_window_is_dropped_when_it_holds_only_the_overlap():
    assert overlapping_windows(4, size=4, overlap=1) == (range(4),)
    assert overlapping_windows(5, size=4, overlap=1) == (range(4), range(3, 5))
    assert overlapping_windows(1, size=4, overlap=1) == (range(1),)


@pytest.mark.parametrize(("frames", "size", "overlap"), [(0, 4, 1), (4, 0, 0), (4, 4, 4), (4, 4, -1)])
def test_impossible_windows_are_refused(frames, size, overlap):
    with pytest.raises(ValueError, match="no windows"):
        overlapping_windows(frames, size=size, overlap=overlap)
