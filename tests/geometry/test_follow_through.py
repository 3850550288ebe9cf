"""Soft follow-through against the damped spring that it says it is, and against its own bounds."""

import itertools

import numpy as np
import pytest

from i2v3d.geometry.follow_through import Softness, follow_through
from i2v3d.geometry.held_region import HeldRegion, fault, freedom, held_vertices

BOTTOM = HeldRegion("bottom")
POST = np.stack(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], np.linspace(0, 2, 21), indexing="ij"), -1).reshape(-1, 3)


def slide(frames, *, stop=12, way=2.0):
    """Poses of a body that slides along x and stops."""
    poses = np.tile(np.eye(4), (frames, 1, 1))
    share = np.clip(np.arange(frames) / stop, 0, 1)
    poses[:, 0, 3] = way * share * share * (3 - 2 * share)
    return poses


def off_by(poses, fps=24.0, **softness):
    soft = Softness(**({"amount": 0.5, "damping": 0.5, "region": BOTTOM} | softness))
    placed = follow_through(POST, poses, soft, fps)
    stiff = np.stack([POST @ pose[:3, :3].T + pose[:3, 3] for pose in poses])
    return placed - stiff


def test_a_body_that_rests_or_moves_on_evenly_keeps_its_shape():
    assert np.abs(off_by(np.tile(np.eye(4), (20, 1, 1)))).max() == 0
    even = np.tile(np.eye(4), (20, 1, 1))
    even[:, 0, 3] = 0.3 * np.arange(20)
    assert np.abs(off_by(even)).max() < 1e-9


def test_the_top_lags_at_the_start_overshoots_at_the_stop_and_settles_while_the_base_stays():
    off = off_by(slide(96))
    top, base = POST[:, 2] == 2, POST[:, 2] == 0
    assert np.abs(off[:, base]).max() == 0
    along = off[:, top, 0].mean(axis=1)
    assert along[:8].min() < -0.02, "it lags"
    assert along[10:20].max() > 0.02, "it overshoots"
    assert np.abs(along[-1]) < 2e-3, "it settles"
    assert along[:30].min() < along[30:].min(), "swings become smaller"


def test_a_softer_body_strays_further_and_a_stiff_one_hardly():
    most = [np.abs(off_by(slide(48), amount=amount)).max() for amount in (0.0, 0.5, 1.0)]
    assert most[0] < 0.05 < most[1] < most[2]


def test_no_motion_however_wild_strays_further_than_the_bound():
    wild = np.tile(np.eye(4), (40, 1, 1))
    wild[:, :3, 3] = np.random.default_rng(0).normal(0, 50, (40, 3))
    off = off_by(wild, amount=1.0, damping=0.0)
    assert np.isfinite(off).all()
    assert np.linalg.norm(off, axis=2).max() <= 0.45 * 2 + 1e-9


@pytest.mark.parametrize("size", [0.01, 100.0])
def test_size_and_rate_do_not_change_how_it_looks(size):
    soft = Softness(0.5, 0.5, BOTTOM)
    small = slide(49)
    small[:, :3, 3] *= size
    one = follow_through(POST, slide(49), soft, 24.0)
    np.testing.assert_allclose(follow_through(POST * size, small, soft, 24.0) / size, one, rtol=0, atol=1e-9)
    twice = follow_through(POST, slide(97, stop=24), soft, 48.0)[::2]
    assert np.abs(twice - one).max() < 0.05 * np.abs(one - POST).max()


def test_the_top_swings_with_the_frequency_and_the_decay_of_its_spring():
    poses = np.tile(np.eye(4), (240, 1, 1))
    poses[2:, 0, 3] = 0.01  # a knock
    along = off_by(poses, amount=1.0, damping=0.1, fps=48.0)[:, -1, 0]
    zero = np.flatnonzero(np.diff(np.sign(along[4:]))) + 4
    period = 2 * np.diff(zero).mean() / 48.0
    assert 1 / period == pytest.approx(1.3, rel=0.03)
    peaks = [np.abs(along[a:b]).max() for a, b in itertools.pairwise(zero)]
    ratio = np.mean(np.log(np.array(peaks[:-1]) / peaks[1:])) / np.pi
    assert ratio == pytest.approx(0.02 + 0.5 * 0.1, rel=0.15)


@pytest.mark.parametrize(
    ("side", "axis", "end"), [("left", 0, 0), ("right", 0, 1), ("front", 1, 0), ("back", 1, 1), ("top", 2, 1)]
)
def test_a_side_holds_what_is_at_that_side(side, axis, end):
    held = POST[held_vertices(POST, HeldRegion(side))]
    wanted = (POST[:, axis].min(), POST[:, axis].max())[end]
    assert len(held)
    assert (held[:, axis] == wanted).all()


def test_a_share_and_a_box_hold_what_is_in_them():
    assert POST[held_vertices(POST, HeldRegion("top", 0.25)), 2].min() == pytest.approx(1.5)
    box = HeldRegion(box_m=((0.4, -1, 0.95), (1, 1, 1.05)))
    assert POST[held_vertices(POST, box)].tolist() == [[0.5, -0.5, 1.0], [0.5, 0.5, 1.0]]
    assert freedom(POST, box).max() == 1


def test_a_region_without_vertices_or_with_all_of_them_is_told():
    assert "no vertex" in fault(POST, HeldRegion(box_m=((5, 5, 5), (6, 6, 6))))
    assert "[-0.5, -0.5, 0.0] to [0.5, 0.5, 2.0]" in fault(POST, HeldRegion(box_m=((5, 5, 5), (6, 6, 6))))
    assert "holds all" in fault(POST, HeldRegion("top", 1.0))
    assert "holds all" in fault(POST * (1, 0, 1), HeldRegion("front"))
    assert not fault(POST, HeldRegion())
    assert not fault(POST, BOTTOM)
