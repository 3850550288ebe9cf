"""Which frame of a baseline each frame of a clip is: names frames that were dropped, doubled or exchanged.

Every frame is compared with its neighbours in the baseline; the cheapest path through those distances wins, where every
jump in time costs something. The cost of a jump is well above what compression does to a picture, so that a slow
passage, whose frames all look alike, stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2v3d.geometry.frames import Array

_FURTHEST = 6  # frames, besides the difference in their number
_LONGEST_SLIP = 2  # frames
_SMALL = (64, 36)  # columns, rows
_LEAST_COST = 0.02  # squared levels of 255: exact frames tell as little as this apart
_NOISE_FACTOR = 0.8
JumpKind = Literal["dropped", "doubled", "exchanged", "inserted"]


@dataclass(frozen=True)
class Jump:
    """A place at which time does not go on as in the baseline.

    Attributes:
        frame: Of the clip.
        shown: Frame of the baseline that it looks like.
        count: How many frames are missing, too many, or out of order.
    """

    kind: JumpKind
    frame: int
    shown: int
    count: int


def small_picture(thumbnail: Array) -> Array:
    """Returns what distances in time are measured on: float32 (values,)."""
    import cv2

    return np.asarray(cv2.resize(thumbnail, _SMALL, interpolation=cv2.INTER_AREA), np.float32).ravel()


def align(before: Sequence[Array], after: Sequence[Array]) -> Array:
    """Returns int (frames of `after`,): the frame of `before` that each looks like.

    Args:
        before: `small_picture` of each frame of the baseline.
        after: Of the clip.
    """
    distances = squared_distances(np.stack(before), np.stack(after))
    count, many = distances.shape
    reach = _FURTHEST + abs(many - count)
    offsets = np.arange(-reach, reach + 1)
    frames = np.arange(count)[:, None] + offsets[None, :]
    is_there = (frames >= 0) & (frames < many)
    costs = np.where(is_there, distances[np.arange(count)[:, None], np.clip(frames, 0, many - 1)], np.inf)
    return np.asarray(np.arange(count) + offsets[_cheapest_path(costs, jump_cost(costs), reach)])


def squared_distances(before: Array, after: Array) -> Array:
    """Returns (frames of `after`, frames of `before`): mean squared difference, of 255 squared."""
    a, b = after.astype(np.float64), before.astype(np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.maximum(squares, 0) / a.shape[1]


def jump_cost(costs: Array) -> float:
    """Returns what one jump in time costs, by how much even the most similar frames differ."""
    return float(max(_LEAST_COST, _NOISE_FACTOR * np.median(costs.min(axis=1))))


def _cheapest_path(costs: Array, jump: float, home: int) -> Array:
    """Returns the index into the second axis for each row; `home` is where the path starts for free."""
    count, width = costs.shape
    total = costs[0] + np.where(np.arange(width) == home, 0.0, jump)
    came_from = np.zeros((count, width), int)
    for row in range(1, count):
        best = int(np.argmin(total))
        stays = total <= total[best] + jump
        came_from[row] = np.where(stays, np.arange(width), best)
        total = np.where(stays, total, total[best] + jump) + costs[row]
    path = np.zeros(count, int)
    # Of equally good ends the one nearest to where it should be.
    path[-1] = min(range(width), key=lambda index: (total[index], abs(index - home)))
    for row in range(count - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path


def jumps(shown: Array, baseline_count: int) -> tuple[Jump, ...]:
    """Returns the places at which `align` did not go from a frame to the next one."""
    found: list[Jump] = []
    frame, expected, count = 0, 0, len(shown)
    while frame < count:
        ahead = int(shown[frame]) - expected
        if ahead == 0:
            frame, expected = frame + 1, expected + 1
            continue
        end = _exchanged_until(shown, frame, expected)
        if end:
            found.append(Jump("exchanged", frame, int(shown[frame]), end - frame))
            expected += end - frame
            frame = end
            continue
        back = _returns(shown, frame, expected)
        if back:
            found.append(Jump("doubled", frame, int(shown[frame]), back - frame))
            expected += back - frame
            frame = back
        elif ahead > 0:
            found.append(Jump("dropped", frame, int(shown[frame]), ahead))
            expected = int(shown[frame])
        else:
            found.append(Jump("inserted", frame, int(shown[frame]), -ahead))
            expected = int(shown[frame])
    if expected < baseline_count:
        found.append(Jump("dropped", count, expected, baseline_count - expected))
    return tuple(found)


def _exchanged_until(shown: Array, frame: int, expected: int) -> int:
    """Returns the end of a short run that holds the right frames in a wrong order, or 0."""
    for length in range(2, 2 * _FURTHEST + 1):
        run = sorted(shown[frame : frame + length])
        if run == list(range(expected, expected + length)):
            return frame + length
    return 0


def _returns(shown: Array, frame: int, expected: int) -> int:
    """Returns the frame at which a run of wrong frames ends and time goes on as it should, or 0."""
    for length in range(1, 2 * _FURTHEST + 1):
        if frame + length < len(shown) and shown[frame + length] == expected + length:
            # A long passage that is early or late by the same is not doubled: something is dropped or put in before it.
            is_passage = length > _LONGEST_SLIP and (np.diff(shown[frame : frame + length]) == 1).all()
            return 0 if is_passage else frame + length
    return 0
