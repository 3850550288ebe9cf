"""The change of colour between two pictures as a gain and an offset a channel."""

from __future__ import annotations

import numpy as np

from i2v3d.geometry.frames import Array

# What is likely beforehand keeps a flat picture from being explained by a huge gain and its opposite offset. Encoders
# put an offset of a level or two on dark colours, which a gain alone would take for a drift of two percent.
_LIKELY_GAIN = 0.03
_LIKELY_OFFSET = 1.0  # of 255
_NOISE = 1.4  # of 255, of the mean of a cell


def fit_colours(before: Array, after: Array) -> tuple[Array, Array]:
    """Returns gain minus one and offset, (3,) each, that turn the colours of one picture into those of the other.

    Args:
        before: (cells, 3) mean colours, 0..255.
        after: The same of the other picture.
    """
    gains, offsets = np.zeros(3), np.zeros(3)
    prior = np.diag([1 / _LIKELY_GAIN**2, 1 / _LIKELY_OFFSET**2])
    for channel in range(3):
        level = before[:, channel].astype(np.float64)
        design = np.stack([level, np.ones_like(level)], axis=1)
        change = after[:, channel].astype(np.float64) - level
        matrix = design.T @ design / _NOISE**2 + prior
        gains[channel], offsets[channel] = np.linalg.solve(matrix, design.T @ change / _NOISE**2)
    return gains, offsets


def drift_percent(gains: Array, offsets: Array) -> float:
    """Returns the larger of both over the channels: percent of a colour, or of white."""
    return float(100 * max(np.abs(gains).max(), np.abs(offsets).max() / 255))
