"""Two pictures of one moment that disagree in places: a small image flow makes them meet.

Refined keyframes may show an invented texture a few pixels apart. Each is moved towards the other in
proportion to time; coarse bands are then mixed, fine ones taken from the nearer keyframe, which avoids
double images.
"""

from __future__ import annotations

import cv2
import numpy as np

from i2v3d.backends.embedded.warping import pixel_grid, sample_sharp
from i2v3d.geometry.frames import Array

_MOST_PX = 12.0
_SMOOTH_PX = 2.0
_REACH_PX = 12  # the flow fades out this far around the pixels that disagree
_BANDS = 4
_STEEPNESS = 16.0  # how suddenly fine bands change from one keyframe to the other
_MARGIN_PX = 64


def meet_in_time(first: Array, last: Array, share: Array, is_differing: Array) -> Array:
    """Returns float32 (height, width, 3): the picture at this share of the way from first to last.

    Outside the surroundings of the differing pixels it is the plain mix of both.

    Args:
        first: float32 (height, width, 3), the first keyframe warped to the frame.
        last: The same of the last keyframe.
        share: float32 (height, width), 0 = first, 1 = last.
        is_differing: bool (height, width).
    """
    mixed = first + (last - first) * share[..., None]
    near = cv2.dilate(is_differing.astype(np.uint8), np.ones((2 * _REACH_PX + 1,) * 2, np.uint8))
    left, top, width, height = cv2.boundingRect(near)
    rows = slice(max(top - _MARGIN_PX, 0), top + height + _MARGIN_PX)
    columns = slice(max(left - _MARGIN_PX, 0), left + width + _MARGIN_PX)
    part = share[rows, columns]
    strength = cv2.GaussianBlur(near[rows, columns].astype(np.float32), (0, 0), _REACH_PX / 3)
    there, back = _flows(first[rows, columns], last[rows, columns])
    grid = pixel_grid(part.shape)
    moved_first = sample_sharp(first[rows, columns], grid - there * (part * strength)[..., None])
    moved_last = sample_sharp(last[rows, columns], grid - back * ((1 - part) * strength)[..., None])
    blended = _blend_bands(moved_first, moved_last, part)
    inner = mixed[rows, columns]
    inner += (blended - inner) * strength[..., None]
    return mixed


def _flows(first: Array, last: Array) -> tuple[Array, Array]:
    """Returns the image flow from first to last and back, at most 12 pixels, float32 (height, width, 2)."""
    pictures = [cv2.cvtColor(_bytes(picture), cv2.COLOR_RGB2GRAY) for picture in (first, last)]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the search is cut into one strip per thread, and strips change its result
    try:
        search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        # No start for the flow: its type stub wants an array, the function takes None.
        flows = [search.calc(a, b, None) for a, b in (pictures, pictures[::-1])]  # type: ignore[call-overload]
    finally:
        cv2.setNumThreads(threads)
    there, back = (np.clip(cv2.GaussianBlur(flow, (0, 0), _SMOOTH_PX), -_MOST_PX, _MOST_PX) for flow in flows)
    return there, back


def _bytes(picture: Array) -> Array:
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def _blend_bands(first: Array, last: Array, share: Array) -> Array:
    """Returns both mixed: the coarsest band by share, finer ones from the nearer."""
    nearer = cv2.GaussianBlur(1 / (1 + np.exp(-_STEEPNESS * (share - 0.5))), (0, 0), 4).astype(np.float32)
    result = np.zeros_like(first)
    for index in range(_BANDS):
        sigma = 2.0**index
        below_first, below_last = (cv2.GaussianBlur(picture, (0, 0), sigma) for picture in (first, last))
        fine_first, fine_last = first - below_first, last - below_last
        result += fine_first + (fine_last - fine_first) * nearer[..., None]
        first, last = below_first, below_last
    return result + first + (last - first) * share[..., None]


__all__ = ["meet_in_time"]
