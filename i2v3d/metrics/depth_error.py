"""How far an estimated depth is from a reference, when the estimate is only known up to a factor and an offset."""

from __future__ import annotations

import numpy as np

from i2v3d.geometry.frames import Array


def aligned_rmse(estimate: Array, reference: Array) -> float:
    """Returns the root mean square error of an estimate after alignment, in ranges of the reference: 0 to 0.5.

    With r the reference brought to 0..1 by its least and its largest value, and e the estimate, it is

        min over s >= 0 and t of sqrt(mean((s e + t - r)^2)).

    0 where the estimate is the reference up to a factor and an offset; the reference's own deviation where it tells
    nothing of it (s = 0); 0 for a reference that is the same everywhere.

    Args:
        estimate: float (height, width), inverse depth up to a factor and an offset.
        reference: float (height, width), inverse depth.

    Source: the metric is D-RMSE of the paper's Table 1, whose normalisation is not known here; least squares for factor
    and offset is how affine-invariant depth is evaluated since MiDaS.
    """
    wanted, given = _centred(_in_range(reference)), _centred(_in_range(estimate))
    spread = float((given * given).mean())
    factor = max(float((given * wanted).mean()) / spread, 0.0) if spread > 0 else 0.0
    error = factor * given - wanted
    return float(np.sqrt((error * error).mean()))


def inverse_depth(depth_m: Array) -> Array:
    """Returns 1 / depth, float64 (height, width); 0 where there is nothing (infinite depth)."""
    return 1.0 / np.asarray(depth_m, np.float64)


def _in_range(values: Array) -> Array:
    """Returns the values in 0..1, so that no unit can overflow; 0 everywhere where they are all the same."""
    exact = np.asarray(values, np.float64)
    least, largest = float(exact.min()), float(exact.max())
    return (exact - least) / (largest - least) if largest > least else np.zeros_like(exact)


def _centred(values: Array) -> Array:
    return values - values.mean()
