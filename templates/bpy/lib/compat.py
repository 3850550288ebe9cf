"""The one place that knows how Blender's API differs between versions (4.5 and 5.x)."""

from __future__ import annotations

from typing import Any

import bpy

OLDEST = (4, 5, 0)
NEWEST = (6, 0, 0)


def check_version() -> tuple[int, int, int]:
    """Returns Blender's version.

    Raises:
        RuntimeError: This Blender is too old or too new for the script.
    """
    version = tuple(bpy.app.version)
    if not OLDEST <= version < NEWEST:
        wanted = f"{'.'.join(map(str, OLDEST[:2]))} or newer, below {NEWEST[0]}.0"
        raise RuntimeError(f"Blender {'.'.join(map(str, version))} is not supported; use {wanted}")
    major, minor, patch = version
    return major, minor, patch


def action_curves(datablock: Any, name: str) -> Any:  # Any: bpy types
    """Makes a named action for the datablock and returns its (empty) collection of F-curves."""
    action = bpy.data.actions.new(name)
    slot = action.slots.new(id_type=datablock.id_type, name=name)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    animation = datablock.animation_data_create()
    animation.action = action
    # A new action's slot is not assigned by itself, and without it nothing moves.
    animation.action_slot = slot
    return strip.channelbag(slot, ensure=True).fcurves


def more_curves(datablock: Any, name: str) -> Any:  # Any: bpy types
    """Returns the F-curves of the datablock's action; a named one is made where it has none."""
    animation = datablock.animation_data
    if animation is None or animation.action is None:
        return action_curves(datablock, name)
    return animation.action.layers[0].strips[0].channelbag(animation.action_slot).fcurves


def use_nodes(material: Any) -> Any:  # Any: bpy types
    """Returns the material's empty node tree; from 5.0 on every material has one and asking for it warns."""
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    material.node_tree.nodes.clear()
    return material.node_tree


def use_multilayer_exr(settings: Any) -> None:  # Any: bpy types
    """Makes renders one float32 OpenEXR file with all passes."""
    if bpy.app.version >= (5, 0, 0):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    settings.exr_codec = "NONE"  # read once and thrown away
