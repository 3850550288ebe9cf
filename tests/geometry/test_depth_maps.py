import numpy as np
import pytest
from PIL import Image as Pillow

from i2v3d.errors import StageError
from i2v3d.geometry.depth_maps import ground_of, read_depth_map, sample_depth
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, level_camera_pose

SIZE = Resolution(40, 30)
METRIC = {"kind": "depth", "depth_kind": "metric", "near_m": 1.0, "far_m": 50.0, "scale": 1.0}
INVERSE = METRIC | {"depth_kind": "inverse"}
NO_HOLE = np.zeros((30, 40), bool)
PHOTO = Resolution(128, 96)
NOTHING = np.zeros(PHOTO.shape, bool)


def slope(height=30, width=40):
    return np.tile(np.linspace(4, 12, width), (height, 1))


def test_metric_depth_comes_back_as_written(tmp_path):
    np.save(tmp_path / "d.npy", slope())
    depth = read_depth_map(tmp_path / "d.npy", METRIC, SIZE, is_hole=NO_HOLE, nearest_m=0.0)
    assert np.allclose(depth, slope())


def test_inverse_depth_spans_near_to_far(tmp_path):
    Pillow.fromarray((65535 / slope()).astype(np.uint16)).save(tmp_path / "d.png")
    depth = read_depth_map(tmp_path / "d.png", INVERSE, SIZE, is_hole=NO_HOLE, nearest_m=0.0)
    assert depth.min() == pytest.approx(1.0) and depth.max() == pytest.approx(50.0)
    assert (np.diff(depth[10]) > 0).all()


def test_depth_behind_an_object_goes_on_from_around_it_and_stays_behind(tmp_path):
    hole = NO_HOLE.copy()
    hole[10:20, 15:25] = True
    np.save(tmp_path / "d.npy", np.where(hole, 2.0, 9.0))
    depth = read_depth_map(tmp_path / "d.npy", METRIC, SIZE, is_hole=hole, nearest_m=2.0)
    assert np.allclose(depth, 9.0, rtol=1e-3)
    pushed = read_depth_map(tmp_path / "d.npy", METRIC, SIZE, is_hole=hole, nearest_m=11.0)
    assert (pushed[hole] > 11.0).all() and np.allclose(pushed[~hole], 9.0)


def test_sampling_is_exact_at_centres_and_holds_the_edge_outside():
    depth = slope()
    assert sample_depth(depth, np.array([[5.5, 7.5]]))[0] == pytest.approx(depth[7, 5])
    assert sample_depth(depth, np.array([[-50.0, 7.5]]))[0] == pytest.approx(depth[7, 0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((30, 40)), "no depth above 0 m"),
        (np.ones((40, 40)), "another shape"),
        (np.ones((30, 40, 3)), "not a depth map"),
        (np.array(["a"] * 4).reshape(2, 2), "not a depth map"),
    ],
)
def test_what_is_no_depth_map_is_refused(tmp_path, values, message):
    np.save(tmp_path / "d.npy", values)
    with pytest.raises(StageError, match=message):
        read_depth_map(tmp_path / "d.npy", METRIC, SIZE, is_hole=NO_HOLE, nearest_m=0.0)


def test_a_flat_inverse_map_is_refused(tmp_path):
    np.save(tmp_path / "d.npy", np.ones((30, 40)))
    with pytest.raises(StageError, match="same value everywhere"):
        read_depth_map(tmp_path / "d.npy", INVERSE, SIZE, is_hole=NO_HOLE, nearest_m=0.0)


def test_a_picture_of_absurd_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    Pillow.fromarray((65535 / slope()).astype(np.uint16)).save(tmp_path / "d.png")
    with pytest.raises(StageError, match="not a depth map"):
        read_depth_map(tmp_path / "d.png", METRIC, SIZE, is_hole=NO_HOLE, nearest_m=0.0)


def room_camera(*, pitch_deg=0.0):
    return Camera(Intrinsics.from_fov(np.radians(60), PHOTO), level_camera_pose(1.5, np.radians(pitch_deg)))


def room_depth(camera, *, floor_m, wall_m=8.0):
    """The depth of a level floor that far below the camera, up to a wall."""
    pixels = np.stack(np.meshgrid(np.arange(PHOTO.width) + 0.5, np.arange(PHOTO.height) + 0.5), axis=-1)
    rays = camera.intrinsics.rays(pixels) @ camera.world_from_camera[:3, :3].T
    with np.errstate(divide="ignore"):
        floor = np.where(rays[..., 2] < -1e-6, -floor_m / np.minimum(rays[..., 2], -1e-6), np.inf)
        return np.minimum(floor, wall_m / np.maximum(rays[..., 1], 1e-6))


@pytest.mark.parametrize("pitch_deg", [0.0, -20.0])
def test_the_ground_of_a_depth_map_is_found_below_the_camera(pitch_deg):
    camera = room_camera(pitch_deg=pitch_deg)
    depth = room_depth(camera, floor_m=1.1)
    depth[70:90, 20:50] *= 0.7  # a box on the floor
    found = ground_of(depth * np.random.default_rng(0).normal(1, 0.003, depth.shape), camera, NOTHING)
    assert found.below_m == pytest.approx(1.1, abs=0.02)
    assert found.slope_rad < np.radians(1)


def test_a_camera_that_is_tilted_otherwise_than_declared_shows_a_sloping_ground():
    depth = room_depth(room_camera(pitch_deg=-12), floor_m=1.5)
    assert ground_of(depth, room_camera(), NOTHING).slope_rad == pytest.approx(np.radians(12), abs=0.01)


def test_a_wall_or_a_mess_is_no_ground():
    camera = room_camera()
    assert ground_of(np.full(PHOTO.shape, 3.0), camera, NOTHING) is None
    assert ground_of(np.random.default_rng(1).uniform(1, 9, PHOTO.shape), camera, NOTHING) is None
    assert ground_of(np.full(PHOTO.shape, 3.0), camera, ~NOTHING) is None
