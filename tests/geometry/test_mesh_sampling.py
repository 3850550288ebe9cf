"""Which step of a mesh a frame shows."""

import numpy as np
import pytest

from i2v3d.geometry.mesh_sampling import sampled

PLACES = np.array([[[0.0, 0, 0]], [[1, 0, 0]], [[2, 5, 0]], [[8, 0, 0]]], np.float32)


def shown(frame_count=8, **changes):
    options = {"numbers": (), "steps_per_frame": 1.0, "start": 0.0, "is_looped": False}
    return sampled(PLACES, **(options | changes), frame_count=frame_count)[:, 0, 0].tolist()


def test_a_step_a_frame_gives_exactly_the_steps_and_holds_the_last():
    assert shown(6) == [0, 1, 2, 8, 8, 8]


def test_the_first_is_held_until_the_start_and_vertices_go_straight_between_steps():
    assert shown(6, start=2.0, steps_per_frame=0.5) == [0, 0, 0, 0.5, 1, 1.5]


def test_a_loop_goes_from_the_last_one_back_to_the_first_in_a_step():
    assert shown(9, is_looped=True, steps_per_frame=0.5) == [0, 0.5, 1, 1.5, 2, 5, 8, 4, 0]


def test_missing_numbers_keep_their_time():
    assert shown(8, numbers=(0, 1, 3, 6)) == pytest.approx([0, 1, 1.5, 2, 4, 6, 8, 8])


def test_odd_rates_hit_whole_steps_exactly():
    rate = 24 / 23.976
    places = np.arange(3000, dtype=np.float64).reshape(-1, 1, 1)
    found = sampled(places, (), steps_per_frame=1 / rate * rate, start=0.0, is_looped=False, frame_count=2000)
    np.testing.assert_array_equal(found[:, 0, 0], np.arange(2000))
