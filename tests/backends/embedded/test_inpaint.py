import numpy as np
import pytest

from i2v3d.backends.embedded.inpaint import GuidedPatchMatch
from i2v3d.backends.embedded.membrane import stretch_membrane
from i2v3d.backends.embedded.patch_synthesis import fill_with_patches
from i2v3d.errors import StageError
from tests.moving_clip import coffee
from tests.photo_scenes import HEIGHT, WIDTH, disc, photo_with_disc, sky_and_ground


def row_guide():
    guide = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    guide[..., 0] = (np.arange(HEIGHT)[:, None] + 0.5) / HEIGHT
    return guide


IS_HOLE = disc(radius=29) > 0


def test_pixels_outside_the_hole_are_untouched():
    photo = photo_with_disc()
    filled = GuidedPatchMatch().inpaint(photo, IS_HOLE, row_guide(), None)
    assert np.array_equal(filled[~IS_HOLE], photo[~IS_HOLE])


def test_the_sky_goes_on_as_sky_and_the_ground_as_ground():
    filled = GuidedPatchMatch().inpaint(photo_with_disc(), IS_HOLE, row_guide(), None).astype(int)
    truth = sky_and_ground().astype(int)
    is_sky = IS_HOLE & (np.arange(HEIGHT)[:, None] < 74)
    is_ground = IS_HOLE & (np.arange(HEIGHT)[:, None] > 86)
    assert np.abs(filled - truth)[is_sky].mean() < 6
    assert np.abs(filled.mean(axis=2) - truth.mean(axis=2))[is_ground].mean() < 12


def test_a_clear_sky_is_filled_without_a_blotch():
    sky = np.zeros((120, 160, 3), np.uint8)
    sky[:] = np.linspace(40, 120, 120)[:, None, None].round()
    hole = np.zeros((120, 160), bool)
    hole[10:110, 70:84] = True
    filled = GuidedPatchMatch().inpaint(sky, hole, None, None).astype(int)
    assert np.abs(filled - sky)[hole].max() <= 3


def test_forbidden_pixels_are_not_copied():
    photo = sky_and_ground()
    photo[:, 110:] = (255, 0, 255)
    forbidden = np.zeros((HEIGHT, WIDTH), bool)
    forbidden[:, 106:] = True
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[30:100, 70:104] = True
    filled = GuidedPatchMatch().inpaint(photo, hole, row_guide(), forbidden).astype(int)
    is_magenta = (filled[..., 0] > 200) & (filled[..., 1] < 60) & (filled[..., 2] > 200)
    assert not is_magenta[hole].any()


def test_what_was_filled_before_does_not_matter():
    backend = GuidedPatchMatch()
    first = backend.inpaint(photo_with_disc(), IS_HOLE, row_guide(), None)
    backend.inpaint(sky_and_ground(), disc(40, 40, 12) > 0, None, None)
    assert np.array_equal(first, backend.inpaint(photo_with_disc(), IS_HOLE, row_guide(), None))


def test_the_seed_of_another_filling_does_not_matter():
    picture, hole = coffee()[:120, :160], np.zeros((120, 160), bool)
    hole[40:80, 60:100] = True
    first = GuidedPatchMatch().inpaint(picture, hole, None, None)
    fill_with_patches(picture, hole, np.ones(hole.shape, np.uint8), seed=11)
    assert np.array_equal(first, GuidedPatchMatch().inpaint(picture, hole, None, None))


def rough(level: float) -> np.ndarray:
    return level + np.random.default_rng(2).normal(0, 14, (HEIGHT, WIDTH, 1)) * np.ones(3)


def test_a_small_step_of_brightness_at_the_edge_is_levelled():
    columns = np.arange(WIDTH)[None, :, None]
    photo = np.where(columns < 80, rough(100), rough(111)).clip(0, 255).astype(np.uint8)
    hole, forbidden = np.zeros((2, HEIGHT, WIDTH), bool)
    hole[40:80, 105:135] = True
    forbidden[:, 80:] = True  # so it can only be filled from the darker side
    filled = GuidedPatchMatch().inpaint(photo, hole, np.zeros((HEIGHT, WIDTH, 3), np.float32), forbidden)
    rim = hole.copy()
    rim[42:78, 107:133] = False
    assert filled[rim].mean() > 107, f"{filled[rim].mean():.1f} beside 111"


def test_on_a_table_the_shadow_at_a_foot_fades_into_what_is_filled():
    shadow = disc(80, 60, 40) > 0.5
    photo = np.where(shadow[..., None], rough(80), rough(160)).clip(0, 255).astype(np.uint8)
    hole = disc(80, 60, 25) > 0.5
    filled = GuidedPatchMatch().inpaint(photo, hole, None, shadow)  # copied from the lit table alone
    rim, middle = hole & ~(disc(80, 60, 22) > 0.5), disc(80, 60, 6) > 0.5
    assert filled[rim].mean() < 125, f"{filled[rim].mean():.0f} beside a shadow of 80"
    assert filled[middle].mean() > filled[rim].mean() + 15


def test_no_hole_gives_the_picture_back():
    photo = photo_with_disc()
    assert np.array_equal(GuidedPatchMatch().inpaint(photo, np.zeros_like(IS_HOLE), None, None), photo)


def test_nothing_to_copy_from_is_an_error():
    with pytest.raises(StageError, match="no pixel is left"):
        GuidedPatchMatch().inpaint(photo_with_disc(), IS_HOLE, None, ~IS_HOLE)


def test_a_membrane_continues_a_slope_and_keeps_what_is_known():
    slope = np.tile(np.linspace(0, 100, 64, dtype=np.float32)[None, :, None], (48, 1, 1))
    known = np.ones((48, 64), bool)
    known[:, 20:45] = False
    known[10:14, 30:34] = True
    stretched = stretch_membrane(np.where(known[..., None], slope, 0), known)
    assert np.array_equal(stretched[known], slope[known])
    assert np.abs(stretched - slope).max() < 2.5
