import numpy as np

from i2v3d.geometry.masks import fill_polygons, grow_mask


def test_a_square_holds_the_pixels_whose_centres_are_inside():
    mask = fill_polygons((10, 12), (((2.0, 3.0), (7.0, 3.0), (7.0, 6.0), (2.0, 6.0)),))
    wanted = np.zeros((10, 12), bool)
    wanted[3:6, 2:7] = True
    assert np.array_equal(mask, wanted)


def test_polygons_are_united_and_may_leave_the_picture():
    mask = fill_polygons(
        (8, 8), (((-5.0, -5.0), (3.0, -5.0), (3.0, 3.0), (-5.0, 3.0)), ((5, 5), (9, 5), (9, 9), (5, 9)))
    )
    assert mask.sum() == 9 + 9
    assert not fill_polygons((8, 8), ()).any()


def test_a_mask_grows_by_a_disc_and_then_downwards():
    mask = np.zeros((40, 40), bool)
    mask[15, 20] = True
    grown = grow_mask(mask, 3, 7)
    rows, columns = np.nonzero(grown)
    assert (rows.min(), rows.max()) == (12, 25)
    assert (columns.min(), columns.max()) == (17, 23)
    assert not grown[12, 18]
    assert grown[22, 17]


def test_growing_by_nothing_changes_nothing_and_the_frame_does_not_wrap():
    mask = np.zeros((20, 20), bool)
    mask[18:, :2] = True
    assert np.array_equal(grow_mask(mask, 0, 0), mask)
    assert not grow_mask(mask, 2, 5)[:10].any()
    assert not grow_mask(mask, 2, 5)[:, 10:].any()
