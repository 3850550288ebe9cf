import numpy as np
import pytest

from i2v3d.metrics import similarity
from tests.moving_clip import coffee


@pytest.fixture(scope="module")
def pair():
    photo = coffee()[40:300, 50:410]
    noise = np.random.default_rng(0).normal(0, 9, photo.shape)
    return photo, np.clip(photo * 0.93 + noise, 0, 255).astype(np.uint8)


def test_ssim_agrees_with_scikit_image(pair):
    metrics = pytest.importorskip("skimage.metrics")
    first, second = (similarity.luma_of(picture) for picture in pair)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = metrics.structural_similarity(first.astype(float), second.astype(float), **options)
    found = similarity.ssim(first, second)
    assert abs(found - expected) < 1e-4, f"{found} against {expected}"
    assert found < 0.9


def test_equal_pictures_are_alike_in_full(pair):
    luma = similarity.luma_of(pair[0])
    assert similarity.ssim(luma, luma) == pytest.approx(1.0, abs=1e-6)
    assert similarity.squared_errors(pair[0], pair[0]).max() == 0
    assert similarity.psnr_db(0.0) == similarity.PSNR_LIMIT_DB


def test_a_step_of_known_size_has_the_psnr_of_the_formula(pair):
    dark = np.minimum(pair[0], 245)
    error = float(similarity.squared_errors(dark, dark + 10).mean())
    assert error == pytest.approx(100)
    assert similarity.psnr_db(error) == pytest.approx(10 * np.log10(255**2 / 100))


def test_only_counted_pixels_enter_the_ssim(pair):
    luma = similarity.luma_of(pair[0])
    broken = luma.copy()
    broken[:, :100] = 0
    is_counted = np.zeros(luma.shape, bool)
    is_counted[:, 120:] = True
    assert similarity.ssim(luma, broken) < 0.8
    assert similarity.ssim(luma, broken, is_counted) == pytest.approx(1.0, abs=1e-6)


def test_the_weights_of_luma_are_those_of_the_standard():
    pure = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    assert similarity.luma_of(pure)[0] == pytest.approx([76.245, 149.685, 29.07])
