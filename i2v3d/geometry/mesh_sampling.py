"""Which step of a mesh that changes over time a frame shows: between two steps its vertices go straight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from i2v3d.geometry.frames import Array


def sampled(
    places: Array, numbers: Sequence[int], *, steps_per_frame: float, start: float, is_looped: bool, frame_count: int
) -> Array:
    """Returns float32 (frames, vertices, 3), the vertices at every frame of a clip.

    Args:
        places: (steps, vertices, 3).
        numbers: Step that each of `places` is for, ascending from 0; empty = 0, 1, 2, ...
        steps_per_frame: Of the clip.
        start: Frame of the first one, which is held until then.
        is_looped: One step after the last one comes the first one again; else the last one is held.
        frame_count: Of the clip.
    """
    at = np.asarray(numbers if len(numbers) else range(len(places)), np.float64)
    wanted = np.maximum((np.arange(frame_count) - start) * steps_per_frame, 0.0)
    which = np.arange(len(at))
    if is_looped:
        wanted = np.mod(wanted, at[-1] + 1)
        at, which = np.append(at, at[-1] + 1), np.append(which, 0)
    # Times a rounding away from a step are at it: a file a frame then gives exactly the files.
    wanted = np.where(np.abs(wanted - np.round(wanted)) < 1e-6, np.round(wanted), wanted)
    wanted = np.minimum(wanted, at[-1])
    before = np.clip(np.searchsorted(at, wanted, side="right") - 1, 0, max(len(at) - 2, 0))
    after = np.minimum(before + 1, len(at) - 1)
    share = (wanted - at[before]) / np.maximum(at[after] - at[before], 1e-12)
    shown = np.empty((frame_count, *places.shape[1:]), np.float32)
    for frame, (low, high, t) in enumerate(zip(which[before], which[after], share, strict=True)):
        shown[frame] = places[low] * (1 - t) + places[high] * t
    return shown
