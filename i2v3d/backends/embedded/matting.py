"""Closed-form matting and the colours behind a soft edge, in numpy and scipy.

pymatting gives the same matte, but its compiler takes half a minute on the first import of a fresh
machine; building the matting Laplacian over the narrow unknown band takes a tenth of a second.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage, sparse
from scipy.sparse import linalg

from i2v3d.geometry.frames import Array

_EPSILON = 1e-6  # regulariser of the colour lines, for colours in 0..1
_SURE = 0.98  # alphas nearer to 0 or 1 than this are exact


def trimap(is_thing: Array, soft_px: float) -> tuple[Array, Array]:
    """Returns bool masks (surely the thing, unknown) of a hard mask, with a band `soft_px` to either side.

    Parts thinner than the band keep a sure core along their middle, so that they do not dissolve.
    """
    padded = np.pad(is_thing, 1, mode="edge")  # where the frame cuts the thing there is no edge
    inside = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    outside = ndimage.distance_transform_edt(~padded)[1:-1, 1:-1]
    reach = 2 * int(np.ceil(soft_px)) + 1
    thickness = ndimage.maximum_filter(inside, reach)
    is_core = is_thing & (inside >= np.minimum(soft_px, np.maximum(0.7 * thickness, 1.5)))
    is_unknown = (outside <= soft_px) & ~is_core
    return is_core, is_unknown


def closed_form_alpha(photo: Array, is_core: Array, is_unknown: Array) -> Array:
    """Returns float32 (height, width) alpha in 0..1: 1 on the core, 0 outside, solved in the unknown band.

    Source: Levin, Lischinski, Weiss, "A closed-form solution to natural image matting", 2008, eq. 12; known
    pixels are eliminated instead of weighted.
    """
    alpha = is_core.astype(np.float32)
    if not is_unknown.any():
        return alpha
    rows, columns = np.nonzero(is_unknown)
    top, left = max(0, rows.min() - 2), max(0, columns.min() - 2)
    window = (slice(top, rows.max() + 3), slice(left, columns.max() + 3))
    laplacian, index = _matting_laplacian(photo[window].astype(np.float64) / 255, is_unknown[window])
    unknown = np.flatnonzero(is_unknown[window])
    known = np.flatnonzero(~is_unknown[window])
    known = known[index[known] >= 0]
    right = -laplacian[index[unknown]][:, index[known]] @ alpha[window].reshape(-1)[known]
    matrix = laplacian[index[unknown]][:, index[unknown]].tocsc() + 1e-9 * sparse.identity(len(unknown), format="csc")
    solved = linalg.spsolve(matrix, right, permc_spec="MMD_AT_PLUS_A")
    alpha[is_unknown] = np.clip(solved, 0, 1)
    alpha[alpha > _SURE] = 1
    alpha[alpha < 1 - _SURE] = 0
    return alpha


def _matting_laplacian(picture: Array, is_unknown: Array) -> tuple[sparse.csr_matrix, Array]:
    """Returns the Laplacian over the 3x3 windows that touch the unknown, and each pixel's row in it (or -1)."""
    height, width = is_unknown.shape
    touches = ndimage.maximum_filter(is_unknown, 3)[1:-1, 1:-1]
    pixel = np.arange(height * width).reshape(height, width)
    members = sliding_window_view(pixel, (3, 3))[touches].reshape(-1, 9)
    colours = picture.reshape(-1, 3)[members]
    centred = colours - colours.mean(axis=1, keepdims=True)
    covariance = np.einsum("kic,kid->kcd", centred, centred) / 9
    inverse = np.linalg.inv(covariance + _EPSILON / 9 * np.eye(3))
    affinity = (1 + np.einsum("kic,kcd,kjd->kij", centred, inverse, centred)) / 9
    weights = np.eye(9) - affinity
    used = np.unique(members)
    index = np.full(height * width, -1)
    index[used] = np.arange(len(used))
    local = index[members]
    rows, columns = np.repeat(local, 9, axis=1), np.tile(local, (1, 9))
    entries = (weights.reshape(-1), (rows.reshape(-1), columns.reshape(-1)))
    return sparse.coo_matrix(entries, shape=(len(used), len(used))).tocsr(), index


def foreground_colours(photo: Array, alpha: Array) -> Array:
    """Returns uint8 (height, width, 3): the thing's own colour where it mixes with what is behind, bled outwards.

    Source: Forte, "Approximate fast foreground colour estimation", 2021: two rounds of blurred estimates.
    """
    picture = photo.astype(np.float32) / 255
    share = alpha[..., None].astype(np.float32)
    front, back = picture, picture
    extent = max(photo.shape[:2])
    for radius in (max(9, extent // 12) | 1, 7):
        front_blur = _weighted_blur(front, share, radius)
        back = _weighted_blur(back, 1 - share, radius)
        front = np.clip(front_blur + share * (picture - share * front_blur - (1 - share) * back), 0, 1)
    colours = np.rint(front * 255).astype(np.uint8)
    colours[alpha >= 1] = photo[alpha >= 1]
    return _bled(colours, alpha)


def _weighted_blur(picture: Array, weight: Array, size: int) -> Array:
    total = cv2.blur(weight, (size, size))[..., None]
    blurred = cv2.blur(np.asarray(picture * weight, np.float32), (size, size)) / np.maximum(total, 1e-5)
    return np.where(total > 1e-4, blurred, picture)


def _bled(colours: Array, alpha: Array) -> Array:
    """Returns the colours with those outside the matte taken from the nearest pixel that mostly shows the thing."""
    source = alpha > 0.6
    if not source.any():
        source = alpha > 0
    if not source.any():
        return colours
    rows, columns = ndimage.distance_transform_edt(~source, return_distances=False, return_indices=True)
    outside = alpha <= 0.02
    spread = cv2.blur(colours[rows, columns], (5, 5))
    result = colours.copy()
    result[outside] = spread[outside]
    return result
