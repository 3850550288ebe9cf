"""When feet stand on the ground in captured motion, and how far it goes over the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.rig import Interval

# In lengths of a leg, and those a second: a joint this low and this slow stands.
LOW = 0.025
SLOW = 0.35
_SHORTEST_S = 0.08
_SMOOTH_S = 0.2


@dataclass(frozen=True)
class Steps:
    """Intervals of shares per foot; `stride` is the way over the ground; on the spot, the ground moves instead."""

    contacts: tuple[tuple[Interval, ...], ...]
    stride: float
    is_on_the_spot: bool


def find_steps(feet: Array, root: Array, fps: float) -> Steps:
    """Returns what the feet of a motion do.

    Args:
        feet: (frames, feet, 3) places of the joints that stand, z over their height at rest, in lengths of a leg.
        root: (frames, 3) way of the root, in lengths of a leg.
        fps: Frames a second.
    """
    count = feet.shape[1]
    if count == 0 or len(feet) < 3:
        return Steps(((),) * count, 0.0, is_on_the_spot=False)
    moves = np.gradient(feet[..., :2], axis=0) * fps
    lowest = feet[..., 2].argmin(axis=1)
    frames = np.arange(len(feet))
    down = np.flatnonzero(feet[frames, lowest, 2] < LOW)
    if not len(down):
        return Steps(((),) * count, 0.0, is_on_the_spot=False)
    # What moves under the feet, in flight too.
    belt = np.stack([np.interp(frames, down, moves[down, lowest[down], axis]) for axis in range(2)], axis=1)
    root_speed = np.gradient(root[:, :2], axis=0) * fps
    over_ground = _smooth(root_speed - belt, fps)
    stride = float(np.linalg.norm(over_ground, axis=1)[:-1].sum() / fps)
    gone = float(np.linalg.norm(_smooth(root_speed, fps), axis=1)[:-1].sum() / fps)
    is_on_the_spot = stride > 0.5 and gone < 0.3 * stride
    ground = _smooth(belt, fps) if is_on_the_spot else np.zeros_like(belt)
    if is_on_the_spot:
        # A treadmill is even; a joint that rolls over the toes is not.
        stride = float(np.linalg.norm(np.median(moves[down, lowest[down]], axis=0))) * (len(feet) - 1) / fps
    speed = np.linalg.norm(moves - ground[:, None], axis=2)
    stands = (feet[..., 2] < LOW) & (speed < (3 * SLOW if is_on_the_spot else SLOW))
    return Steps(tuple(_spans(stands[:, foot], fps) for foot in range(count)), round(stride, 6), is_on_the_spot)


def floor_height(lows: Array, fps: float) -> float:
    """Returns the height of the ground: where the lower foot (frames,), in lengths of a leg, stays."""
    if len(lows) < 3:
        return float(lows.min())
    stays = (np.abs(np.gradient(lows) * fps) < 0.1) & (lows < lows.min() + 0.2)
    return float(np.quantile(lows[stays], 0.15) if stays.any() else np.quantile(lows, 0.02))


def _smooth(values: Array, fps: float) -> Array:
    """Returns (frames, n) averaged over a fifth of a second."""
    width = max(1, round(_SMOOTH_S * fps)) | 1
    padded = np.pad(values, ((width // 2, width // 2), (0, 0)), mode="edge")
    kernel = np.full(width, 1 / width)
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in range(values.shape[1])], axis=1)


def _spans(stands: Array, fps: float) -> tuple[Interval, ...]:
    """Returns the intervals, as shares of the clip, in which a flag is set for long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], stands, [False]]).astype(int)))
    last = len(stands) - 1
    return tuple(
        (round(float(first) / last, 6), round(float(after - 1) / last, 6))
        for first, after in edges.reshape(-1, 2)
        if after - first >= max(2, _SHORTEST_S * fps)
    )
