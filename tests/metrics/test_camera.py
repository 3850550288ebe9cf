"""The camera of a picture is found from the background: scenes are drawn from cameras that are off by a known way."""

import math

import numpy as np
import pytest

from i2v3d.artifacts.scene import FrameStates
from i2v3d.backends.embedded.render_gl import GlRenderer
from i2v3d.geometry.frames import Resolution
from i2v3d.metrics import camera
from i2v3d.metrics.clip import ClipFacts, join_frames
from i2v3d.metrics.frame import FrameValues, MeasuredFrame, measure_frame
from tests import hand_made_scene as hand

SIZE = Resolution(768, 432)


def _turned(angle_rad: float) -> np.ndarray:
    """A pan to the right, about the camera's own y axis."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _drawn(folder, cache, frame, offset_m=(0.0, 0.0, 0.0), turn=None):
    """The frame and its lens, drawn by a camera that is off by so much in its own axes."""
    state = cache.states.item(frame).read_arrays()
    state["image_from_camera"] = np.diag([3.0, 3.0, 1.0]) @ state["image_from_camera"]
    pose = state["world_from_camera"].copy()
    pose[:3, 3] = state["world_from_camera"][:3, 3] + state["world_from_camera"][:3, :3] @ np.array(offset_m)
    if turn is not None:
        pose[:3, :3] = pose[:3, :3] @ turn
    state["world_from_camera"] = pose
    states = FrameStates(folder)
    states.path.mkdir()
    states.item(0).write_arrays(state)
    rendered = GlRenderer().render(cache.static.path, (states.item(0).path,), 0, SIZE)
    return rendered, state["image_from_camera"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return hand.cached(tmp_path_factory.mktemp("camera") / "cache", hand.scene(4))


@pytest.mark.parametrize(
    ("offset_m", "angle_deg"), [((0.1, 0, 0), 0.0), ((0, -0.05, 0.4), 0.0), ((0, 0, 0), 1.5), ((-0.2, 0.1, 0.1), -1.0)]
)
def test_a_camera_that_is_off_by_a_known_way_is_found_to_be(tmp_path, cache, offset_m, angle_deg):
    render, lens = _drawn(tmp_path / "render", cache, 2)
    result, _ = _drawn(tmp_path / "result", cache, 2, offset_m, _turned(math.radians(angle_deg)))
    error = measure_frame(MeasuredFrame(result.colour, render.colour, render.passes, lens), None, None).camera
    assert error is not None
    away = np.linalg.norm(np.subtract(error.offset_m, offset_m))
    assert away < 0.02, f"{error.offset_m} where the camera is {offset_m} off: {away:.4f} m"
    assert error.turn_rad[1] == pytest.approx(math.radians(angle_deg), abs=math.radians(0.1))
    assert error.angle_rad == pytest.approx(abs(math.radians(angle_deg)), abs=math.radians(0.1))


def test_a_clip_whose_camera_never_leaves_its_first_place_is_off_by_the_way_it_should_go(tmp_path, cache):
    poses = np.stack([state.read_arrays()["world_from_camera"] for state in cache.states])
    values = []
    for frame in range(3):
        render, lens = _drawn(tmp_path / f"{frame}", cache, frame)
        to_first = np.linalg.inv(poses[frame]) @ poses[0]
        result, _ = _drawn(tmp_path / f"r{frame}", cache, frame, to_first[:3, 3], to_first[:3, :3])
        values.append(measure_frame(MeasuredFrame(result.colour, render.colour, render.passes, lens), None, None))
    metrics = join_frames(values, ClipFacts(24.0, {}, (0, 2), poses[:3]))
    expected = [float(np.linalg.norm(pose[:3, 3] - poses[0, :3, 3])) for pose in poses[:3]]
    found = metrics.measured["camera_path_error"]
    assert found.frames[0] == pytest.approx(0, abs=0.01)
    assert found.frames[2] == pytest.approx(expected[2], rel=0.05)
    assert found.value == pytest.approx(math.sqrt(np.mean(np.square(expected))), rel=0.05)
    length = camera.path_length_m(poses[:3])
    assert metrics.measured["camera_path_share"].value == pytest.approx(found.value / length)


def test_a_camera_that_is_lost_in_some_frames_is_not_measured_on_the_others():
    known = FrameValues(1.0, 0.0, 0.0, 0.0, camera=camera.NO_ERROR)
    metrics = join_frames(
        [known, known, FrameValues(1.0, 0.0, 0.0, 0.0)], ClipFacts(24.0, {}, (0, 2), np.stack([np.eye(4)] * 3))
    )
    assert "camera_path_error" not in metrics.measured
    assert metrics.missing["camera_path_error"].endswith("in 1 of 3 frames")


def test_few_points_or_points_that_agree_on_nothing_give_no_camera():
    random = np.random.default_rng(0)
    points = np.column_stack([random.uniform(-2, 2, (200, 2)), random.uniform(4, 8, 200)])
    lens = np.array([[500.0, 0, 320], [0, 500.0, 180], [0, 0, 1]])
    at_px = (points @ lens.T)[:, :2] / points[:, 2:] - 0.5
    found = camera.solve_camera_error(points, at_px, lens)
    assert found is not None
    assert found.distance_m < 1e-6
    assert camera.solve_camera_error(points[:20], at_px[:20], lens) is None
    assert camera.solve_camera_error(points, random.uniform(0, 300, (200, 2)), lens) is None


def test_points_are_where_a_lens_sees_them():
    lens = np.array([[500.0, 0, 320], [0, 500.0, 180], [0, 0, 1]])
    point = camera.points_in_camera(np.array([[319.5, 179.5], [819.5, 179.5]]), np.array([2.0, 2.0]), lens)
    assert point == pytest.approx(np.array([[0, 0, 2.0], [2.0, 0, 2.0]]))
