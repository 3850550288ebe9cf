"""The outline of an object in a picture, and how well two outlines agree.

Near the known outline each pixel is given to the object or to what is behind it by its colour: both are described by
the local mean and spread of the colours a little further in and out. In render and result it is done alike, each with
its own colours, so a result may look different as long as its outline is where it should be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array

BAND_SHARE = 1 / 48
"""Half width of the band about the known outline over the picture's height: beyond it an object is not followed."""

_LEAST_PX = 24  # of an object's area
_SMOOTH_PX = 1.2
_LEAST_SPREAD = 3.0
_MOST_SCORE = 8.0
_PRIOR = 1.0
_COARSE = 4  # local means are taken on a picture so many times smaller


@dataclass(frozen=True)
class Band:
    """Where an outline is looked for.

    Attributes:
        rows, columns: The part of the picture that all arrays are of.
        is_object: bool, the known mask.
        inner: float32, weight of each pixel as a sample of the object.
        outer: float32, the same of what is behind.
        prior: float32, what a pixel's place alone says: positive inside.
        is_open: bool, in the band.
        reach_px: Half width of the band.
    """

    rows: slice
    columns: slice
    is_object: Array
    inner: Array
    outer: Array
    prior: Array
    is_open: Array
    reach_px: int


def band_about(is_object: Array) -> Band | None:
    """Returns the band about a known mask, bool (height, width), or None where the object is too small to have one."""
    import cv2

    height, width = is_object.shape
    reach = max(3, round(height * BAND_SHARE))
    left, top, wide, tall = cv2.boundingRect(is_object.astype(np.uint8))
    if int(np.count_nonzero(is_object)) < _LEAST_PX:
        return None
    margin = 3 * reach
    rows = slice(max(top - margin, 0), min(top + tall + margin, height))
    columns = slice(max(left - margin, 0), min(left + wide + margin, width))
    mask = np.ascontiguousarray(is_object[rows, columns]).astype(np.uint8)
    if mask.all():
        return None
    # A border of the frame is no outline: the mask goes on beyond it.
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    # Thin parts have no pixel a whole band inside: their middle line then stands for them.
    is_ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)) - 0.5) & (depth > 1.5)
    inner = ((depth > reach) | is_ridge).astype(np.float32)
    outer = ((outside > reach) & (outside <= 2.5 * reach)).astype(np.float32)
    if not inner.any() or not outer.any():
        return None
    place = np.clip((depth - outside) / reach, -1, 1).astype(np.float32)
    is_open = (depth <= reach) & (outside <= reach)
    return Band(rows, columns, mask.astype(bool), inner, outer, _PRIOR * place, is_open, reach)


def outline_in(picture: Array, band: Band) -> Array:
    """Returns the object's mask as a picture shows it, bool of the band's part; the known mask beyond the band.

    Args:
        picture: uint8 (height, width, 3), sRGB, the whole picture.
        band: Of the known mask.
    """
    import cv2

    colour = cv2.cvtColor(np.ascontiguousarray(picture[band.rows, band.columns]), cv2.COLOR_RGB2Lab).astype(np.float32)
    inside = _likelihood(colour, band.inner, 2.0 * band.reach_px)
    outside = _likelihood(colour, band.outer, 2.0 * band.reach_px)
    score = np.clip(inside - outside, -_MOST_SCORE, _MOST_SCORE)
    smooth = cv2.GaussianBlur(score, (0, 0), _SMOOTH_PX) + band.prior
    return np.where(band.is_open, smooth > 0, band.is_object)


def _likelihood(colour: Array, weight: Array, sigma_px: float) -> Array:
    """Returns the log-likelihood of each pixel under the weighted colours about it, up to a constant."""
    import cv2

    height, width = weight.shape
    small = max(1, width // _COARSE), max(1, height // _COARSE)
    weighted = np.dstack([colour * weight[..., None], colour * colour * weight[..., None], weight])
    # In two parts, for OpenCV resizes at most four channels quickly.
    parts = [
        cv2.resize(np.ascontiguousarray(weighted[..., part]), small, interpolation=cv2.INTER_AREA)
        for part in (slice(0, 3), slice(3, 6), slice(6, 7))
    ]
    coarse = np.dstack(parts)
    everywhere = coarse.reshape(-1, 7).mean(axis=0)
    local = np.dstack(
        [
            cv2.GaussianBlur(np.ascontiguousarray(coarse[..., part]), (0, 0), sigma_px / _COARSE)
            for part in (slice(0, 3), slice(3, 6), slice(6, 7))
        ]
    )
    local = local + 1e-3 * everywhere  # far from any sample, those of the whole object count
    means = local[..., :3] / local[..., 6:]
    spreads = np.maximum(local[..., 3:6] / local[..., 6:] - means * means, 0) + _LEAST_SPREAD**2
    mean, spread = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (means, spreads))
    away = colour - mean
    return -0.5 * (away * away / spread + np.log(spread)).sum(axis=2)


def intersection_over_union(first: Array, second: Array) -> float:
    """Returns |both| / |either| of two masks; 1 for equal ones, two empty ones too."""
    either = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / either if either else 1.0


def silhouette_iou(result: Array, render: Array, is_object: Array) -> float | None:
    """Returns how well an object's outlines in two pictures agree, 0 to 1; 1 for equal pictures.

    Args:
        result: uint8 (height, width, 3), sRGB.
        render: The same of the render.
        is_object: bool (height, width), the object in the render.

    Returns:
        None where the object has no outline (it is too small, or fills the frame).
    """
    band = band_about(is_object)
    if band is None:
        return None
    return intersection_over_union(outline_in(result, band), outline_in(render, band))


__all__ = ["BAND_SHARE", "Band", "band_about", "intersection_over_union", "outline_in", "silhouette_iou"]
