from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.embedded.warping import (
    continue_smoothly,
    motion_of,
    pixel_grid,
    resting_track,
    spread,
    step_ahead,
    step_back,
    stretch_of,
)
from tests.moving_clip import MovingClip


def chain_back(clip: MovingClip):
    motions = [motion_of(frame.passes) for frame in clip.frames()]
    track = resting_track(motions[0].ids.shape)
    for before, current in pairwise(motions):
        track = step_back(before, current, track)
    return track


def test_a_chain_of_flows_finds_where_the_plane_was():
    clip = MovingClip(end_px=900, square_px=None, zoom=1.01)
    track = chain_back(clip)
    grid = pixel_grid(track.is_visible.shape).astype(np.float64)
    u, v = clip._plane_from_frame(clip.steps, grid[..., 0], grid[..., 1])
    truth = np.stack(clip._frame_from_plane(0, u, v), axis=-1)
    error = np.abs(track.at_px - truth)[track.is_visible]
    assert error.max() < 0.2, f"{error.max():.4f} px after {clip.steps} steps"
    assert error.mean() < 0.002, f"{error.mean():.4f} px after {clip.steps} steps"
    assert track.is_visible[:, : clip.width - 40].all()


def test_the_chain_ahead_is_the_chain_back_of_the_clip_reversed():
    clip = MovingClip(end_px=900)
    motions = [motion_of(frame.passes) for frame in clip.frames()]
    track = resting_track(motions[0].ids.shape)
    for current, following in zip(motions[-2::-1], motions[:0:-1], strict=True):
        track = step_ahead(following, current, track)
    shift = (track.at_px - pixel_grid(track.is_visible.shape))[track.is_visible & (clip.frame(0).passes.ids == 2)]
    assert np.abs(shift - np.array(clip.square_slide_px) * clip.steps).max() < 1e-3


def test_what_the_square_uncovers_is_not_visible():
    clip = MovingClip(end_px=900, slide_px=(0.0, 0.0))
    track = chain_back(clip)
    ids = [clip.frame(index).passes.ids for index in (0, clip.steps)]
    is_uncovered = (ids[0] == 2) & (ids[1] == 1)
    assert not track.is_visible[is_uncovered].any()
    is_still = (ids[0] == 1) & (ids[1] == 1)
    assert track.is_visible[is_still].mean() > 0.99


@pytest.mark.parametrize("change", ["depth_m", "ids"])
def test_another_surface_at_the_same_place_is_not_visible(change):
    shape = (40, 60)
    still = np.zeros((*shape, 2), np.float32)
    here = FramePasses(
        np.full(shape, 5, np.float32), np.ones(shape, np.uint8), still[..., 0] == 0, still, still, True, True
    )
    other = {"depth_m": np.full(shape, 4, np.float32), "ids": np.full(shape, 2, np.uint8)}[change]
    is_left = np.arange(60)[None, :] < 30
    before = replace(here, **{change: np.where(is_left, other, getattr(here, change)).astype(other.dtype)})
    track = step_back(motion_of(before), motion_of(here), resting_track(shape))
    assert not track.is_visible[:, :28].any()
    assert track.is_visible[:, 32:].all()


def test_motion_goes_on_where_nothing_was_drawn():
    clip = MovingClip(end_px=330, zoom=1.01, slide_px=(4.0, 0.5))
    frame, whole = clip.frame(4).passes, MovingClip(end_px=900, zoom=1.01, slide_px=(4.0, 0.5)).frame(4).passes
    motion = motion_of(frame)
    error = np.abs(motion.backward_px - whole.flow_backward_px)[frame.ids == 0].max()
    assert (frame.ids == 0).mean() > 0.05
    assert error < 0.05, f"{error:.3f} px"
    assert (motion.ids > 0).all()


def test_a_zoom_stretches_both_ways_alike():
    clip = MovingClip(end_px=900, square_px=None, zoom=1.03, steps=10)
    large, small = stretch_of(chain_back(clip))
    middle = (slice(40, -40), slice(40, -40))
    assert large[middle] == pytest.approx(1.03**10, rel=0.02)
    assert small[middle] == pytest.approx(1.03**10, rel=0.02)


def test_spread_keeps_known_values_and_invents_none_outside_their_range():
    random = np.random.default_rng(1)
    field = random.uniform(3, 5, (37, 53, 5)).astype(np.float32)
    is_known = random.random((37, 53)) < 0.1
    whole = spread(field, is_known)
    assert np.array_equal(whole[is_known], field[is_known])
    assert whole.min() >= 3 - 1e-3
    assert whole.max() <= 5 + 1e-3


def test_continuing_a_plane_gives_the_plane():
    grid = pixel_grid((40, 60))
    field = np.stack([2 + 0.5 * grid[..., 0], 1 - 0.25 * grid[..., 1]], axis=-1)
    is_source = grid[..., 0] < 30
    assert continue_smoothly(field, is_source, ~is_source) == pytest.approx(field, abs=1e-3)
