"""Rotations as quaternions (w, x, y, z), and the way from one to the next.

A copy of this module lies beside every generated scene script (see `motion`), so it imports numpy only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def quaternion_of(rotation: Array) -> Array:
    """Returns the unit quaternion (w, x, y, z), w >= 0, of a 3x3 rotation.

    Source: S. W. Shepperd, Quaternion from rotation matrix, 1978: divide by the largest of the four only.
    """
    r = np.asarray(rotation, dtype=np.float64)
    trace = float(np.trace(r))
    choice = int(np.argmax([trace, r[0, 0], r[1, 1], r[2, 2]]))
    if choice == 0:
        q = np.array([1 + trace, r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
    else:
        i = choice - 1
        j, k = (i + 1) % 3, (i + 2) % 3
        q = np.zeros(4)
        q[0] = r[k, j] - r[j, k]
        q[1 + i] = 1 + r[i, i] - r[j, j] - r[k, k]
        q[1 + j] = r[j, i] + r[i, j]
        q[1 + k] = r[k, i] + r[i, k]
    q /= np.linalg.norm(q)
    return -q if q[0] < 0 else q


def rotation_of(quaternion: Array) -> Array:
    """Returns the 3x3 rotation of a quaternion (w, x, y, z), which need not have unit length."""
    w, x, y, z = np.asarray(quaternion, dtype=np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def turned_part(first: Array, second: Array, share: float) -> Array:
    """Returns the quaternion that is this share of the shortest turn from the first to the second."""
    cosine = float(first @ second)
    if cosine < 0:
        second, cosine = -second, -cosine
    angle = math.acos(min(cosine, 1.0))
    if angle < 1e-9:
        mixed = first + (second - first) * share
    else:
        mixed = (math.sin((1 - share) * angle) * first + math.sin(share * angle) * second) / math.sin(angle)
    return np.asarray(mixed / np.linalg.norm(mixed))


def nearest_rotation(matrix: Array) -> Array:
    """Returns the rotation nearest to a 3x3 matrix that is one up to rounding or scale.

    Raises:
        ValueError: It mirrors, or is flat.
    """
    if not np.isfinite(matrix).all():
        raise ValueError("the matrix holds a value that is not a number")
    left, sizes, right = np.linalg.svd(np.asarray(matrix, dtype=np.float64))
    rotation = left @ right
    if np.linalg.det(rotation) < 0:
        raise ValueError("the matrix mirrors: its axes are of the other hand")
    if sizes[2] < 1e-9 or sizes[0] / sizes[2] > 1.01:
        raise ValueError("the matrix is no rotation: its axes differ in length or are not at right angles")
    return np.asarray(rotation)
