"""Materials that show a picture as it is, without light, read at homogeneous texture coordinates."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from lib import compat

Socket = Any  # bpy type
Tree = Any  # bpy type


def shown_as_it_is(name: str, picture: Any) -> Any:  # Any: bpy types
    """Returns a material whose surface sends out the picture's colours, and is clear by its alpha.

    Soft edges count on the side that faces the camera only: at an outline front and back meet, and both
    together would make the edge twice as opaque as it was in the photo.
    """
    material = bpy.data.materials.new(name)
    tree = compat.use_nodes(material)
    texture = image_node(tree, picture, projective_coordinates(tree))
    emission = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(texture.outputs["Color"], emission.inputs["Color"])
    transparent = tree.nodes.new("ShaderNodeBsdfTransparent")
    mix = tree.nodes.new("ShaderNodeMixShader")
    is_solid = math_node(tree, "GREATER_THAN", texture.outputs["Alpha"], 0.5)
    is_back = tree.nodes.new("ShaderNodeNewGeometry").outputs["Backfacing"]
    hard = math_node(tree, "MULTIPLY", is_back, is_solid)
    is_front = math_node(tree, "SUBTRACT", 1.0, is_back)
    soft = math_node(tree, "MULTIPLY", is_front, texture.outputs["Alpha"])
    tree.links.new(math_node(tree, "ADD", soft, hard), mix.inputs["Fac"])
    tree.links.new(transparent.outputs[0], mix.inputs[1])
    tree.links.new(emission.outputs[0], mix.inputs[2])
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    material.cycles.emission_sampling = "NONE"  # a surface that shows its picture, not a lamp
    material.surface_render_method = "BLENDED"
    _arrange(tree, output)
    return material


def plain_material(name: str, picture: Any) -> Any:  # Any: bpy types
    """Returns a material on the UV map alone, in the pattern that the glTF exporter knows as unlit.

    Its alpha is cut at one half: viewers can't sort the faces of one soft mesh.
    """
    material = bpy.data.materials.new(name)
    tree = compat.use_nodes(material)
    texture = image_node(tree, picture, None)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    if _is_opaque(picture):
        tree.links.new(texture.outputs["Color"], output.inputs["Surface"])
        return material
    transparent = tree.nodes.new("ShaderNodeBsdfTransparent")
    mix = tree.nodes.new("ShaderNodeMixShader")
    tree.links.new(math_node(tree, "ROUND", texture.outputs["Alpha"]), mix.inputs["Fac"])
    tree.links.new(transparent.outputs[0], mix.inputs[1])
    tree.links.new(texture.outputs["Color"], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    return material


def _is_opaque(picture: Any) -> bool:
    pixels = np.empty(len(picture.pixels), np.float32)
    picture.pixels.foreach_get(pixels)
    return bool((pixels[3::4] == 1.0).all())


def projective_coordinates(tree: Tree) -> Socket:
    """Returns the socket with (s / q, 1 - t / q, 0), divided at each shaded point and so exact in between."""
    attribute = tree.nodes.new("ShaderNodeAttribute")
    attribute.attribute_name = "texcoords"
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(attribute.outputs["Vector"], split.inputs[0])
    s, t, q = split.outputs
    join = tree.nodes.new("ShaderNodeCombineXYZ")
    tree.links.new(math_node(tree, "DIVIDE", s, q), join.inputs[0])
    tree.links.new(math_node(tree, "SUBTRACT", 1.0, math_node(tree, "DIVIDE", t, q)), join.inputs[1])
    return join.outputs[0]


def image_node(tree: Tree, picture: Any, coordinates: Socket | None) -> Any:  # Any: bpy types
    """Returns a node that reads the picture, its edge colours going on for ever."""
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = picture
    texture.interpolation = "Linear"
    texture.extension = "EXTEND"
    if coordinates is not None:
        tree.links.new(coordinates, texture.inputs["Vector"])
    return texture


def math_node(tree: Tree, operation: str, *terms: Socket | float) -> Socket:
    """Returns the result of a Math node on sockets and numbers."""
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, term in zip(node.inputs, terms, strict=False):
        if isinstance(term, float):
            socket.default_value = term
        else:
            tree.links.new(term, socket)
    return node.outputs[0]


def _arrange(tree: Tree, output: Any) -> None:
    """Puts every node a column to the left of those it feeds, for whoever opens the file."""
    column = {output.name: 0}
    for _ in tree.nodes:  # as many rounds as the longest path can have
        for link in tree.links:
            behind = column.get(link.to_node.name, 0) + 1
            column[link.from_node.name] = max(column.get(link.from_node.name, 0), behind)
    rows: dict[int, int] = {}
    for node in tree.nodes:
        place = column.get(node.name, 0)
        node.location = (-200 * place, -180 * rows.get(place, 0))
        rows[place] = rows.get(place, 0) + 1
