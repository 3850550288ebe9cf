"""From a frame's passes to what guides a generative model: depth condition, masks, strengths by place."""

from __future__ import annotations

import math

import numpy as np

from i2v3d.geometry.frames import Array

_STEPS_PER_OCTAVE = 8
_UNBOUNDED_M = 1e6


def depth_extent(depth_m: Array) -> tuple[float, float]:
    """Returns the nearest and the farthest depth of a frame in metres; the farthest is inf where nothing is.

    Args:
        depth_m: float32 (height, width), planar z-depth, +inf where nothing is.
    """
    return float(depth_m.min()), float(depth_m.max())


def rounded_extent(near_m: float, far_m: float) -> tuple[float, float]:
    """Returns the range widened to steps of an eighth of an octave, so that a small edit of a clip leaves it alone."""
    near = 2 ** (math.floor(math.log2(near_m) * _STEPS_PER_OCTAVE) / _STEPS_PER_OCTAVE)
    if not far_m < _UNBOUNDED_M:
        return near, math.inf
    return near, 2 ** (math.ceil(math.log2(far_m) * _STEPS_PER_OCTAVE) / _STEPS_PER_OCTAVE)


def depth_condition(depth_m: Array, near_m: float, far_m: float) -> Array:
    """Returns float32 (height, width) in 0..1: inverse depth, 1 at `near_m`, 0 at `far_m` and beyond.

    Args:
        depth_m: float32 (height, width), planar z-depth, +inf where nothing is.
        near_m: Depth that becomes 1.
        far_m: Depth that becomes 0; may be inf.
    """
    nearest, farthest = 1 / near_m, 0.0 if math.isinf(far_m) else 1 / far_m
    if nearest <= farthest:  # everything at one depth
        return np.ones_like(depth_m, dtype=np.float32)
    with np.errstate(divide="ignore"):
        inverse = 1 / depth_m
    return np.clip((inverse - farthest) / (nearest - farthest), 0, 1).astype(np.float32)


def strength_map(ids: Array, strengths: tuple[float, ...]) -> Array:
    """Returns float32 (height, width): the strength of whatever each pixel shows.

    Args:
        ids: uint8 (height, width), object ids.
        strengths: By id; ids beyond have that of the background.
    """
    table = np.full(256, strengths[1], np.float32)
    table[: len(strengths)] = strengths
    return table[ids]
