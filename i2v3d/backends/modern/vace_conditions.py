"""What Wan VACE is told of an interval: pictures to keep, depth to follow, and how much, in its own sizes.

VACE reads one video and one mask. Where the mask is 0 the video shows what stays, where it is 1 it shows a control
(here depth, near is white) or, where nothing is asked for, middle grey. Its autoencoder takes 4k + 1 frames, and its
transformer tokens of 16 x 16 pixels and four frames (the first frame alone).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.backends.paper.padding import Padding
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from i2v3d.backends.base import GuidedFrame

MAX_FRAMES = 81
SHARED_FRAMES = 5  # two groups of the autoencoder: enough to see a motion and go on with it
_GREY = 0.5


@dataclass(frozen=True)
class Grid:
    """How a model cuts a video: `frames` of a group (the first frame is a group of its own), `pixels` of a token."""

    frames: int = 4
    pixels: int = 16


@dataclass(frozen=True)
class Conditions:
    """One call of the model.

    Attributes:
        video: float32 (frames, height, width, 3) in 0..1.
        mask: float32 (frames, height, width, 1): 1 where frames are made, 0 where they are kept.
        token_scale: float32 (tokens,): scale of the control branch, in the order group, row, column; at least 1.
    """

    video: Array
    mask: Array
    token_scale: Array


def windows(count: int, *, most: int = MAX_FRAMES, shared: int = SHARED_FRAMES) -> tuple[range, ...]:
    """Returns the frames of each call for an interval: one range where they fit, else ranges of about equal length.

    Args:
        count: Frames of the interval.
        most: Frames of the longest call.
        shared: Frames that a call has in common with the one before.
    """
    if count <= most:
        return (range(count),)
    calls = -(-(count - shared) // (most - shared))
    starts = [round(index * (count - shared) / calls) for index in range(calls + 1)]
    return tuple(range(start, stop + shared) for start, stop in pairwise(starts))


def whole_groups(count: int, grid: Grid) -> int:
    """Returns the smallest number of frames, no less than `count`, that makes whole groups."""
    return 1 + -(-(count - 1) // grid.frames) * grid.frames


def conditions(
    frames: Sequence[GuidedFrame], kept: Mapping[int, Array], *, depth_scale: float, grid: Grid
) -> Conditions:
    """Returns the conditions of one call; the last frame is repeated and pictures are widened until the sizes fit.

    A strength below 1 fades depth to grey: at 0 the model is asked to fill in freely between the kept frames, as it was
    trained to. The scale of the control branch can't do this, since the kept frames come to the model through the same
    branch: it serves strengths above 1, for each token that of its pixels' mean.

    Args:
        frames: The renders.
        kept: By index, uint8 (height, width, 3) pictures that stay.
        depth_scale: Multiplies the strength of every frame.
        grid: The model's.
    """
    height, width = frames[0].depth.shape
    count = whole_groups(len(frames), grid)
    padding = Padding(height, width, grid.pixels)
    video, mask, scales = [], [], []
    for index in range(count):
        own = min(index, len(frames) - 1)
        if own in kept:
            picture = kept[own].astype(np.float32) / 255
            strength = np.ones((height, width), np.float32)
        else:
            strength = frames[own].strength * np.float32(depth_scale)
            faded = _GREY + np.minimum(strength, 1) * (frames[own].depth - _GREY)
            picture = np.repeat(faded[..., None], 3, axis=2)
        video.append(padding.pad(picture))
        mask.append(np.full((*video[-1].shape[:2], 1), own not in kept, np.float32))
        scales.append(padding.pad(np.maximum(strength, 1)))
    return Conditions(
        video=np.stack(video).astype(np.float32),
        mask=np.stack(mask),
        token_scale=_by_token(np.stack(scales), grid),
    )


def _by_token(scales: Array, grid: Grid) -> Array:
    """Returns the mean of (frames, height, width) over each token, as one row."""
    frames, height, width = scales.shape
    size = grid.pixels
    cells = scales.reshape(frames, height // size, size, width // size, size).mean(axis=(2, 4))
    groups = [cells[0], *cells[1:].reshape(-1, grid.frames, *cells.shape[1:]).mean(axis=1)]
    return np.stack(groups).astype(np.float32).ravel()
