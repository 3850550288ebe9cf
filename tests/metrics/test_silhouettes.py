"""Outlines on real photos: the astronaut's head and shoulders are put before the coffee picture, and moved."""

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from i2v3d.metrics import silhouettes
from tests.moving_clip import PHOTO, coffee

HEIGHT, WIDTH = 576, 640
BAND_PX = round(HEIGHT * silhouettes.BAND_SHARE)
SHIFT_TOLERANCE = 0.02


def _astronaut():
    with Pillow.open(PHOTO.parent.parent / "astronaut" / "astronaut.png") as picture:
        return np.asarray(picture.convert("RGB"))


def _shape():
    """A head on shoulders."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (300, 190), (75, 95), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (300, 430), (170, 150), 0, 180, 360, 255, -1)
    cv2.rectangle(mask, (255, 250), (345, 330), 255, -1)
    return mask > 0


def _moved(array, x, y):
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    return cv2.warpAffine(array, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _scene(x=0.0, y=0.0):
    """The picture and the object's mask with the object moved by so many pixels."""
    behind = cv2.resize(coffee(), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    front = cv2.resize(_astronaut(), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    alpha = cv2.GaussianBlur(_shape().astype(np.float32), (0, 0), 0.8)
    alpha = _moved(alpha, x, y)
    picture = behind + (_moved(front, x, y) - behind) * alpha[..., None]
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8), alpha >= 0.5


def test_equal_pictures_have_equal_outlines():
    picture, mask = _scene()
    assert silhouettes.silhouette_iou(picture, picture.copy(), mask) == 1.0


def test_the_outline_that_is_found_is_the_true_one():
    picture, mask = _scene()
    band = silhouettes.band_about(mask)
    found = silhouettes.outline_in(picture, band)
    iou = silhouettes.intersection_over_union(found, band.is_object)
    assert iou > 0.97, f"{iou:.4f}"


@pytest.mark.parametrize(("x", "y"), [(2, 0), (0, 4), (-5, 3), (8, 0), (0, -10)])
def test_a_moved_object_has_the_iou_of_its_shift(x, y):
    picture, mask = _scene()
    shifted, shifted_mask = _scene(x, y)
    expected = silhouettes.intersection_over_union(mask, shifted_mask)
    found = silhouettes.silhouette_iou(shifted, picture, mask)
    assert abs(found - expected) < SHIFT_TOLERANCE, f"{found:.4f} where the shift gives {expected:.4f}"


def test_noise_and_another_exposure_move_no_outline():
    picture, mask = _scene()
    noise = np.random.default_rng(1).normal(0, 4, picture.shape)
    other = np.clip(picture * 0.9 + 12 + noise, 0, 255).astype(np.uint8)
    found = silhouettes.silhouette_iou(other, picture, mask)
    assert found > 0.985, f"{found:.4f}"


def test_an_object_that_is_gone_has_lost_its_outline_as_far_as_the_band_reaches():
    picture, mask = _scene()
    behind = cv2.resize(coffee(), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    found = silhouettes.silhouette_iou(behind, picture, mask)
    assert found < 0.95, f"{found:.4f}"


def test_a_thing_of_a_few_pixels_or_one_that_fills_the_frame_has_no_outline():
    picture, mask = _scene()
    dot = np.zeros_like(mask)
    dot[100:104, 100:104] = True
    assert silhouettes.silhouette_iou(picture, picture, dot) is None
    assert silhouettes.silhouette_iou(picture, picture, np.ones_like(mask)) is None


def test_two_empty_masks_are_equal():
    empty = np.zeros((4, 4), bool)
    assert silhouettes.intersection_over_union(empty, empty) == 1.0
