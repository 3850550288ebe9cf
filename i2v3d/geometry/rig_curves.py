"""Curves and turns of a rig over time: smooth keys, blending of turns, shares and weights of clips."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.motion import rotation_about
from i2v3d.geometry.rig import Curve, Play

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


def weight_at(play: Play, frame: float) -> float:
    """Returns how much of a clip shows at a frame, 0 to 1."""
    if not play.start <= frame <= play.end:
        return 0.0
    into = (frame - play.start) / play.fade_in if play.fade_in > 0 else 1.0
    out = (play.end - frame) / play.fade_out if play.fade_out > 0 else 1.0
    t = min(1.0, into, out)
    return t * t * (3 - 2 * t)


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
