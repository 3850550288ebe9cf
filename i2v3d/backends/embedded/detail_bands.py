"""Detail of magnified surfaces: the energy of fine bands is raised to what the same surface had before.

A camera that comes closer than the photo's shows blurred texture. A photo taken from there would show
about the same energy in each band of pixels, so the bands that are there are raised towards that; new
detail is not invented.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from i2v3d.backends.embedded.warping import Track, sample
from i2v3d.geometry.frames import Array

_BANDS = 3
_GAIN_MOST = 1.6
_CHANGE_MOST = 14.0  # grey levels: a raised band must not draw halos along strong edges
_FULL_AT_MAGNIFICATION = 1.25
_NONE_AT_MAGNIFICATION = 1.04
_LEAST_AREA_PX = 600


def match_detail(picture: Array, ids: Array, magnification: Array, reference: Array, track: Track) -> Array:
    """Returns uint8 (height, width, 3): the picture with the reference's band energies where it is magnified.

    Args:
        picture: uint8 (height, width, 3).
        ids: uint8 (height, width).
        magnification: float32 (height, width), against the photo; nothing changes where it is 1 or less.
        reference: uint8 (height, width, 3), the keyframe that shows the same surfaces with their detail.
        track: Where each pixel's surface lies in the reference.
    """
    strength = np.clip(
        (magnification - _NONE_AT_MAGNIFICATION) / (_FULL_AT_MAGNIFICATION - _NONE_AT_MAGNIFICATION), 0, 1
    )
    if not (strength > 0).any():
        return picture
    bands = _bands(_luma(picture))
    energies = [sample(_energy(band), track.at_px) for band in _bands(_luma(reference))]
    change = np.zeros(ids.shape, np.float32)
    for owner in np.unique(ids):
        is_inside = _inside(ids == owner)
        weight = cv2.GaussianBlur(is_inside.astype(np.float32) * strength, (0, 0), 4) * (ids == owner)
        is_measured = is_inside & track.is_visible & (strength > 0)
        if int(is_measured.sum()) < _LEAST_AREA_PX:
            continue
        for band, energy in zip(bands, energies, strict=True):
            present = float(_energy(band)[is_measured].mean())
            wanted = float(energy[is_measured].mean())
            gain = float(np.clip(np.sqrt(wanted / max(present, 1e-3)), 1.0, _GAIN_MOST))
            change += np.float32(gain - 1) * weight * band
    change = _CHANGE_MOST * np.tanh(change / _CHANGE_MOST)
    return np.rint(np.clip(picture + change[..., None], 0, 255)).astype(np.uint8)


def _luma(picture: Array) -> Array:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _bands(luma: Array) -> list[Array]:
    """Returns the finest bands at full size, each an octave; a difference of Gaussians has no pyramid grid."""
    levels = [luma] + [cv2.GaussianBlur(luma, (0, 0), 0.7 * 2**index) for index in range(_BANDS)]
    return [fine - coarse for fine, coarse in pairwise(levels)]


def _energy(band: Array) -> Array:
    """Returns the band's local energy; a little smoothing makes it safe to sample between pixels."""
    return cv2.GaussianBlur(np.minimum(band * band, 400.0), (0, 0), 1.5)


def _inside(is_owner: Array) -> Array:
    """Returns the pixels at least three from the owner's edge; the frame's border is no edge."""
    return cv2.erode(is_owner.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)


__all__ = ["match_detail"]
