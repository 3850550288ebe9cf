"""Depth conditions, ranges and strengths from a frame's passes."""

import math

import numpy as np
import pytest

from i2v3d.geometry.guidance_maps import depth_condition, depth_extent, rounded_extent, strength_map


def test_the_nearest_is_white_and_the_farthest_black():
    depth_m = np.array([[2.0, 4.0], [8.0, math.inf]], np.float32)
    condition = depth_condition(depth_m, 2.0, 8.0)
    assert condition == pytest.approx(np.array([[1.0, 1 / 3], [0.0, 0.0]]), abs=1e-6)


def test_an_open_view_goes_to_black_at_infinity():
    depth_m = np.array([[1.0, 2.0, math.inf]], np.float32)
    assert depth_extent(depth_m) == (1.0, math.inf)
    assert depth_condition(depth_m, *rounded_extent(1.0, math.inf)) == pytest.approx(np.array([[1.0, 0.5, 0.0]]))


def test_everything_at_one_depth_is_near():
    assert depth_condition(np.full((2, 2), 3.0, np.float32), 3.0, 3.0).min() == 1.0


def test_a_strip_of_ground_at_the_edge_does_not_take_the_range():
    depth_m = np.full((100, 100), 240.0, np.float32)
    depth_m[40:60, 40:60] = 220.0
    depth_m[:10] = math.inf
    depth_m[99:] = 20.0
    assert depth_extent(depth_m) == (220.0, math.inf)
    depth_m[:10] = 240.0
    near, far = rounded_extent(*depth_extent(depth_m))
    thing, wall, ground = depth_condition(depth_m, near, far)[[50, 5, 99], 50]
    assert ground == 1.0
    assert thing - wall > 0.6


@pytest.mark.parametrize("factor", [0.99, 1.0, 1.01])
def test_a_small_edit_leaves_the_range_alone_and_the_range_holds_all(factor):
    near, far = rounded_extent(1.05 * factor, 33.0 * factor)
    assert (near, far) == rounded_extent(1.05, 33.0)
    assert near <= 1.05 * factor and far >= 33.0 * factor


def test_strength_follows_the_object_that_a_pixel_shows():
    ids = np.array([[0, 1, 2, 3, 9]], np.uint8)
    assert strength_map(ids, (0.5, 0.5, 1.0, 0.25)).tolist() == [[0.5, 0.5, 1.0, 0.25, 0.5]]
