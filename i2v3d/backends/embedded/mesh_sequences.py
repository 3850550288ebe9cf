"""Mesh files that are steps of one motion: the same faces in every file, each corner followed through all of them.

Readers join and reorder vertices as they like, each file on its own; the order of faces is what stays. So corners
are followed, not vertices: corners are one vertex of the result where they are one in every file and in the texture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from i2v3d.artifacts.scene import MeshData
from i2v3d.backends.embedded.mesh_files import is_y_up, load_mesh_file, read_corners
from i2v3d.errors import StageError
from i2v3d.geometry.frames import WORLD_FROM_YUP, Array, transform_points

MAX_PLACES = 20_000_000  # vertices times files
_TORN = 2.0  # so many times the places of the first file: the faces are not the same ones any more
_HINT = (
    "every file needs the same faces in the same order: remesh with constant topology, for example in Blender a "
    "shrinkwrapped or deformed mesh, exported without Triangulate or Decimate"
)


def load_mesh_sequence(files: Sequence[Path]) -> tuple[MeshData, Array]:
    """Returns the mesh of the first file and the places (files, vertices, 3) of its vertices; see `Mesher`."""
    mesh = load_mesh_file(files[0])
    first = read_corners(files[0])
    has_area = _has_area(first)
    kept = first[has_area]
    if len(kept) != len(mesh.faces):
        raise StageError(f"{files[0].name}: some of its faces have no area to speak of", hint="clean the mesh")
    turn = WORLD_FROM_YUP if is_y_up(files[0]) else np.eye(4)
    turned = transform_points(turn, kept.reshape(-1, 3))
    low, high = turned.min(axis=0), turned.max(axis=0)
    base = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    if 3 * len(kept) // 6 * len(files) > MAX_PLACES:  # a vertex is in about six faces
        raise StageError(
            f"{len(files)} files of {len(kept):,} faces are too much to play", hint="decimate them, or take fewer"
        )
    vertex_of = mesh.faces.ravel().astype(np.int64)
    # What was one vertex so far, and where it was: to keep all corners would take six times as much.
    steps = [(vertex_of, mesh.vertices_m)]
    joined = _told_apart(np.zeros_like(vertex_of), mesh.vertices_m[vertex_of])  # by place alone, whatever the texture
    joint_count = int(joined.max()) + 1
    for file in files[1:]:
        points = _checked(read_corners(file), first, has_area, file, files[0])
        places = (transform_points(turn, points.reshape(-1, 3)) - base).astype(np.float32)
        told_apart = _told_apart(vertex_of, places)
        vertex_of = vertex_of if np.array_equal(told_apart, vertex_of) else told_apart
        joined = _told_apart(joined, places)
        if joined.max() + 1 > _TORN * joint_count and joint_count >= 8:
            message = f"{file.name}: it has as many faces as {files[0].name}, but they join other corners"
            raise StageError(message, hint=_HINT)
        steps.append((vertex_of, places[np.unique(vertex_of, return_index=True)[1]]))
    _, chosen = np.unique(vertex_of, return_index=True)
    source = mesh.faces.ravel()[chosen]
    faces = vertex_of.reshape(-1, 3).astype(np.int32)
    whole = replace(mesh, vertices_m=mesh.vertices_m[source], texcoords=mesh.texcoords[source], faces=faces)
    return whole, np.stack([places[known[chosen]] for known, places in steps])


def _checked(corners: Array, first: Array, has_area: Array, file: Path, first_file: Path) -> Array:
    """Returns those corners of a file that the first one shows.

    Raises:
        StageError: It has another number of faces, or one that the first file has not opened yet.
    """
    if len(corners) != len(first):
        message = f"{file.name}: it has {len(corners):,} faces and {first_file.name} has {len(first):,}"
        raise StageError(f"{message}: meshes whose faces change are not possible yet", hint=_HINT)
    if not np.isfinite(corners[has_area]).all():
        raise StageError(f"{file.name}: a coordinate is not a number", hint="export it again")
    if opened := int(_has_area(corners[~has_area]).sum()):
        message = f"{file.name}: {opened} of its faces have no area in {first_file.name}, so they can't be shown"
        raise StageError(message, hint=f"start with a file in which all faces are open; {_HINT}")
    return corners[has_area]


def _has_area(corners: Array) -> Array:
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return np.isfinite(corners).all(axis=(1, 2)) & (np.linalg.norm(across, axis=1) > 0)


def _told_apart(vertex_of: Array, places: Array) -> Array:
    """Returns the vertex of each corner, numbered anew so that corners at different places have different ones."""
    order = np.lexsort((places[:, 2], places[:, 1], places[:, 0], vertex_of))
    ordered, at = vertex_of[order], places[order]
    is_new = np.r_[False, (ordered[1:] != ordered[:-1]) | (at[1:] != at[:-1]).any(axis=1)]
    numbered = np.empty_like(vertex_of)
    numbered[order] = np.cumsum(is_new)
    return numbered
