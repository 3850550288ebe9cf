"""Filling of bad pixels with patches of the same surface, guided by the picture's layout.

The search is the PatchMatch library's; this module says what may be copied where. It stands in for a
generative model: it repeats what the frame already shows and invents nothing else.
"""

from __future__ import annotations

import cv2
import numpy as np

from i2v3d.backends.embedded.warping import spread
from i2v3d.geometry.frames import Array

_PATCH_RADIUS_PX = 3
_ROW_WEIGHT = 0.2  # rows guide: what is at one height of a picture tends to continue sideways
_SEAM_SIGMA_PX = 3.0
_SEAM_REACH_PX = 24.0
_SEAM_MOST = 24.0  # grey levels; a larger step is content, not tone
_SURROUND_SHARE = 0.6  # how far around a hole patches are looked for, as a share of the hole's size
_SURROUND_LEAST_PX = 96
_LEAST_SOURCE_SHARE = 0.05


def fill_with_patches(picture: Array, is_bad: Array, ids: Array, *, seed: int) -> Array:
    """Returns the picture with bad pixels filled; every other pixel is as it was.

    Each object's bad pixels are filled from its own good ones. Where too little of it is good, colours
    are spread smoothly instead.

    Args:
        picture: uint8 (height, width, 3).
        is_bad: bool (height, width).
        ids: uint8 (height, width), the object that each pixel, also a bad one, belongs to.
        seed: Seed of the search.
    """
    filled = picture.copy()
    for owner in np.unique(ids[is_bad]):
        is_hole = is_bad & (ids == owner)
        rows, columns = _surroundings(is_hole)
        part = filled[rows, columns]
        is_source = (ids == owner)[rows, columns] & ~is_bad[rows, columns]
        part[:] = _fill_part(part, is_hole[rows, columns], is_source, seed)
    return filled


def _fill_part(part: Array, is_hole: Array, is_source: Array, seed: int) -> Array:
    """Returns the part with its hole filled from source pixels."""
    from patchmatch import patch_match

    # A patch must not take in the soft edge of its neighbour.
    is_safe = cv2.erode(is_source.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    smooth = np.rint(np.clip(spread(part.astype(np.float32), is_safe if is_safe.any() else ~is_hole), 0, 255))
    start = np.where(is_hole[..., None], smooth.astype(np.uint8), part)
    if is_safe.sum() < max(_LEAST_SOURCE_SHARE * is_hole.size, 400) or min(is_hole.shape) < 32:
        return start
    height, width = is_hole.shape
    rows = np.broadcast_to(np.linspace(0, 1, height, dtype=np.float32)[:, None], (height, width))
    guide = np.ascontiguousarray(np.dstack([rows, rows, np.zeros_like(rows)]))
    patch_match.set_random_seed(seed)
    patched = patch_match.inpaint_regularity(
        np.ascontiguousarray(start),
        is_hole.astype(np.uint8),
        guide,
        global_mask=(~is_safe & ~is_hole).astype(np.uint8),
        patch_size=_PATCH_RADIUS_PX,
        guide_weight=_ROW_WEIGHT,
    )
    return _without_seam(np.where(is_hole[..., None], patched, part), is_hole, is_safe)


def _without_seam(picture: Array, is_hole: Array, is_source: Array) -> Array:
    """Returns the picture with the tone of its filled hole led over smoothly to the source beside it."""
    hole, source = is_hole.astype(np.float32), is_source.astype(np.float32)
    near_hole, near_source = (cv2.GaussianBlur(mask, (0, 0), _SEAM_SIGMA_PX) for mask in (hole, source))
    is_edge = is_hole & (near_source > 0.2)
    if not is_edge.any():
        return picture
    colour = picture.astype(np.float32)
    inside = cv2.GaussianBlur(colour * hole[..., None], (0, 0), _SEAM_SIGMA_PX) / np.maximum(near_hole, 1e-3)[..., None]
    outside = cv2.GaussianBlur(colour * source[..., None], (0, 0), _SEAM_SIGMA_PX)
    step = np.clip(outside / np.maximum(near_source, 1e-3)[..., None] - inside, -_SEAM_MOST, _SEAM_MOST)
    far_px = cv2.distanceTransform(1 - is_edge.astype(np.uint8), cv2.DIST_L2, 5)
    lead = spread(step, is_edge) * np.exp(-far_px / _SEAM_REACH_PX)[..., None]
    return np.where(is_hole[..., None], np.rint(np.clip(colour + lead, 0, 255)).astype(np.uint8), picture)


def _surroundings(is_hole: Array) -> tuple[slice, slice]:
    """Returns the rows and columns of the hole and of what may be copied into it."""
    slices = []
    for axis in (1, 0):
        (inside,) = np.nonzero(is_hole.any(axis=axis))
        first, last = int(inside[0]), int(inside[-1]) + 1
        reach = max(_SURROUND_LEAST_PX, int(_SURROUND_SHARE * (last - first)))
        slices.append(slice(max(first - reach, 0), min(last + reach, is_hole.shape[1 - axis])))
    return slices[0], slices[1]


__all__ = ["fill_with_patches"]
