"""Masks follow the latent's size to every grid of a model."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.masks import FrameMask, token_grid


@pytest.mark.parametrize("latent", [(16, 32), (72, 128), (9, 7), (18, 33)])
def test_a_token_grid_follows_from_the_latent_size(latent):
    height, width = latent
    for _ in range(3):
        assert token_grid(height * width, latent) == (height, width)
        height, width = -(-height // 2), -(-width // 2)


def test_a_number_of_tokens_that_no_level_has_is_refused():
    with pytest.raises(ValueError, match="no level of 100 tokens"):
        token_grid(100, (16, 32))


def test_a_mask_is_resized_to_its_nearest_pixel():
    is_set = torch.zeros(1, 16, 16, dtype=torch.bool)
    is_set[0, 8, 0] = True
    assert FrameMask(is_set).at(2, 2).tolist() == [[[False, False], [True, False]]]
    assert FrameMask(is_set).tokens(4, (4, 4)).tolist() == [[False, False, True, False]]


def test_windows_and_reversal_pick_frames():
    is_set = torch.eye(3, dtype=torch.bool)[:, None]
    mask = FrameMask(is_set)
    assert torch.equal(mask.window(range(1, 3)).is_set, is_set[1:])
    assert torch.equal(mask.reversed_in_time().is_set, is_set.flip(0))
    assert (mask.frames, mask.is_everywhere, FrameMask.everywhere(2).is_everywhere) == (3, False, True)


def test_anything_but_boolean_frames_is_refused():
    with pytest.raises(ValueError, match="bool"):
        FrameMask(torch.zeros(1, 2, 2))


def test_a_changing_mask_changes_at_every_size_that_was_asked_for():
    mask = FrameMask.changing(torch.zeros(1, 4, 4, dtype=torch.bool))
    small, large = mask.at(2, 2), mask.at(4, 4)
    mask.assign(torch.ones(1, 4, 4, dtype=torch.bool))
    assert small.all() and large.all()
    assert not mask.is_everywhere
