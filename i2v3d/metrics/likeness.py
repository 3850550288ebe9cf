"""How alike pictures are by their embeddings: vectors of length 1 whose cosine is their likeness."""

from __future__ import annotations

import numpy as np

from i2v3d.geometry.frames import Array


def likeness_to(embedding: Array, embeddings: Array) -> Array:
    """Returns float64 (pictures,): the cosine of each to the one, from -1 to 1.

    Args:
        embedding: float (channels,).
        embeddings: float (pictures, channels).
    """
    return np.clip(_unit(embeddings) @ _unit(embedding), -1.0, 1.0)


def likeness_of_neighbours(embeddings: Array) -> Array:
    """Returns float64 (pictures - 1,): the cosine of each picture to the one before it.

    Args:
        embeddings: float (pictures, channels), in time order.
    """
    unit = _unit(embeddings)
    return np.clip((unit[1:] * unit[:-1]).sum(axis=1), -1.0, 1.0)


def _unit(vectors: Array) -> Array:
    exact = np.asarray(vectors, np.float64)
    return exact / np.linalg.norm(exact, axis=-1, keepdims=True)
