import numpy as np
import pytest

from i2v3d.geometry.pass_colours import depth_palette, flow_colours, id_palette, object_colour, rounded_up


def test_every_object_has_its_colour_and_the_background_none():
    palette = id_palette()
    assert palette[:2].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert [tuple(colour) for colour in palette[2:8]] == [object_colour(index) for index in range(6)]
    assert len({tuple(colour) for colour in palette[2:12]}) == 10


def test_what_is_nearer_is_brighter_all_along_the_ramp():
    luminance = depth_palette() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -0.6).all(), "but for the rounding of a step"
    assert luminance[-1] > 230
    assert luminance[0] < 20


def test_flow_is_black_where_nothing_moves_and_full_at_the_longest_way():
    flow = np.zeros((1, 4, 2), np.float32)
    flow[0, 1:] = [(8, 0), (2, 0), (80, 0)]
    still, longest, quarter, longer = flow_colours(flow, 8.0)[0].astype(int)
    assert not still.any()
    assert longest.max() == 255
    assert quarter.max() == pytest.approx(255 * 0.25**0.4, abs=1)
    assert (longer == longest).all()


def test_opposite_ways_have_opposite_colours():
    right, left = flow_colours(np.array([[[5, 0], [-5, 0]]], np.float32), 5.0)[0].astype(int)
    assert np.abs(right + left - 255).max() <= 1


def test_flow_of_a_still_clip_is_black():
    assert not flow_colours(np.zeros((2, 2, 2), np.float32), 0.0).any()


@pytest.mark.parametrize(("value", "step"), [(0, 0), (1, 1), (1.01, 2**0.5), (3, 4), (0.9, 1)])
def test_a_scale_goes_up_to_the_next_half_octave(value, step):
    assert rounded_up(value) == pytest.approx(step)
