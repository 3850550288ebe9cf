"""Cosines of embeddings with known directions."""

import numpy as np

from i2v3d.metrics.likeness import likeness_of_neighbours, likeness_to

QUARTER_TURN = np.float32([[1, 0], [0, 1], [-1, 0], [-1, 0]])


def test_neighbours_are_compared_in_time_order():
    np.testing.assert_allclose(likeness_of_neighbours(QUARTER_TURN), [0, 0, 1], atol=1e-15)


def test_one_picture_has_no_neighbours():
    assert likeness_of_neighbours(QUARTER_TURN[:1]).shape == (0,)


def test_the_length_of_an_embedding_says_nothing():
    np.testing.assert_allclose(likeness_to(np.float32([5, 0]), 3 * QUARTER_TURN), [1, 0, -1, -1], atol=1e-15)


def test_equal_pictures_are_never_liker_than_one():
    vector = np.random.default_rng(0).normal(size=(1, 768)).astype(np.float32)
    assert likeness_to(vector[0], vector)[0] <= 1.0
