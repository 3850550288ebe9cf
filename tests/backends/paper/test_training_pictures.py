"""Pictures as SDXL is shown them, and what it is told of their sizes and crops."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.backends.paper.training_pictures import plain_photo, plain_view
from i2v3d.diffusion.lora_loss import MicroConditioning
from i2v3d.errors import StageError
from tests.backends.paper.customization_task import cut_out, photo, task


def test_a_small_photo_is_learnt_as_it_is_with_its_place_in_the_whole():
    plain = plain_photo(task({}))
    assert np.array_equal(plain.pixels, photo())
    assert plain.micro == MicroConditioning(90, 160, 10, 20, 64, 128)
    assert plain.prompt == "a sks rocket on a launch pad"
    assert plain.is_learnt is None


def test_sides_are_cut_to_multiples_of_8_around_the_middle():
    plain = plain_photo(task({}, photo=photo(70, 134)))
    assert np.array_equal(plain.pixels, photo(70, 134)[3:67, 3:131])
    assert plain.micro == MicroConditioning(90, 160, 13, 23, 64, 128)


def test_a_large_photo_is_reduced_to_the_area_that_sdxl_knows():
    plain = plain_photo(
        task({}, photo=photo(1080, 1920), original_height=2160, original_width=1920, crop_top=540, crop_left=0)
    )
    height, width = plain.pixels.shape[:2]
    assert height % 8 == width % 8 == 0
    assert 0.97 * 1024**2 < height * width <= 1024**2
    assert width / height == pytest.approx(16 / 9, rel=0.02)
    # The crop counts in the reduced picture, the original size is that of the whole one.
    assert (plain.micro.original_height, plain.micro.original_width) == (2160, 1920)
    assert plain.micro.crop_top == pytest.approx(540 * 1024 / (1080 * 1920) ** 0.5, abs=8)


def test_a_mirrored_photo_was_cut_from_the_mirrored_whole():
    plain = plain_photo(task({}, photo=photo(70, 134)))
    mirrored = plain.mirrored()
    assert np.array_equal(mirrored.pixels, plain.pixels[:, ::-1])
    assert mirrored.micro.crop_left == 160 - 23 - 128
    assert mirrored.mirrored().micro == plain.micro
    assert np.array_equal(mirrored.mirrored().pixels, plain.pixels)


def test_a_view_stands_on_white_in_the_middle_and_counts_only_where_it_is():
    plain = plain_view(cut_out((200, 40, 30)), "rocket", 64, 128)
    assert plain.pixels.shape == (64, 128, 3)
    assert plain.prompt == "a rocket"
    assert plain.micro == MicroConditioning(96, 96, 0, 0, 64, 128)
    assert (plain.pixels[:, :32] == 255).all()
    assert (plain.pixels[:, 96:] == 255).all()
    assert np.array_equal(plain.pixels[32, 64], (200, 40, 30))
    rows, columns = np.nonzero(plain.is_learnt)
    assert (rows.min(), rows.max()) == pytest.approx((16, 47), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((32 + 21, 32 + 42), abs=1)
    assert np.array_equal(plain.mirrored().is_learnt, plain.is_learnt[:, ::-1])


def test_a_view_that_shows_nothing_is_left_out():
    assert plain_view(np.zeros((96, 96, 4), np.uint8), "rocket", 64, 128) is None


def test_a_photo_smaller_than_a_latent_is_told():
    with pytest.raises(StageError, match="128 x 6 pixels is too small"):
        plain_photo(task({}, photo=photo(6, 128)))
