"""Soft follow-through: a body whose free parts lag behind its motion, overshoot and settle, like jelly on a plate.

A copy of this module lies beside every generated scene script (see `motion`), so it imports numpy and
`held_region` only. Every point is a mass on a damped spring that pulls it to where the rigid body has it:

    d'' + 2 z w d' + w^2 d = -a        a: acceleration of the point of the rigid body

All points have one frequency `w`, so `d` is an affine function of the place at rest, whatever the motion: a 3x4
matrix is simulated, in place of a mesh, exactly over each frame, and can't blow up. Each point then shows as much
of its `d` as it is free. Blender's own soft body was measured first: a ball that moves by two of its sizes and
stops strays by two sizes and is not back after a second; 5 cm large, by nine; at another frame rate it does
something else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.held_region import HeldRegion, freedom

Array = NDArray[Any]

_STIFFEST_HZ, _SOFTEST_HZ = 8.0, 1.3
_MOST = 0.45  # of the body's extent that a point may be off, whatever the motion


@dataclass(frozen=True)
class Softness:
    """How soft a body is.

    Attributes:
        amount: 0 for a stiff body (8 swings a second) to 1 for a very soft one (1.3 swings a second).
        damping: 0 swings on, 1 settles at about the second swing.
        region: What moves with the body as if it were stiff.
    """

    amount: float
    damping: float
    region: HeldRegion


def follow_through(points: Array, poses: Array, softness: Softness, fps: float) -> Array:
    """Returns world places (frames, n, 3) of the points of a soft body; before the clip it moves on evenly.

    Args:
        points: (n, 3) in the body's own frame.
        poses: (frames, 4, 4) `world_from_body`, stiff.
        softness: How it gives.
        fps: Frames a second.
    """
    homogeneous = np.hstack([np.asarray(points, np.float64), np.ones((len(points), 1))])
    lags = _lags(np.asarray(poses, np.float64)[:, :3], softness, fps)
    free = freedom(points, softness.region)[:, None]
    first = homogeneous @ poses[0][:3].T
    most = _MOST * float(np.ptp(first, axis=0).max())
    placed = []
    for pose, lag in zip(poses, lags, strict=True):
        off = free * (homogeneous @ lag.T)
        length = np.linalg.norm(off, axis=1, keepdims=True)
        placed.append(homogeneous @ pose[:3].T + off / np.sqrt(1.0 + (length / most) ** 2))
    return np.stack(placed)


def _lags(poses: Array, softness: Softness, fps: float) -> Array:
    """Returns the 3x4 matrices (frames, 3, 4) of how far points are off, by their places in the body."""
    frequency = math.tau * _STIFFEST_HZ * (_SOFTEST_HZ / _STIFFEST_HZ) ** softness.amount
    ratio = 0.02 + 0.5 * softness.damping
    way, speed = np.zeros((3, 4)), np.zeros((3, 4))
    lags = [way]
    around = np.concatenate([2 * poses[:1] - poses[1:2], poses, poses[-1:]]) if len(poses) > 1 else None
    for frame in range(1, len(poses)):
        assert around is not None, "a clip of several frames"
        # `around[i + 1]` is frame i: accelerations at the two ends of the interval that ends here.
        start, end = (
            (around[i + 2] - 2 * around[i + 1] + around[i]) * fps**2 for i in (frame - 1, min(frame, len(poses) - 2))
        )
        way, speed = _swing(way, speed, -(start + end) / 2, (frequency, ratio, 1.0 / fps))
        lags.append(way)
    return np.stack(lags)


def _swing(way: Array, speed: Array, push: Array, spring: tuple[float, float, float]) -> tuple[Array, Array]:
    """Returns way and speed of a damped spring after a time under a constant push, exactly.

    `spring` is its angular frequency, its damping ratio below one, and the time in seconds.
    """
    frequency, ratio, time = spring
    rest = push / frequency**2
    swing = frequency * math.sqrt(1 - ratio**2)
    decay = math.exp(-ratio * frequency * time)
    cosine, sine = math.cos(swing * time), math.sin(swing * time)
    off = way - rest
    turned = (speed + ratio * frequency * off) / swing
    after = decay * (off * cosine + turned * sine)
    faster = -ratio * frequency * after + decay * swing * (turned * cosine - off * sine)
    return rest + after, faster
