"""Chains of exact render flow: where each pixel's surface was in another frame, and whether it was seen.

Pixel positions here are array indices (the centre of the first pixel is (0, 0)), as `cv2.remap` has
them. Where nothing was drawn (id 0) the flow is continued from the background, so that what a keyframe
invented there can be carried too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from i2v3d.artifacts.scene import FramePasses
from i2v3d.geometry.frames import Array

# Forward and backward flow must cancel to this, plus a share of their length for sampling between pixels.
_ROUND_TRIP_PX = 0.35
_ROUND_TRIP_SHARE = 0.05
_DEPTH_RATIO = 1.12  # a surface that changes its depth more than this from frame to frame is another one


@dataclass(frozen=True)
class Track:
    """Where the surface under each pixel of a frame lies in one fixed frame, the key.

    Attributes:
        at_px: float32 (height, width, 2), x and y in the key.
        is_visible: bool (height, width), True where the key shows that surface.
        is_own: bool (height, width), True where the way to the key stays on the same object, seen or not.
    """

    at_px: Array
    is_visible: Array
    is_own: Array

    def part(self, rows: slice, columns: slice) -> Track:
        """Returns the track of some rows and columns."""
        return Track(self.at_px[rows, columns], self.is_visible[rows, columns], self.is_own[rows, columns])


@dataclass(frozen=True)
class Motion:
    """The passes of a frame made ready for tracking: every pixel has a surface and a flow."""

    ids: Array
    log_depth: Array
    forward_px: Array
    backward_px: Array


@lru_cache(maxsize=2)
def pixel_grid(shape: tuple[int, ...]) -> Array:
    """Returns float32 (height, width, 2): each pixel's own position. Read-only."""
    height, width = shape
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    grid = np.stack([columns, rows], axis=-1)
    grid.flags.writeable = False
    return grid


def resting_track(shape: tuple[int, ...]) -> Track:
    """Returns the track of the key itself."""
    return Track(pixel_grid(shape), np.ones(shape, bool), np.ones(shape, bool))


def motion_of(passes: FramePasses) -> Motion:
    """Returns the motion of a frame; pixels where nothing was drawn move on with the background."""
    is_hole = passes.ids == 0
    depth_m = np.where(np.isfinite(passes.depth_m), passes.depth_m, np.float32(1e6))
    log_depth = np.log(np.maximum(depth_m, np.float32(1e-6)))
    if not is_hole.any():
        return Motion(passes.ids, log_depth, passes.flow_forward_px, passes.flow_backward_px)
    is_source = passes.ids == 1 if (passes.ids == 1).any() else ~is_hole
    if not is_source.any():
        return Motion(np.ones_like(passes.ids), log_depth, passes.flow_forward_px, passes.flow_backward_px)
    fields = (passes.flow_forward_px, passes.flow_backward_px, log_depth[..., None])
    forward, backward, log_depth = (continue_smoothly(field, is_source, is_hole) for field in fields)
    return Motion(np.maximum(passes.ids, 1), log_depth[..., 0], forward, backward)


def step_back(previous: Motion, current: Motion, track: Track) -> Track:
    """Returns the track of `current`, given that of the frame before it."""
    return _step(current, previous, current.backward_px, previous.forward_px, track)


def step_ahead(following: Motion, current: Motion, track: Track) -> Track:
    """Returns the track of `current`, given that of the frame after it."""
    return _step(current, following, current.forward_px, following.backward_px, track)


