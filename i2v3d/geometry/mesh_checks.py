"""What must hold of any mesh that we build, and how to say what does not."""

from __future__ import annotations

import numpy as np

from i2v3d.geometry.frames import Array


def find_mesh_faults(vertices_m: Array, faces: Array) -> tuple[str, ...]:
    """Returns a line for each thing that is wrong with a triangle mesh; empty for a sound one.

    Checked: finite coordinates, indices in range, faces with three different corners and some area, no face
    twice. Closedness and orientation are asked for with `is_watertight` and `signed_volume_m3`.
    """
    faults = []
    if not np.isfinite(vertices_m).all():
        faults.append(f"{int((~np.isfinite(vertices_m)).any(axis=1).sum())} vertices are not finite")
        return tuple(faults)
    if len(faces) == 0:
        return ("there is no face",)
    if faces.min() < 0 or faces.max() >= len(vertices_m):
        return ("a face names a vertex that does not exist",)
    ordered = np.sort(faces, axis=1)
    is_collapsed = (
        (ordered[:, 0] == ordered[:, 1]) | (ordered[:, 1] == ordered[:, 2]) | (_areas(vertices_m, faces) == 0)
    )
    if is_collapsed.any():
        faults.append(f"{int(is_collapsed.sum())} faces have no area")
    if repeated := len(faces) - len(np.unique(_canonical(faces), axis=0)):
        faults.append(f"{repeated} faces are there twice")
    return tuple(faults)


def is_watertight(vertices_m: Array, faces: Array) -> bool:
    """Returns whether every edge is walked once each way, with vertices at one place taken as one."""
    merged = merge_by_position(vertices_m)[faces]
    merged = merged[(merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2]) & (merged[:, 2] != merged[:, 0])]
    edges = np.concatenate([merged[:, [0, 1]], merged[:, [1, 2]], merged[:, [2, 0]]]).astype(np.int64)
    base = int(merged.max()) + 1
    ways = edges[:, 0] * base + edges[:, 1]
    back = edges[:, 1] * base + edges[:, 0]
    return bool(np.array_equal(np.sort(ways), np.sort(back)))


def signed_volume_m3(vertices_m: Array, faces: Array) -> float:
    """Returns the volume inside a closed mesh, positive when its faces are counter-clockwise from outside."""
    corner = np.asarray(vertices_m, np.float64)[faces]
    return float(np.einsum("nc,nc->n", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])).sum() / 6)


def merge_by_position(vertices_m: Array) -> Array:
    """Returns for each vertex the number of its place; vertices at exactly one place share a number."""
    _, place = np.unique(np.asarray(vertices_m, np.float32), axis=0, return_inverse=True)
    return np.asarray(place).reshape(-1)


def _areas(vertices_m: Array, faces: Array) -> Array:
    corner = np.asarray(vertices_m, np.float64)[faces]
    return 0.5 * np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)


def _canonical(faces: Array) -> Array:
    """Returns the faces turned so that the smallest index comes first; a flipped face stays another one."""
    start = np.argmin(faces, axis=1)
    rows = np.arange(len(faces))[:, None]
    return faces[rows, (start[:, None] + np.arange(3)) % 3]
