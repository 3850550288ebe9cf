import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v3d.geometry.motion import eased, object_motion, split_ease, value_at, world_from_object_at
from i2v3d.spec.resolved import EASINGS, MotionKey

REST = np.array([[1.0, 0, 0, 2], [0, 1, 0, 7], [0, 0, 1, 0], [0, 0, 0, 1]])
NUMBERS = st.floats(-5, 5)
VECTORS = st.tuples(NUMBERS, NUMBERS, NUMBERS)


def key(frame: float, **channels) -> MotionKey:
    empty = MotionKey(frame, None, None, None, None, None, "linear")
    return dataclasses.replace(empty, **channels)


@pytest.mark.parametrize("ease", [*EASINGS, "in", "out", "in_out"])
def test_every_easing_starts_at_nought_and_ends_at_one(ease):
    assert eased(0.0, ease) == 0.0
    assert eased(1.0, ease) == 1.0
    assert abs(eased(1e-9, ease)) < 2e-3  # an elastic curve of Penner's starts 1/1024 off
    if ease != "constant":
        assert abs(eased(1 - 1e-9, ease) - 1) < 2e-3


@pytest.mark.parametrize("curve", ["sine", "quad", "cubic", "quart", "expo", "back", "bounce", "elastic"])
def test_in_and_out_are_each_others_mirror(curve):
    for share in np.linspace(0.01, 0.99, 33):
        assert eased(share, f"out_{curve}") == pytest.approx(1 - eased(1 - share, f"in_{curve}"), abs=1e-12)
        assert eased(share, f"in_out_{curve}") == pytest.approx(1 - eased(1 - share, f"in_out_{curve}"), abs=1e-12)


def test_a_bare_way_means_the_sine_curve():
    assert split_ease("in_out") == ("in_out", "sine")
    assert eased(0.5, "in") == eased(0.5, "in_sine")


def test_an_unknown_easing_is_refused():
    with pytest.raises(ValueError, match="in_cubik"):
        split_ease("in_cubik")


@given(frames=st.lists(st.integers(0, 100), min_size=1, max_size=5, unique=True), data=st.data())
def test_interpolation_hits_every_key_exactly(frames, data):
    channel = [(float(f), data.draw(VECTORS), data.draw(st.sampled_from(EASINGS))) for f in sorted(frames)]
    for frame, values, _ in channel:
        assert value_at(channel, frame).tolist() == list(values)
    assert value_at(channel, -1).tolist() == list(channel[0][1])
    assert value_at(channel, 1000).tolist() == list(channel[-1][1])


def test_the_ease_of_a_key_shapes_the_interval_that_ends_there():
    motion = object_motion([key(0, move_m=(0.0, 0, 0), ease="in_bounce"), key(10, move_m=(1.0, 0, 0), ease="in_quad")])
    assert value_at(motion["move_m"], 5)[0] == pytest.approx(0.25)


def test_an_object_waits_at_rest_until_its_first_key_when_that_key_is_empty():
    motion = object_motion([key(12), key(60, move_m=(0.0, 0, 60.0))])
    assert value_at(motion["move_m"], 12)[2] == 0.0
    assert value_at(motion["move_m"], 36)[2] == pytest.approx(30.0)


def test_an_object_starts_from_rest_at_frame_zero_when_its_first_key_moves():
    motion = object_motion([key(10, move_m=(1.0, 0, 0))])
    assert value_at(motion["move_m"], 5)[0] == pytest.approx(0.5)


def test_a_channel_that_is_left_out_is_not_keyed_there():
    keys = [key(0, move_m=(0.0, 0, 0)), key(5, scale=(2.0, 2, 2)), key(10, move_m=(1.0, 0, 0))]
    motion = object_motion(keys)
    assert [k[0] for k in motion["move_m"]] == [0, 10]
    assert [k[0] for k in motion["scale"]] == [0, 5]


def test_a_turn_about_an_axis_may_pass_a_full_turn():
    motion = object_motion([key(10, axis=(0.0, 0, 2.0), angle_rad=4 * math.pi)])
    quarter = world_from_object_at(motion, 10 / 8 * 5, rest=REST, scale=1.0)  # 1.25 turns
    assert quarter[:3, 0] == pytest.approx([0, 1, 0], abs=1e-12)


def test_turns_about_two_axes_in_one_motion_are_refused():
    with pytest.raises(ValueError, match="several axes"):
        object_motion([key(1, axis=(1.0, 0, 0), angle_rad=1.0), key(2, axis=(0.0, 1, 0), angle_rad=1.0)])
    with pytest.raises(ValueError, match="several axes"):
        object_motion([key(1, axis=(1.0, 0, 0), angle_rad=1.0), key(2, rotate_rad=(0.0, 1, 0))])


def test_without_motion_the_object_is_exactly_where_it_rests():
    assert np.array_equal(world_from_object_at({}, 7, rest=REST, scale=1.0), REST)


@given(move=VECTORS, turn=VECTORS)
def test_the_pivot_follows_the_move_whatever_the_turn(move, turn):
    motion = object_motion([key(4, move_m=move, rotate_rad=turn)])
    pose = world_from_object_at(motion, 4, rest=REST, scale=3.0)
    assert pose[:3, 3] == pytest.approx(REST[:3, 3] + move)
    assert pose[:3, :3] @ pose[:3, :3].T == pytest.approx(9.0 * np.eye(3), abs=1e-9)


def test_scale_is_along_the_worlds_axes_at_rest():
    turned = REST.copy()
    turned[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    motion = object_motion([key(4, scale=(2.0, 1, 1))])
    pose = world_from_object_at(motion, 4, rest=turned, scale=1.0)
    assert np.linalg.norm(pose[:3, 1]) == pytest.approx(2.0)  # the object's own y lies along the world's x
    assert np.linalg.norm(pose[:3, 0]) == pytest.approx(1.0)


def test_what_is_scaled_is_turned_after_it():
    motion = object_motion([key(4, scale=(2.0, 1, 1), rotate_rad=(0.0, 0.0, math.pi / 2))])
    pose = world_from_object_at(motion, 4, rest=REST, scale=1.0)
    assert pose[:3, 0] == pytest.approx([0, 2, 0], abs=1e-12)
    assert pose[:3, 1] == pytest.approx([-1, 0, 0], abs=1e-12)