def _step(here: Motion, there: Motion, flow_px: Array, return_px: Array, track: Track) -> Track:
    shape = here.ids.shape
    at_px = pixel_grid(shape) + flow_px
    nearest = nearest_pixels(at_px)
    # Between two surfaces there is nothing to average: there the nearest pixel's motion is taken as it is.
    is_one = _is_one_surface(there)
    back_px = np.where(pick(is_one, nearest)[..., None], sample(return_px, at_px), pick(return_px, nearest))
    error_px, length_px = _longest(back_px + flow_px), _longest(flow_px)
    height, width = shape
    is_seen = error_px <= _ROUND_TRIP_PX + _ROUND_TRIP_SHARE * length_px
    is_own = pick(there.ids, nearest) == here.ids
    is_seen &= is_own
    is_seen &= np.abs(pick(there.log_depth, nearest) - here.log_depth) <= np.log(_DEPTH_RATIO)
    x, y = nearest[..., 0], nearest[..., 1]
    is_seen &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
    was_seen = track.is_visible.view(np.uint8)
    is_seen &= pick(was_seen, nearest).view(bool)
    # Sampling the shift instead of the position keeps the motion going at the frame's border.
    shifts_px = track.at_px - pixel_grid(shape)
    is_edge = was_seen & ~(is_one & cv2.erode(was_seen, np.ones((3, 3), np.uint8)))
    shift_px = np.where(pick(is_edge, nearest)[..., None], pick(shifts_px, nearest), sample(shifts_px, at_px))
    is_own &= pick(track.is_own.view(np.uint8), nearest).view(bool)
    return Track(at_px + shift_px, is_seen, is_own)


def _longest(vectors_px: Array) -> Array:
    """Returns the larger of |x| and |y|; numpy's own maximum over so short an axis takes ten times as long."""
    size = np.abs(vectors_px)
    return np.maximum(size[..., 0], size[..., 1])


def _is_one_surface(motion: Motion) -> Array:
    """Returns uint8 (height, width), 1 where a pixel and its neighbours show the same surface, else 0."""
    square = np.ones((3, 3), np.uint8)
    is_one = cv2.dilate(motion.ids, square) == cv2.erode(motion.ids, square)
    jump = cv2.dilate(motion.log_depth, square) - cv2.erode(motion.log_depth, square)
    is_one &= jump <= 2 * np.log(_DEPTH_RATIO)
    return is_one.view(np.uint8)


