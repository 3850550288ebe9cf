"""A camera path of another clip as poses for the frames of this one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2v3d.geometry.camera_files.path import CameraPath
from i2v3d.geometry.camera_rig import TrackPose
from i2v3d.geometry.frames import Array, Intrinsics, invert_rigid
from i2v3d.geometry.rotations import quaternion_of, rotation_of, turned_part


def resampled(poses: Sequence[Array], times: Sequence[float], frame_count: int) -> list[Array]:
    """Returns a 4x4 pose for each frame: the first pose at the first frame, the last at the last one.

    Places are joined by a smooth curve through all of them (Catmull-Rom for uneven times), turns by the shortest
    turn at an even pace; a pose that falls on a frame is met exactly.
    """
    places = np.array([pose[:3, 3] for pose in poses])
    turns = np.array([quaternion_of(pose[:3, :3]) for pose in poses])
    if len(poses) == 1:
        return [np.array(poses[0]) for _ in range(frame_count)]
    known = _evened(times)
    tangents = _tangents(places, known)
    wanted = np.linspace(known[0], known[-1], frame_count)
    track = []
    for time in wanted:
        index = min(int(np.searchsorted(known, time, side="right")) - 1, len(known) - 2)
        share = float((time - known[index]) / (known[index + 1] - known[index]))
        share = float(round(share)) if abs(share - round(share)) < 1e-9 else share
        pose = np.eye(4)
        pose[:3, 3] = _between(places, tangents, known, index, share)
        pose[:3, :3] = rotation_of(turned_part(turns[index], turns[index + 1], share))
        track.append(pose)
    return track


def resampled_numbers(values: Sequence[float], times: Sequence[float], frame_count: int) -> list[float]:
    """Returns the values at the times of the frames, linear in between."""
    return [float(v) for v in np.interp(np.linspace(times[0], times[-1], frame_count), times, values)]


def _evened(times: Sequence[float]) -> Array:
    """Returns the times, at exactly equal steps when they are so but for the rounding of a file (RealEstate10K's)."""
    known = np.array(times, dtype=np.float64)
    even = np.linspace(known[0], known[-1], len(known))
    step = (known[-1] - known[0]) / (len(known) - 1)
    return even if np.abs(known - even).max() < 1e-3 * step else known


def track_of(
    path: CameraPath, frame_count: int, *, source: Array, source_lens: Intrinsics, is_relative: bool, scale: float
) -> list[TrackPose]:
    """Returns the track that a path gives.

    Args:
        path: The cameras.
        frame_count: Number of frames of the clip.
        source: `world_from_camera` of the source camera.
        source_lens: Its lens over the output picture.
        is_relative: True = the first camera takes the source view's place, its zoom is 1, and the others keep
            their poses relative to it. False = poses are the world's, and the angle of view is the file's.
        scale: Factor on the lengths of the path.
    """
    poses = []
    for camera in path.cameras:
        pose = np.array(camera.world_from_camera)
        pose[:3, 3] *= scale
        poses.append(pose)
    if is_relative:
        world_from_path = source @ invert_rigid(poses[0])
        poses = [source, *(world_from_path @ pose for pose in poses[1:])]
    zooms = _zooms(path, source_lens, is_relative=is_relative)
    track = resampled(poses, path.times_s, frame_count)
    return [
        _track_pose(pose, zoom)
        for pose, zoom in zip(track, resampled_numbers(zooms, path.times_s, frame_count), strict=True)
    ]


def _zooms(path: CameraPath, source_lens: Intrinsics, *, is_relative: bool) -> list[float]:
    if not path.has_lens:
        return [1.0] * len(path.cameras)
    focals = [camera.intrinsics.focal_x_px / camera.intrinsics.resolution.width for camera in path.cameras]
    first = focals[0] if is_relative else source_lens.focal_x_px / source_lens.resolution.width
    return [focal / first for focal in focals]


def _track_pose(pose: Array, zoom: float) -> TrackPose:
    x, y, z = (float(value) + 0.0 for value in pose[:3, 3])
    a, b, c, d = (float(value) + 0.0 for value in quaternion_of(pose[:3, :3]))
    return TrackPose((x, y, z), (a, b, c, d), zoom)


def _tangents(places: Array, times: Array) -> Array:
    """Returns the velocity at each place: of the parabola through it and its neighbours; at the ends one-sided."""
    steps = np.diff(times)[:, None]
    velocities = np.diff(places, axis=0) / steps
    tangents = np.empty_like(places)
    tangents[0], tangents[-1] = velocities[0], velocities[-1]
    tangents[1:-1] = (velocities[:-1] * steps[1:] + velocities[1:] * steps[:-1]) / (steps[1:] + steps[:-1])
    return tangents


def _between(places: Array, tangents: Array, times: Array, index: int, share: float) -> Array:
    if share == 0.0:
        return np.asarray(places[index])
    if share == 1.0:
        return np.asarray(places[index + 1])
    length = times[index + 1] - times[index]
    cube, square = share**3, share**2
    return np.asarray(
        (2 * cube - 3 * square + 1) * places[index]
        + (cube - 2 * square + share) * length * tangents[index]
        + (3 * square - 2 * cube) * places[index + 1]
        + (cube - square) * length * tangents[index + 1]
    )
