"""Mesh folders (`geometry.npz`, `texture.png`, `observed.png`) as Blender meshes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from lib.materials import shown_as_it_is

Array = NDArray[Any]


def load_mesh(folder: Path, name: str) -> Any:  # Any: bpy types
    """Returns a Blender mesh: homogeneous `texcoords`, a plain UV map, and a shadeless material.

    Raises:
        FileNotFoundError: The folder lacks a file.
        ValueError: A coordinate is not a number.
    """
    with np.load(folder / "geometry.npz", allow_pickle=False) as arrays:
        vertices, faces, texcoords = arrays["vertices_m"], arrays["faces"], arrays["texcoords"]
    if not (np.isfinite(vertices).all() and np.isfinite(texcoords).all()):
        raise ValueError(f"{folder.name}: a coordinate is not a number")
    # Blender drops or crashes on faces that name a vertex twice; they have no area.
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    mesh = _new_mesh(name, vertices, faces)
    attribute = mesh.attributes.new("texcoords", "FLOAT_VECTOR", "POINT")
    attribute.data.foreach_set("vector", np.ascontiguousarray(texcoords, np.float32).ravel())
    uv = plain_uv(texcoords)[faces.ravel()]
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", np.ascontiguousarray(uv, np.float32).ravel())
    mesh.materials.append(shown_as_it_is(name, load_image(folder / "texture.png", f"{name} texture")))
    return mesh


def _new_mesh(name: str, vertices: Array, faces: Array) -> Any:  # Any: bpy types
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    return mesh


def plain_uv(texcoords: Array) -> Array:
    """Returns Blender's UV (origin bottom left) of homogeneous texture coordinates (origin top left)."""
    q = np.where(np.abs(texcoords[:, 2:]) < 1e-9, 1e-9, texcoords[:, 2:])
    return np.clip(np.asarray(texcoords[:, :2] / q), -1e3, 1e3) * (1, -1) + (0, 1)


def load_image(file: Path, name: str) -> Any:  # Any: bpy types
    """Returns a packed image whose colour and alpha are read apart.

    Raises:
        RuntimeError: Blender could not read it; left alone, it would render magenta without a word.
    """
    image = bpy.data.images.load(str(file))
    image.name = name
    image.alpha_mode = "CHANNEL_PACKED"
    image.pack()
    if not image.has_data and image.size[0] == 0:
        raise RuntimeError(f"{file.name} of {file.parent.name} could not be read as a picture")
    image.filepath = f"//{file.parent.name}/{file.name}"
    return image
