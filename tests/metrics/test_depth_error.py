"""Errors of depths that are known up to a factor and an offset."""

import numpy as np
import pytest

from i2v3d.metrics.depth_error import aligned_rmse, inverse_depth

RNG = np.random.default_rng(3)
REFERENCE = RNG.random((40, 60)).astype(np.float32)


def test_a_depth_is_itself_without_error():
    assert aligned_rmse(REFERENCE, REFERENCE) == 0


@pytest.mark.parametrize(("factor", "offset"), [(1.0, 5.0), (0.01, 0.0), (300.0, -40.0)])
def test_a_factor_and_an_offset_are_no_error(factor, offset):
    scaled = factor * REFERENCE.astype(np.float64) + offset
    assert aligned_rmse(scaled, REFERENCE) < 1e-9
    assert aligned_rmse(REFERENCE, scaled) < 1e-9


def test_the_error_is_that_of_a_fitted_line():
    estimate = RNG.random((40, 60)) + 2 * REFERENCE
    wanted = (REFERENCE.astype(np.float64) - REFERENCE.min()) / np.ptp(REFERENCE.astype(np.float64))
    line = np.polyfit(estimate.ravel(), wanted.ravel(), 1)
    expected = np.sqrt(np.mean((np.polyval(line, estimate) - wanted) ** 2))
    assert aligned_rmse(estimate, REFERENCE) == pytest.approx(expected, rel=1e-9)
    assert 0.05 < expected < 0.2


def test_noise_of_a_known_size_is_found():
    noise = 0.02 * RNG.normal(size=(400, 600))
    plane = np.linspace(0, 1, 600)[None].repeat(400, axis=0)
    # The fitted factor takes the share of the noise's own variance away.
    assert aligned_rmse(plane + noise, plane) == pytest.approx(0.02, rel=0.02)


def test_a_depth_that_is_inside_out_counts_like_one_that_says_nothing():
    says_nothing = aligned_rmse(np.ones_like(REFERENCE), REFERENCE)
    assert aligned_rmse(-REFERENCE, REFERENCE) == says_nothing
    assert says_nothing == pytest.approx(REFERENCE.std() / np.ptp(REFERENCE), rel=1e-4)


def test_nothing_can_be_wrong_about_a_depth_that_is_the_same_everywhere():
    assert aligned_rmse(REFERENCE, np.full_like(REFERENCE, 7)) == 0


def test_nothing_in_sight_is_infinitely_far():
    assert inverse_depth(np.float32([[2, np.inf]])).tolist() == [[0.5, 0]]
