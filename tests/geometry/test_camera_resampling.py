import math
from itertools import pairwise

import numpy as np
import pytest

from i2v3d.geometry.camera_files.path import CameraPath
from i2v3d.geometry.camera_resampling import resampled, track_of
from i2v3d.geometry.camera_rig import track_view
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, invert_rigid, level_camera_pose
from i2v3d.geometry.motion import rotation_about, rotation_from_euler
from i2v3d.geometry.rotations import nearest_rotation, quaternion_of, rotation_of, turned_part

SIZE = Resolution(640, 360)
SOURCE = level_camera_pose(1.6, 0.1)
Z = np.array([0.0, 0.0, 1.0])


def pose(place, rotation=None):
    made = np.eye(4)
    made[:3, :3], made[:3, 3] = (np.eye(3) if rotation is None else rotation), place
    return made


def random_poses(seed: int, count: int) -> list[np.ndarray]:
    chance = np.random.default_rng(seed)
    return [pose(chance.normal(0, 3, 3), rotation_from_euler(chance.uniform(-3, 3, 3))) for _ in range(count)]


def path_of(poses, focals=None, times=None) -> CameraPath:
    focals = focals or [500.0] * len(poses)
    cameras = [Camera(Intrinsics(f, f, 320, 180, SIZE), p) for f, p in zip(focals, poses, strict=True)]
    return CameraPath(tuple(cameras), tuple(times or (i / 24 for i in range(len(poses)))))


def test_quaternions_and_matrices_are_each_others_inverse():
    for given in random_poses(0, 200):
        assert rotation_of(quaternion_of(given[:3, :3])) == pytest.approx(given[:3, :3], abs=1e-14)
    for axis in np.eye(3):
        half_turn = rotation_about(axis, math.pi)
        assert rotation_of(quaternion_of(half_turn)) == pytest.approx(half_turn, abs=1e-14)


def test_a_part_of_a_turn_goes_the_short_way_at_an_even_pace():
    first, second = quaternion_of(np.eye(3)), quaternion_of(rotation_about(Z, 2.0))
    for share in (0.0, 0.25, 0.5, 1.0):
        for end in (second, -second):
            assert rotation_of(turned_part(first, end, share)) == pytest.approx(rotation_about(Z, 2.0 * share))


def test_a_mirror_is_no_rotation():
    with pytest.raises(ValueError, match="mirrors"):
        nearest_rotation(np.diag([1.0, 1.0, -1.0]))


def test_as_many_cameras_as_frames_are_met_exactly():
    poses = random_poses(1, 25)
    for got, wanted in zip(resampled(poses, [i / 30 for i in range(25)], 25), poses, strict=True):
        assert got == pytest.approx(wanted, abs=1e-12)


def test_twice_the_frames_pass_through_every_camera():
    poses = random_poses(2, 9)
    track = resampled(poses, list(range(9)), 17)
    for got, wanted in zip(track[::2], poses, strict=True):
        assert got == pytest.approx(wanted, abs=1e-12)


def test_a_steady_motion_stays_steady_whatever_the_number_of_frames():
    poses = [pose((0.5 * i, 0, 0), rotation_about(Z, 0.3 * i)) for i in range(7)]
    track = resampled(poses, list(range(7)), 41)
    steps = np.diff([p[0, 3] for p in track])
    assert steps == pytest.approx(3.0 / 40)
    turns = [quaternion_of(a[:3, :3].T @ b[:3, :3]) for a, b in pairwise(track)]
    assert [2 * math.acos(q[0]) for q in turns] == pytest.approx([1.8 / 40] * 40, abs=1e-7)


def test_uneven_times_are_kept_in_proportion():
    poses = [pose((0, 0, 0)), pose((1, 0, 0)), pose((4, 0, 0))]
    track = resampled(poses, [0.0, 1.0, 4.0], 9)
    assert [p[0, 3] for p in track] == pytest.approx(np.linspace(0, 4, 9))


def test_one_camera_is_a_still():
    assert all(np.array_equal(p, SOURCE) for p in resampled([SOURCE], [0.0], 5))


def track(path: CameraPath, count: int, **options):
    chosen = {
        "source": SOURCE,
        "source_lens": Intrinsics(400.0, 400.0, 320, 100, SIZE),
        "is_relative": True,
        "scale": 1,
    }
    poses = track_of(path, count, **{**chosen, **options})
    return [track_view(poses, frame) for frame in range(count)]


def test_a_relative_path_starts_at_the_source_view_and_keeps_what_is_between_its_cameras():
    poses = random_poses(3, 6)
    views = track(path_of(poses), 6)
    assert views[0].world_from_camera == pytest.approx(SOURCE, abs=1e-14)
    for view, given in zip(views, poses, strict=True):
        between = invert_rigid(SOURCE) @ view.world_from_camera
        assert between == pytest.approx(invert_rigid(poses[0]) @ given, abs=1e-12)


def test_a_relative_path_moves_by_its_scale():
    poses = [pose((10, 0, 0)), pose((10, 0, 4))]
    views = track(path_of(poses), 2, scale=0.5)
    step = views[1].world_from_camera[:3, 3] - SOURCE[:3, 3]
    assert step == pytest.approx(2 * SOURCE[:3, 2])  # forward, for z is the way that the first one looks


def test_an_absolute_path_is_where_it_says():
    poses = random_poses(4, 3)
    for view, given in zip(track(path_of(poses), 3, is_relative=False, scale=2.0), poses, strict=True):
        assert view.world_from_camera[:3, 3] == pytest.approx(2 * given[:3, 3])
        assert view.world_from_camera[:3, :3] == pytest.approx(given[:3, :3])


def test_focal_lengths_become_zooms():
    poses = random_poses(5, 3)
    assert [v.zoom for v in track(path_of(poses, [500.0, 750.0, 1000.0]), 3)] == pytest.approx([1, 1.5, 2])
    absolute = track(path_of(poses, [500.0, 750.0, 1000.0]), 3, is_relative=False)
    assert [v.zoom for v in absolute] == pytest.approx([1.25, 1.875, 2.5])
    silent = CameraPath(path_of(poses).cameras, (0.0, 1.0, 2.0), has_lens=False)
    assert [v.zoom for v in track(silent, 3, is_relative=False)] == [1, 1, 1]


def test_times_rounded_to_microseconds_count_as_even():
    poses = random_poses(6, 31)
    rounded = [round(index / 24, 6) for index in range(31)]
    for got, wanted in zip(resampled(poses, rounded, 31), poses, strict=True):
        assert np.array_equal(got[:3, 3], wanted[:3, 3])
