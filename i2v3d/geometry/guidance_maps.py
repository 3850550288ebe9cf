"""From a frame's passes to what guides a generative model: depth condition, masks, strengths by place."""

from __future__ import annotations

import math

import numpy as np

from i2v3d.geometry.frames import Array

_LARGEST_STEP_OCTAVES = 1 / 8
_SMALLEST_RANGE_OCTAVES = 1 / 8
_STEPS_PER_RANGE = 8
_UNBOUNDED_M = 1e6
_IGNORED_PERCENT = 2.0


def depth_extent(depth_m: Array) -> tuple[float, float]:
    """Returns the nearest and the farthest depth of a frame in metres; the farthest is inf where nothing is.

    The nearest and the farthest fiftieth of the pixels don't count: a strip of ground at the picture's edge would
    take the whole range and leave everything else one grey.

    Args:
        depth_m: float32 (height, width), planar z-depth, +inf where nothing is.
    """
    nearest = np.percentile(depth_m, _IGNORED_PERCENT, method="lower")
    farthest = np.percentile(depth_m, 100 - _IGNORED_PERCENT, method="higher")
    return float(nearest), float(farthest)


def rounded_extent(near_m: float, far_m: float) -> tuple[float, float]:
    """Returns the range widened to steps of at most an eighth of itself, so that a small edit of a clip leaves it be.

    Steps are a power of two of an octave, an eighth at the most.
    """
    is_bounded = far_m < _UNBOUNDED_M
    octaves = max(math.log2(far_m / near_m), _SMALLEST_RANGE_OCTAVES) if is_bounded else math.inf
    step = _LARGEST_STEP_OCTAVES
    while step > octaves / _STEPS_PER_RANGE:
        step /= 2
    near = 2 ** (math.floor(math.log2(near_m) / step) * step)
    return near, 2 ** (math.ceil(math.log2(far_m) / step) * step) if is_bounded else math.inf


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
