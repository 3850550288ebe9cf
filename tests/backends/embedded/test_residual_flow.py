import cv2
import numpy as np
import pytest

from i2v3d.backends.embedded.residual_flow import meet_in_time
from tests.moving_clip import coffee


def shifted_pair(shift_px: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, and pictures of it moved by half of and by the whole shift."""
    photo = coffee().astype(np.float32)
    moved = [
        cv2.warpAffine(photo, np.float32([[1, 0, part * shift_px], [0, 1, 0]]), (600, 400), flags=cv2.INTER_CUBIC)
        for part in (0, 0.5, 1)
    ]
    window = (slice(100, 260), slice(150, 390))
    return moved[0][window], moved[1][window], moved[2][window]


def test_two_pictures_a_few_pixels_apart_meet_half_way():
    first, middle, last = shifted_pair(6.0)
    share = np.full(first.shape[:2], 0.5, np.float32)
    met = meet_in_time(first, last, share, np.ones(first.shape[:2], bool))
    inner = (slice(20, -20), slice(20, -20))
    mixed = np.abs((first + last) / 2 - middle)[inner].mean()
    error = np.abs(met - middle)[inner].mean()
    assert error < 0.5 * mixed, f"{error:.2f} against {mixed:.2f} for a plain mix"


def test_far_from_the_differing_pixels_it_is_the_plain_mix():
    first, _, last = shifted_pair(3.0)
    is_differing = np.zeros(first.shape[:2], bool)
    is_differing[40:60, 40:60] = True
    share = np.full(first.shape[:2], 0.3, np.float32)
    met = meet_in_time(first, last, share, is_differing)
    mixed = first + (last - first) * share[..., None]
    assert met[:, 130:] == pytest.approx(mixed[:, 130:], abs=1e-4)
