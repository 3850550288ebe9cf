"""Which pixels are easier to reach from inside seeds than from outside ones, without crossing edges."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from i2v3d.geometry.frames import Array

_STEP = 0.5  # cost of a step in a flat colour, in units of Lab distance


def nearer_to_inside(picture: Array, inside: Array, outside: Array) -> Array:
    """Returns bool (height, width): True where the colour path to `inside` is shorter than to `outside`.

    Args:
        picture: uint8 (height, width, 3) sRGB, small.
        inside: bool (height, width), seeds on the thing.
        outside: bool (height, width), seeds on what is not.
    """
    smooth = cv2.bilateralFilter(picture, 5, 25, 3)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB).astype(np.float64)
    graph = _grid_graph(lab)
    return np.asarray(_distance(graph, inside) < _distance(graph, outside))


def _distance(graph: sparse.csr_matrix, seeds: Array) -> Array:
    if not seeds.any():
        return np.full(seeds.shape, np.inf)
    reached = csgraph.dijkstra(graph, directed=False, indices=np.flatnonzero(seeds), min_only=True)
    return np.asarray(reached).reshape(seeds.shape)


def _grid_graph(lab: Array) -> sparse.csr_matrix:
    height, width = lab.shape[:2]
    pixel = np.arange(height * width).reshape(height, width)
    starts, ends, costs = [], [], []
    for down, right, length in ((0, 1, 1.0), (1, 0, 1.0), (1, 1, 2**0.5)):
        a = (slice(0, height - down), slice(0, width - right))
        b = (slice(down, height), slice(right, width))
        starts.append(pixel[a].ravel())
        ends.append(pixel[b].ravel())
        costs.append((np.linalg.norm(lab[a] - lab[b], axis=2) + _STEP * length).ravel())
    shape = (height * width, height * width)
    entries = (np.concatenate(costs), (np.concatenate(starts), np.concatenate(ends)))
    return sparse.coo_matrix(entries, shape=shape).tocsr()
