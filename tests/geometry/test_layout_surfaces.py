import numpy as np
import pytest

from i2v3d.artifacts.scene import SolvedLayout
from i2v3d.geometry.frames import Intrinsics, Resolution
from i2v3d.geometry.layout_solve import source_camera
from i2v3d.geometry.layout_surfaces import Window, fill_guide, surface_depth

INTRINSICS = Intrinsics.from_fov(0.8, Resolution(160, 120))
CAMERA = source_camera(INTRINSICS, 50.0, 1.6)
BACKGROUNDS = {
    "ground_and_backdrop": {"kind": "ground_and_backdrop", "backdrop_y_m": 20.0, "far_m": 240.0},
    "backdrop": {"kind": "backdrop", "backdrop_y_m": 20.0, "far_m": 240.0},
    "plane": {"kind": "plane", "far_m": 60.0},
    "dome": {"kind": "dome", "radius_m": 500.0, "far_m": 500.0},
    "room": {"kind": "room", "back_m": 6.0, "left_m": -2.0, "right_m": 2.2, "ceiling_m": 2.6, "far_m": 12.0},
}


def points_at(background, pixels):
    depth = surface_depth(background, CAMERA, pixels)
    rays = CAMERA.intrinsics.rays(pixels) @ CAMERA.world_from_camera[:3, :3].T
    return CAMERA.world_from_camera[:3, 3] + rays * depth[..., None]


def test_low_rows_lie_on_the_ground_and_high_rows_on_the_backdrop():
    low, high = points_at(BACKGROUNDS["ground_and_backdrop"], np.array([[40.0, 115.0], [90.0, 5.0]]))
    assert abs(low[2]) < 0.02
    assert high[1] == pytest.approx(20.0, rel=0.01)


def test_a_room_has_its_walls_where_they_were_declared():
    pixels = np.array([[80.0, 52.0], [2.0, 45.0], [158.0, 45.0], [80.0, 118.0], [80.0, 2.0]])
    back, left, right, floor, ceiling = points_at(BACKGROUNDS["room"], pixels)
    assert back[1] == pytest.approx(6.0, rel=0.01)
    assert left[0] == pytest.approx(-2.0, rel=0.02)
    assert right[0] == pytest.approx(2.2, rel=0.02)
    assert abs(floor[2]) < 0.03
    assert ceiling[2] == pytest.approx(2.6, rel=0.03)


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_depth_is_finite_positive_and_without_a_crease(kind):
    pixels = Window(-56, -42, Resolution(272, 204)).pixel_centres()
    depth = surface_depth(BACKGROUNDS[kind], CAMERA, pixels)
    assert np.isfinite(depth).all() and depth.min() > 0
    assert depth.max() <= BACKGROUNDS[kind]["far_m"] * 1.01
    # Inverse depth is linear on a plane: what bends is a join, and it bends gently.
    bend = np.abs(np.diff(1 / depth, n=2, axis=0)).max() * depth.min()
    assert bend < 0.05


def test_a_guide_holds_the_row_and_folds_back_outside_the_photo():
    layout = SolvedLayout(CAMERA, 50.0, 1.0, BACKGROUNDS["ground_and_backdrop"], {})
    guide = fill_guide(layout, Window(-10, -30, Resolution(180, 180)))
    assert guide.dtype == np.float32 and guide.shape == (180, 180, 3)
    assert guide[30, 0, 0] == pytest.approx(0.5 / 120)
    assert guide[29, 0, 0] == pytest.approx(0.5 / 120)
    assert guide[149, 5, 0] == guide[150, 5, 0] == pytest.approx(119.5 / 120)
    assert (guide >= 0).all() and (guide <= 1).all()


def test_a_room_keeps_its_walls_apart_and_a_table_needs_no_guide():
    room = SolvedLayout(CAMERA, 50.0, 1.0, BACKGROUNDS["room"], {})
    guide = fill_guide(room, Window(0, 0, Resolution(160, 120)))
    labels = {round(float(guide[y, x, 0]), 3) for x, y in ((80, 52), (2, 45), (157, 45), (80, 118), (80, 1))}
    assert len(labels) == 5
    table = SolvedLayout(CAMERA, 50.0, 1.0, BACKGROUNDS["plane"], {})
    assert fill_guide(table, Window(0, 0, Resolution(160, 120))) is None
