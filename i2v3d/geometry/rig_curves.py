"""Curves and turns of a rig over time: smooth keys, blending of turns, shares and weights of clips."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.motion import rotation_about
from i2v3d.geometry.rig import Curve, Play, Track

Array = NDArray[Any]


def curve_at(curve: Curve, share: float, *, is_cycle: bool) -> Array:
    """Returns the value at a share of a clip: smooth through the keys, at rest at the ends of what is no cycle."""
    if len(curve) == 1:
        return np.array(curve[0][1], np.float64)
    shares = [key[0] for key in curve]
    values = [np.array(key[1], np.float64) for key in curve]
    if is_cycle:
        share = share - math.floor(share)
        shares = [shares[-2] - 1, shares[-1] - 1, *shares, shares[0] + 1, shares[1] + 1]
        values = [*values[-2:], *values, *values[:2]]
    share = min(max(share, shares[0]), shares[-1])
    after = next(index for index in range(1, len(shares)) if share <= shares[index])
    before = after - 1
    length = shares[after] - shares[before]
    t = (share - shares[before]) / length
    into, out = (_slope(shares, values, index) * length for index in (before, after))
    return np.asarray(
        (2 * t**3 - 3 * t**2 + 1) * values[before]
        + (t**3 - 2 * t**2 + t) * into
        + (3 * t**2 - 2 * t**3) * values[after]
        + (t**3 - t**2) * out
    )


def _slope(shares: list[float], values: list[Array], index: int) -> Array:
    if index == 0 or index == len(shares) - 1:
        return np.zeros_like(values[index])
    left = (values[index] - values[index - 1]) / (shares[index] - shares[index - 1])
    right = (values[index + 1] - values[index]) / (shares[index + 1] - shares[index])
    # Flat at a turning point and never steeper than twice a side: no swing beyond the keys.
    mean = (left + right) / 2
    bound = 2 * np.minimum(np.abs(left), np.abs(right))
    return np.where(left * right > 0, np.sign(mean) * np.minimum(np.abs(mean), bound), 0.0)


_SEAM = 0.12  # of a repeated track: this long it takes to come back to its first pose


def track_at(track: Track, share: float, *, is_cycle: bool) -> tuple[Array, Array]:
    """Returns a track's turns (bones, 3, 3) and way (3,) at a share of it.

    A repeated one comes back to its first pose in its last part, and goes on from where it has come to.
    """
    last = len(track.turns) - 1
    rounds = math.floor(share) if is_cycle else 0
    inside = share - rounds if is_cycle else min(max(share, 0.0), 1.0)
    before = min(int(inside * last), max(last - 1, 0))
    after, t = min(before + 1, last), inside * last - before
    turns = _mixed(track.turns[before], track.turns[after], t)
    way = (1 - t) * track.ways[before] + t * track.ways[after]
    if is_cycle:
        back = eased_between((inside - 1 + _SEAM) / _SEAM)
        turns = _mixed(turns, track.turns[0], back)
        way[2] += back * (track.ways[0, 2] - way[2])
        way[:2] += rounds * (track.ways[-1] - track.ways[0])[:2]
    return rotations_of(turns), way


def _mixed(first: Array, second: Array, share: float) -> Array:
    """Returns unit quaternions (n, 4) between those of two moments, the short way round."""
    near = np.where((first * second).sum(axis=1, keepdims=True) < 0, -second, second)
    mixed = (1 - share) * first + share * near
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True))


def rotations_of(quaternions: Array) -> Array:
    """Returns the rotation matrices (..., 3, 3) of unit quaternions (..., 4), (w, x, y, z)."""
    w, x, y, z = np.moveaxis(np.asarray(quaternions, np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def eased_between(t: float) -> float:
    """Returns 0 to 1, smooth at both ends."""
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def shown_between(frame: float, start: float, end: float, fade_in: float, fade_out: float) -> float:
    """Returns how much shows at a frame, 0 to 1, of what lasts from one frame to another."""
    if not start <= frame <= end:
        return 0.0
    into = (frame - start) / fade_in if fade_in > 0 else 1.0
    out = (end - frame) / fade_out if fade_out > 0 else 1.0
    return eased_between(min(1.0, into, out))


def weight_at(play: Play, frame: float) -> float:
    """Returns how much of a clip shows at a frame, 0 to 1."""
    return shown_between(frame, play.start, play.end, play.fade_in, play.fade_out)


def shares_over_time(play: Play, frame_count: int) -> Array:
    """Returns the share of the clip at every frame, growing past 1 in cycles, by the clock."""
    shares = (np.arange(frame_count) - play.start) / play.frames
    return shares if play.is_cycle else np.clip(shares, 0.0, 1.0)


def shares_over_way(play: Play, ways: Array, stride: float) -> Array:
    """Returns the share of the clip at every frame by the way travelled.

    Args:
        play: A clip with a stride.
        ways: Way travelled until each frame.
        stride: Way of a cycle in the same unit.
    """
    first = min(max(math.ceil(play.start), 0), len(ways) - 1)
    return np.asarray((ways - ways[first]) / stride)


def slerp(first: Array, second: Array, share: float) -> Array:
    """Returns the turn between two rotation matrices, along the shortest way."""
    if share <= 0.0:
        return first
    if share >= 1.0:
        return second
    axis, angle = axis_angle(second @ first.T)
    return np.asarray(rotation_about(axis, angle * share) @ first)


def axis_angle(rotation: Array) -> tuple[Array, float]:
    """Returns the unit axis and the angle (0 to pi) of a rotation matrix."""
    w, x, y, z = quaternion(rotation)
    sine = math.sqrt(x * x + y * y + z * z)
    if sine < 1e-12:
        return np.array([0.0, 0.0, 1.0]), 0.0
    return np.array([x, y, z]) / sine, 2 * math.atan2(sine, w)


def quaternion(rotation: Array) -> tuple[float, float, float, float]:
    """Returns (w, x, y, z), w >= 0, of a rotation matrix."""
    m = rotation
    squares = np.array([m[0, 0] + m[1, 1] + m[2, 2], m[0, 0], m[1, 1], m[2, 2]])
    largest = int(np.argmax(squares))
    if largest == 0:
        q = np.array([1 + squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    else:
        i = largest - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.zeros(4)
        q[0] = m[k, j] - m[j, k]
        q[1 + i] = 1 + m[i, i] - m[j, j] - m[k, k]
        q[1 + j] = m[j, i] + m[i, j]
        q[1 + k] = m[k, i] + m[i, k]
    q = q / np.linalg.norm(q) * (1.0 if q[0] >= 0 else -1.0)
    return float(q[0]), float(q[1]), float(q[2]), float(q[3])


def quaternions_of(rotations: Array) -> Array:
    """Returns unit quaternions (..., 4), (w, x, y, z), of rotation matrices (..., 3, 3)."""
    flat = np.asarray(rotations, np.float64).reshape(-1, 3, 3)
    return np.array([quaternion(one) for one in flat]).reshape(*np.shape(rotations)[:-2], 4)


def turn_between(first: Array, second: Array) -> Array:
    """Returns the smallest turn (3x3) that brings one direction to another."""
    a, b = first / np.linalg.norm(first), second / np.linalg.norm(second)
    cross, dot = np.cross(a, b), float(a @ b)
    sine = float(np.linalg.norm(cross))
    if sine < 1e-9:
        if dot > 0:
            return np.eye(3)
        aside = np.cross(a, np.eye(3)[int(np.argmin(np.abs(a)))])
        return rotation_about(aside / np.linalg.norm(aside), math.pi)
    return rotation_about(cross / sine, math.atan2(sine, dot))