def sample(picture: Array, at_px: Array) -> Array:
    """Returns the picture at positions (height, width, 2), bilinear, edges repeated."""
    return cv2.remap(
        np.ascontiguousarray(picture), at_px[..., 0], at_px[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def sample_sharp(picture: Array, at_px: Array) -> Array:
    """Returns the picture at positions (height, width, 2), bicubic, edges repeated."""
    return cv2.remap(
        np.ascontiguousarray(picture), at_px[..., 0], at_px[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def sample_nearest(picture: Array, at_px: Array) -> Array:
    """Returns the picture at the pixels nearest to positions (height, width, 2), edges repeated."""
    return pick(picture, nearest_pixels(at_px))


def nearest_pixels(at_px: Array) -> Array:
    """Returns int16 (height, width, 2), the pixels nearest to positions.

    OpenCV itself rounds halves up for some pixel types and to even for others, which would give a pixel the
    object of one neighbour and the motion of another.
    """
    return np.clip(np.rint(at_px), -32768, 32767).astype(np.int16)


def pick(picture: Array, pixels: Array) -> Array:
    """Returns the picture at these pixels, int16 (height, width, 2), edges repeated."""
    no_second_map: Any = None  # the type stub lacks the form with integer positions
    return cv2.remap(
        np.ascontiguousarray(picture), pixels, no_second_map, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )


def stretch_of(track: Track) -> tuple[Array, Array]:
    """Returns the largest and the smallest stretch since the key, float32 (height, width) each.

    They are the inverse singular values of the derivative of `at_px`: 2 means that one pixel of the key
    now covers two.
    """
    along_x = _derivative(track.at_px, 1)
    along_y = _derivative(track.at_px, 0)
    total = (along_x**2).sum(2) + (along_y**2).sum(2)
    determinant = np.abs(along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0])
    root = np.sqrt(np.maximum(total**2 - 4 * determinant**2, 0))
    small = np.sqrt(np.maximum((total - root) / 2, 1e-6))
    large = np.sqrt(np.maximum((total + root) / 2, 1e-6))
    return 1 / small, 1 / large


def _derivative(field: Array, axis: int) -> Array:
    return np.gradient(field, axis=axis).astype(np.float32)


def continue_smoothly(field: Array, is_source: Array, is_wanted: Array) -> Array:
    """Returns the field (height, width, channels) with wanted pixels continued from the source pixels.

    A plane fitted to the source carries the trend outwards; what is left of it is spread by `spread`. Both
    are found at a quarter of the size: what is wanted is a smooth guess.
    """
    height, width = is_source.shape
    size = (max(width // 4, 1), max(height // 4, 1))
    weight = cv2.resize(is_source.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    is_known = weight > 0.3
    if not is_known.any():
        return field

    def mean_of(values: Array) -> Array:
        total = cv2.resize(np.where(is_source[..., None], values, 0), size, interpolation=cv2.INTER_AREA)
        return total.reshape(size[1], size[0], -1).astype(np.float64) / np.maximum(weight, 1e-6)[..., None]

    grid = pixel_grid(is_source.shape)
    mean = mean_of(field)
    # Where the known pixels of a cell lie, not where its centre is: a cell at the edge is known in part.
    terms = np.dstack([np.ones_like(weight), mean_of(grid)])
    plane = _fitted_plane(terms[is_known], mean[is_known])
    rest = spread(mean - _plane_values(plane, terms[..., 1], terms[..., 2]), is_known)
    large = cv2.resize(rest, (width, height), interpolation=cv2.INTER_LINEAR).reshape(field.shape)
    large = large + _plane_values(plane, grid[..., 0], grid[..., 1])
    return np.where(is_wanted[..., None], large, field).astype(np.float32)


def _plane_values(plane: Array, x: Array, y: Array) -> Array:
    return np.dstack([float(a) + float(b) * x + float(c) * y for a, b, c in plane.T])


def _fitted_plane(terms: Array, values: Array) -> Array:
    """Returns the coefficients (terms, channels) of the least-squares fit."""
    # einsum sums in a fixed order; a threaded BLAS would not.
    normal = np.einsum("ni,nj->ij", terms, terms, optimize=False)
    right = np.einsum("ni,nc->ic", terms, values, optimize=False)
    return np.linalg.lstsq(normal, right, rcond=1e-9)[0]


def spread(field: Array, is_known: Array) -> Array:
    """Returns float32 (height, width, channels): known values kept, the others filled smoothly from them.

    Pull-push: averages of the known pixels at ever coarser scales, finest first.
    """
    weight = is_known.astype(np.float32)
    known = np.where(is_known[..., None], field, 0).astype(np.float32)
    # OpenCV resizes at most four channels at a time.
    return np.dstack([_pull_push(known[..., index : index + 4], weight) for index in range(0, known.shape[2], 4)])


def _pull_push(weighted: Array, weight: Array) -> Array:
    height, width = weight.shape
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-9)
        mean = weighted.sum(axis=(0, 1)) / total
        coarse = np.broadcast_to(mean, weighted.shape)
    else:
        size = ((width + 1) // 2, (height + 1) // 2)
        smaller = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
        below = _pull_push(smaller, cv2.resize(weight, size, interpolation=cv2.INTER_AREA))
        coarse = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR).reshape(weighted.shape)
    # Partly known coarse pixels count by their share, so that no step shows where the known part ends.
    share = np.minimum(weight, 1)[..., None]
    return (weighted + (1 - share) * coarse).astype(np.float32)


__all__ = [
    "Motion",
    "Track",
    "continue_smoothly",
    "motion_of",
    "nearest_pixels",
    "pick",
    "pixel_grid",
    "resting_track",
    "sample",
    "sample_nearest",
    "sample_sharp",
    "spread",
    "step_ahead",
    "step_back",
    "stretch_of",
]
