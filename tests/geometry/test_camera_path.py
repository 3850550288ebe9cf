import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v3d.geometry.camera_path import PathKey, Surroundings, view_at
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, level_camera_pose

SIZE = Resolution(640, 360)
INTRINSICS = Intrinsics(600.0, 600.0, 320.0, 120.0, SIZE)  # the window's centre is not the lens axis
SOURCE = level_camera_pose(1.6, math.radians(-3))
POST = np.array([0.5, 8.0, 1.0])
ANGLES = st.floats(-1.2, 1.2)
METRES = st.floats(-1.0, 1.0)


def around(post=POST, rest=POST) -> Surroundings:
    return Surroundings(SOURCE, INTRINSICS.rays(np.array([320.0, 180.0])), {"post": rest}, {"post": post})


def pose_of(*keys: PathKey, frame: float = 10.0) -> np.ndarray:
    return view_at(keys, frame, around()).world_from_camera


def test_without_keys_the_view_is_the_source_view_exactly():
    assert np.array_equal(view_at((), 3, around()).world_from_camera, SOURCE)


def test_keys_that_change_nothing_are_the_source_view_exactly():
    for key in (PathKey(0.0), PathKey(0.0, orbit_around="post"), PathKey(5.0, orbit_around=(1.0, 2.0, 3.0))):
        view = view_at((key, PathKey(9.0)), 4.0, around())
        assert np.array_equal(view.world_from_camera, SOURCE)
        assert view.zoom == 1.0


@settings(max_examples=60)
@given(azimuth=ANGLES, elevation=ANGLES, distance=st.floats(0.2, 3.0))
def test_an_orbit_keeps_the_distance_and_where_the_point_is_seen(azimuth, elevation, distance):
    key = PathKey(
        0.0,
        orbit_azimuth_rad=azimuth,
        orbit_elevation_rad=elevation,
        orbit_distance=distance,
        orbit_around="post",
    )
    before, after = Camera(INTRINSICS, SOURCE), Camera(INTRINSICS, pose_of(key))
    expected = np.linalg.norm(SOURCE[:3, 3] - POST) * distance
    assert np.linalg.norm(after.world_from_camera[:3, 3] - POST) == pytest.approx(expected)
    assert after.project(POST)[0] == pytest.approx(before.project(POST)[0], abs=1e-6)
    rotation = after.world_from_camera[:3, :3]
    assert rotation.T @ rotation == pytest.approx(np.eye(3), abs=1e-12)


def test_a_positive_azimuth_takes_the_camera_to_its_right():
    place = pose_of(PathKey(0.0, orbit_azimuth_rad=0.3, orbit_around="post"))[:3, 3]
    assert place[0] > 0.5
    assert place[2] == pytest.approx(1.6)


def test_a_positive_elevation_lifts_the_camera():
    assert pose_of(PathKey(0.0, orbit_elevation_rad=0.3, orbit_around="post"))[2, 3] > 2.0


@given(x=METRES, y=METRES, z=METRES)
def test_a_move_is_along_the_worlds_axes(x, y, z):
    assert pose_of(PathKey(0.0, move_m=(x, y, z)))[:3, 3] == pytest.approx(SOURCE[:3, 3] + (x, y, z))


def test_a_dolly_goes_forward_on_the_level_after_the_orbit():
    assert pose_of(PathKey(0.0, dolly_m=2.0))[:3, 3] == pytest.approx([0, 2, 1.6])
    orbit = {"orbit_azimuth_rad": 0.4, "orbit_around": "post"}
    start, end = pose_of(PathKey(0.0, **orbit)), pose_of(PathKey(0.0, **orbit, dolly_m=2.0))
    step = end[:3, 3] - start[:3, 3]
    assert step[2] == pytest.approx(0.0)
    assert np.linalg.norm(step) == pytest.approx(2.0)
    assert math.atan2(step[1], step[0]) == pytest.approx(math.pi / 2 + 0.4)


