"""Mesh folders (`geometry.npz`, `texture.png`, `observed.png`) as Blender meshes with their materials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from lib import compat

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
    mesh.materials.append(_material(name, load_image(folder / "texture.png", f"{name} texture")))
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


def _material(name: str, image: Any) -> Any:  # Any: bpy types
    material = bpy.data.materials.new(name)
    tree = compat.use_nodes(material)
    texture = _texture(tree, image, projective_coordinates(tree))
    emission = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(texture.outputs["Color"], emission.inputs["Color"])
    transparent = tree.nodes.new("ShaderNodeBsdfTransparent")
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(texture.outputs["Alpha"], mix.inputs["Fac"])
    tree.links.new(transparent.outputs[0], mix.inputs[1])
    tree.links.new(emission.outputs[0], mix.inputs[2])
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    material.cycles.emission_sampling = "NONE"  # a surface that shows its picture, not a lamp
    material.surface_render_method = "BLENDED"
    for column, node in enumerate((texture, emission, transparent, mix, output)):
        node.location = (220 * column, -120 * (column == 2))
    return material


def projective_coordinates(tree: Any) -> Any:  # Any: bpy types
    """Returns the socket with (s / q, 1 - t / q, 0), divided at each shaded point and so exact in between."""
    attribute = tree.nodes.new("ShaderNodeAttribute")
    attribute.attribute_name = "texcoords"
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(attribute.outputs["Vector"], split.inputs[0])
    join = tree.nodes.new("ShaderNodeCombineXYZ")
    for axis in (0, 1):
        divide = tree.nodes.new("ShaderNodeMath")
        divide.operation = "DIVIDE"
        tree.links.new(split.outputs[axis], divide.inputs[0])
        tree.links.new(split.outputs[2], divide.inputs[1])
        socket = divide.outputs[0]
        if axis == 1:
            flip = tree.nodes.new("ShaderNodeMath")
            flip.operation = "SUBTRACT"
            flip.inputs[0].default_value = 1.0
            tree.links.new(socket, flip.inputs[1])
            socket = flip.outputs[0]
            flip.location = (-420, -160)
        tree.links.new(socket, join.inputs[axis])
        divide.location = (-600, -160 * axis)
    attribute.location, split.location, join.location = (-980, 0), (-790, 0), (-210, 0)
    return join.outputs[0]


def _texture(tree: Any, image: Any, coordinates: Any) -> Any:  # Any: bpy types
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.interpolation = "Linear"
    texture.extension = "EXTEND"
    tree.links.new(coordinates, texture.inputs["Vector"])
    return texture


def plain_material(name: str, image: Any) -> Any:  # Any: bpy types
    """Returns a shadeless material on the UV map alone, as the glTF exporter understands it."""
    material = bpy.data.materials.new(name)
    tree = compat.use_nodes(material)
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    texture.extension = "EXTEND"
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled")
    shader.inputs["Base Color"].default_value = (0.0, 0.0, 0.0, 1.0)
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(texture.outputs["Alpha"], shader.inputs["Alpha"])
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return material
