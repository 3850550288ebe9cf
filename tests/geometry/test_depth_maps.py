import numpy as np
import pytest
from PIL import Image as Pillow

from i2v3d.errors import StageError
from i2v3d.geometry.depth_maps import read_depth_map, sample_depth
from i2v3d.geometry.frames import Resolution

SIZE = Resolution(40, 30)
METRIC = {"kind": "depth", "depth_kind": "metric", "near_m": 1.0, "far_m": 50.0, "scale": 1.0}
INVERSE = METRIC | {"depth_kind": "inverse"}
NO_HOLE = np.zeros((30, 40), bool)


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