def test_turns_have_the_documented_senses():
    ahead = Camera(INTRINSICS, SOURCE).project(POST)[0]
    right = Camera(INTRINSICS, pose_of(PathKey(0.0, pan_rad=0.1))).project(POST)[0]
    up = Camera(INTRINSICS, pose_of(PathKey(0.0, tilt_rad=0.1))).project(POST)[0]
    assert right[0] < ahead[0] - 10  # the camera turns right, so the thing slides left
    assert up[1] > ahead[1] + 10
    rolled = pose_of(PathKey(0.0, roll_rad=0.1))
    assert (SOURCE[:3, :3].T @ rolled[:3, :3])[1, 0] > 0  # the camera's right sinks: clockwise


@settings(max_examples=60)
@given(azimuth=ANGLES, elevation=st.floats(-0.3, 0.9), roll=ANGLES, moves=st.tuples(METRES, METRES, METRES))
def test_look_at_puts_the_point_in_the_middle_of_the_picture(azimuth, elevation, roll, moves):
    key = PathKey(
        0.0,
        orbit_azimuth_rad=azimuth,
        orbit_elevation_rad=elevation,
        orbit_around=(0.0, 6.0, 0.0),
        move_m=moves,
        roll_rad=roll,
        look_at="post",
    )
    camera = Camera(INTRINSICS, pose_of(key))
    pixel, depth = camera.project(POST)
    assert depth > 0
    assert pixel == pytest.approx([320, 180], abs=1e-6)


def test_look_at_follows_an_object_and_orbit_does_not():
    raised = POST + np.array([0, 0, 1.5])
    moved = around(post=raised)
    aimed = view_at((PathKey(0.0, look_at="post"),), 0, moved)
    assert Camera(INTRINSICS, aimed.world_from_camera).project(raised)[0] == pytest.approx([320, 180])
    key = PathKey(0.0, orbit_azimuth_rad=0.5, orbit_around="post")
    assert np.array_equal(view_at((key,), 0, moved).world_from_camera, view_at((key,), 0, around()).world_from_camera)


def test_a_path_turns_smoothly_from_the_source_view_towards_a_point():
    keys = (PathKey(0.0), PathKey(20.0, look_at=(4.0, 8.0, 1.0)))
    headings = [math.atan2(*pose_of(*keys, frame=f)[:2, 2]) for f in range(21)]
    steps = np.diff(headings)
    assert (steps > 0).all()
    assert steps.max() < 1.01 * steps.min()
    assert np.array_equal(pose_of(*keys, frame=0.0), SOURCE)


@given(frame=st.floats(0, 30))
def test_numbers_between_keys_lie_between_theirs(frame):
    keys = (PathKey(0.0), PathKey(30.0, dolly_m=3.0, zoom=2.0, ease="in_out_sine"))
    view = view_at(keys, frame, around())
    assert 1.0 <= view.zoom <= 2.0
    assert 0.0 <= view.world_from_camera[1, 3] <= 3.0


def test_a_path_that_starts_late_starts_from_the_source_view():
    late = (PathKey(10.0, dolly_m=2.0),)
    assert np.array_equal(pose_of(*late, frame=0.0), SOURCE)
    assert pose_of(*late, frame=5.0)[1, 3] == pytest.approx(1.0)
    assert pose_of(*late, frame=99.0)[1, 3] == pytest.approx(2.0)


def test_an_unknown_name_is_named_in_the_error():
    with pytest.raises(ValueError, match="'pots'"):
        pose_of(PathKey(0.0, look_at="pots"))


def test_a_camera_that_looks_straight_down_still_dollies_where_its_picture_points():
    down = Surroundings(level_camera_pose(3.0, -math.pi / 2), INTRINSICS.rays(np.array([320.0, 180.0])), {}, {})
    step = view_at((PathKey(0.0, dolly_m=1.0),), 0, down).world_from_camera[:3, 3]
    assert step == pytest.approx([0, 1, 3])


def test_the_aim_glides_the_shorter_way_round():
    behind_left, right = math.radians(170), math.radians(-170)
    point = SOURCE[:3, 3] + 10 * np.array([-math.sin(right), math.cos(right), 0.0])
    pan = {"pan_rad": -behind_left, "tilt_rad": math.radians(3)}
    pose = pose_of(PathKey(0.0, **pan), PathKey(10.0, **pan, look_at=tuple(point)), frame=5.0)
    assert pose[1, 2] < -0.95, "half-way from 170 to 190 degrees it looks straight back"
