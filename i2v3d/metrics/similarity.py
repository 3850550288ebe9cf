"""How like two pictures are, pixel by pixel: SSIM and squared error."""

from __future__ import annotations

import math

import numpy as np

from i2v3d.geometry.frames import Array

PSNR_LIMIT_DB = 100.0
"""What equal pictures have; a squared error below 1e-10 of the square of 255 counts as none."""

_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114


def luma_of(pixels: Array) -> Array:
    """Returns the luma of sRGB pixels, float32 (height, width), 0 to 255 (BT.601 weights, not rounded)."""
    import cv2

    return cv2.transform(pixels.astype(np.float32), np.array([[_RED, _GREEN, _BLUE]], np.float32))


def ssim_map(first: Array, second: Array) -> Array:
    """Returns the structural similarity about each pixel of two luma planes, float32 (height, width), at most 1.

    (2 m1 m2 + C1)(2 c12 + C2) / ((m1^2 + m2^2 + C1)(v1 + v2 + C2)) with means m, variances v and covariance c in a
    Gaussian window of 11 pixels and sigma 1.5, C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, Eq. 13; constants and window of its section III-C.
    """
    import cv2

    def mean(plane: Array) -> Array:
        return cv2.GaussianBlur(plane, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT)

    # Squares of values about zero keep their digits in float32; the mean is put back below. Each array is reused:
    # at this size memory is what takes time.
    a, b = (np.subtract(plane, 128, dtype=np.float32) for plane in (first, second))
    mean_a, mean_b = mean(a), mean(b)
    covariance: Array = mean(a * b)
    covariance -= mean_a * mean_b
    a *= a
    b *= b
    a += b
    variances = mean(a)
    variances -= mean_a * mean_a
    variances -= mean_b * mean_b
    mean_a += 128
    mean_b += 128
    covariance *= 2
    covariance += _C2
    product: Array = mean_a * mean_b
    product *= 2
    product += _C1
    product *= covariance
    mean_a *= mean_a
    mean_b *= mean_b
    mean_a += mean_b
    mean_a += _C1
    variances += _C2
    mean_a *= variances
    product /= mean_a
    return product


def ssim(first: Array, second: Array, is_counted: Array | None = None) -> float:
    """Returns the mean of `ssim_map`, without the border of half a window; 1 for equal planes.

    Args:
        first: Luma, (height, width), 0 to 255.
        second: The same of the other picture.
        is_counted: bool (height, width), pixels to average over; all without, also where none of them is left.
    """
    half = _WINDOW // 2
    inner = ssim_map(first, second)[half:-half, half:-half]
    if is_counted is not None:
        chosen = inner[is_counted[half:-half, half:-half]]
        inner = chosen if chosen.size else inner
    return float(inner.mean(dtype=np.float64))


def squared_errors(first: Array, second: Array) -> Array:
    """Returns the squared difference of two uint8 pictures, mean over the channels, float32 (height, width)."""
    import cv2

    difference = cv2.absdiff(first, second).astype(np.float32)
    return cv2.transform(difference * difference, np.full((1, 3), 1 / 3, np.float32))


def psnr_db(squared_error: float) -> float:
    """Returns 10 log10(255^2 / squared error), at most `PSNR_LIMIT_DB`."""
    least = 255.0**2 * 10 ** (-PSNR_LIMIT_DB / 10)
    return 10 * math.log10(255.0**2 / max(squared_error, least))


__all__ = ["PSNR_LIMIT_DB", "luma_of", "psnr_db", "squared_errors", "ssim", "ssim_map"]
