"""Colours of what the photo does not show: the back of a thing, continued from its rim without a seam."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from i2v3d.backends.embedded.outline import bleed_outwards
from i2v3d.geometry.frames import Array

# The outermost pixels of a body are foreshortened and hold some of the background's light; colours come from inside.
_RIM_PX = 4
_ROW_STIFFNESS = 6


def mirrored_back(colour: Array, body: Array) -> Array:
    """Returns uint8 (height, width, 3): the photo's own colours, the rim's taken from a few pixels inside."""
    inner = ndimage.binary_erosion(body > 0.5, iterations=_RIM_PX, border_value=1)
    if not inner.any():
        return colour
    filled = bleed_outwards(colour, inner)
    soft = cv2.GaussianBlur(filled, (0, 0), 1.5)
    share = np.clip(ndimage.distance_transform_edt(inner) / _RIM_PX, 0, 1)[..., None]
    return (colour * share + soft * (1 - share)).round().astype(np.uint8)


def smooth_back(colour: Array, body: Array) -> Array:
    """Returns uint8 (height, width, 3): the rim's colours carried smoothly over the whole back, no face.

    A membrane stretched over the body from a band inside its rim, stiffer across than along the rows: what
    surrounds a thing at one height (hair, collar, coat) mostly goes round it at that height.
    """
    is_body = body > 0.5
    depth = ndimage.distance_transform_edt(np.pad(is_body, 1, mode="edge"))[1:-1, 1:-1]
    reach = min(5.0 * _RIM_PX, 0.4 * float(depth.max()))
    band = is_body & (depth > min(_RIM_PX, reach / 3)) & (depth <= reach)
    if not band.any():
        return mirrored_back(colour, body)
    height, width = band.shape
    narrow = (max(2, width // _ROW_STIFFNESS), height)
    weight = cv2.resize(band.astype(np.float32), narrow, interpolation=cv2.INTER_AREA)
    known = cv2.resize(colour * band[..., None].astype(np.float32), narrow, interpolation=cv2.INTER_AREA)
    stretched = _membrane(known / np.maximum(weight, 1e-6)[..., None], np.minimum(_ROW_STIFFNESS * weight, 1))
    membrane = cv2.resize(stretched, (width, height), interpolation=cv2.INTER_CUBIC)
    # At the rim itself the photo's detail goes on for a little way, so that no line shows where the sides meet.
    detail = np.clip(1 - (depth - reach / 5) / reach, 0, 1)[..., None]
    return (mirrored_back(colour, body) * detail + membrane * (1 - detail)).clip(0, 255).round().astype(np.uint8)


def wall_colours(colour: Array, body: Array) -> Array:
    """Returns uint8 (height, width, 3): the colours a little inside the rim, for walls that run back from it."""
    inner = ndimage.binary_erosion(body > 0.5, iterations=_RIM_PX, border_value=1)
    if not inner.any():
        return colour
    return cv2.GaussianBlur(bleed_outwards(colour, inner), (0, 0), 1.5)


def _membrane(colour: Array, weight: Array) -> Array:
    """Returns float32 (height, width, 3): known where weight is 1, harmonic between, by pull and push."""
    height, width = weight.shape
    if min(height, width) <= 2:
        total = max(float(weight.sum()), 1e-6)
        mean = (colour * weight[..., None]).sum(axis=(0, 1)) / total
        return np.broadcast_to(mean, colour.shape).astype(np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    small_weight = cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(colour * weight[..., None], half, interpolation=cv2.INTER_AREA)
    small /= np.maximum(small_weight, 1e-6)[..., None]
    coarse = _membrane(small, np.minimum(4 * small_weight, 1))
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    known = weight[..., None]
    result = colour * known + filled * (1 - known)
    for _ in range(8):
        relaxed = cv2.blur(result, (3, 3), borderType=cv2.BORDER_REPLICATE)
        result = colour * known + relaxed * (1 - known)
    return np.asarray(result, np.float32)
