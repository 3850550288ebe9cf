import numpy as np

from i2v3d.backends.embedded.patch_synthesis import fill_with_patches
from tests.moving_clip import coffee


def test_only_bad_pixels_change_and_twice_gives_the_same():
    picture = coffee()[:200, :260].copy()
    is_bad = np.zeros((200, 260), bool)
    is_bad[60:110, 90:150] = True
    picture[is_bad] = 0
    ids = np.ones((200, 260), np.uint8)
    filled = fill_with_patches(picture, is_bad, ids, seed=7)
    assert np.array_equal(filled[~is_bad], picture[~is_bad])
    assert (filled[is_bad].max(axis=1) > 5).all()
    assert not np.array_equal(filled, fill_with_patches(picture, is_bad, ids, seed=8))
    assert np.array_equal(filled, fill_with_patches(picture, is_bad, ids, seed=7))


def test_an_object_is_filled_from_itself():
    random = np.random.default_rng(5)
    ids = np.ones((160, 200), np.uint8)
    ids[:, 100:] = 2
    red, blue = np.array([200, 40, 40]), np.array([40, 40, 200])
    picture = np.where((ids == 1)[..., None], red, blue) + random.integers(-20, 20, (160, 200, 1))
    picture = picture.astype(np.uint8)
    is_bad = np.zeros(ids.shape, bool)
    is_bad[50:100, 70:130] = True
    picture[is_bad] = 0
    filled = fill_with_patches(picture, is_bad, ids, seed=7).astype(int)
    of_first, of_second = is_bad & (ids == 1), is_bad & (ids == 2)
    assert (filled[of_first][:, 0] > filled[of_first][:, 2] + 60).all()
    assert (filled[of_second][:, 2] > filled[of_second][:, 0] + 60).all()


def test_with_nothing_to_copy_colours_are_spread():
    picture = np.full((64, 80, 3), 90, np.uint8)
    is_bad = np.ones((64, 80), bool)
    is_bad[:3, :3] = False
    filled = fill_with_patches(picture, is_bad, np.ones((64, 80), np.uint8), seed=7)
    assert (filled == 90).all()
