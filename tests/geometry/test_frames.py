"""Frames, cameras and units: every convention tested in both directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v3d.geometry import frames
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution

SIZE = Resolution(1024, 683)
angles = st.floats(-3.0, 3.0)
metres = st.floats(-50.0, 50.0)


def _rotation(x: float, y: float, z: float) -> np.ndarray:
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    turn_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    turn_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    turn_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return turn_z @ turn_y @ turn_x


@st.composite
def poses(draw):
    pose = np.eye(4)
    pose[:3, :3] = _rotation(draw(angles), draw(angles), draw(angles))
    pose[:3, 3] = (draw(metres), draw(metres), draw(metres))
    return pose


@given(poses())
def test_inverting_a_pose_twice_gives_it_back(pose):
    inverse = frames.invert_rigid(pose)
    np.testing.assert_allclose(inverse @ pose, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(frames.invert_rigid(inverse), pose, atol=1e-9)


@given(poses())
def test_blender_camera_axes_convert_both_ways(pose):
    np.testing.assert_allclose(frames.opencv_camera_pose(frames.blender_camera_pose(pose)), pose, atol=1e-12)


def test_blender_looks_down_its_own_negative_z_with_y_up():
    blender = frames.blender_camera_pose(frames.level_camera_pose(1.6, 0.0))
    np.testing.assert_allclose(blender[:3, :3] @ (0, 0, -1), (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(blender[:3, :3] @ (0, 1, 0), (0, 0, 1), atol=1e-12)


def test_the_level_camera_looks_along_y_from_its_height():
    pose = frames.level_camera_pose(1.6, 0.0)
    np.testing.assert_allclose(pose[:3, :3] @ (0, 0, 1), (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(pose[:3, :3] @ (0, -1, 0), (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(pose[:3, 3], (0, 0, 1.6))


@pytest.mark.parametrize("pose", [frames.level_camera_pose(1.6, p) for p in (-1.0, -0.2, 0.0, 0.3)])
def test_every_source_camera_is_right_handed(pose):
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1.0)


@given(st.floats(-2000, 3000), st.floats(0.2, 2.0))
def test_the_pitch_from_a_horizon_row_puts_far_ground_on_that_row(horizon_y_px, fov_rad):
    intrinsics = Intrinsics.from_fov(fov_rad, SIZE)
    pitch = frames.pitch_from_horizon(horizon_y_px, intrinsics)
    camera = Camera(intrinsics, frames.level_camera_pose(1.6, pitch))
    pixel, z_depth = camera.project(np.array([0.0, 1e9, 0.0]))
    assert z_depth > 0
    assert pixel[1] == pytest.approx(horizon_y_px, abs=1e-2)


@given(poses(), st.floats(10, 1000), st.floats(10, 600), st.floats(0.5, 100))
def test_a_pixel_and_its_depth_project_back_to_the_pixel(pose, x, y, depth_m):
    camera = Camera(Intrinsics.from_fov(0.8, SIZE), pose)
    ray = camera.intrinsics.rays(np.array([x, y]))
    point = frames.transform_points(pose, ray * depth_m)
    pixel, z_depth = camera.project(point)
    np.testing.assert_allclose(pixel, (x, y), atol=1e-6)
    assert z_depth == pytest.approx(depth_m, rel=1e-9)


def test_the_field_of_view_is_horizontal_and_reaches_the_outer_pixel_edges():
    intrinsics = Intrinsics.from_fov(np.radians(60), SIZE)
    left, right = intrinsics.rays(np.array([[0.0, 341.5], [1024.0, 341.5]]))
    assert np.degrees(np.arctan(right[0]) - np.arctan(left[0])) == pytest.approx(60)


def test_a_window_sees_the_same_ray_at_the_shifted_pixel():
    whole = Intrinsics.from_fov(0.7, SIZE)
    window = whole.window(12, 107, Resolution(1000, 576))
    np.testing.assert_allclose(window.rays(np.array([88.0, 93.0])), whole.rays(np.array([100.0, 200.0])))


def test_y_up_files_stand_upright_in_our_world():
    np.testing.assert_allclose(frames.WORLD_FROM_YUP @ (0, 1, 0, 1), (0, 0, 1, 1))
    assert np.linalg.det(frames.WORLD_FROM_YUP) == pytest.approx(1.0)
