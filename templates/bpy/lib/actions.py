"""Keys of objects and cameras as named Blender actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lib import compat
from lib.motion import BACK_OVERSHOOT, Channel, Motion, split_ease

Array = NDArray[Any]

FIRST_FRAME = 1
"""Blender's number of our frame 0."""

_PATHS = {
    "move_m": "location",
    "rotate_rad": "rotation_euler",
    "axis_angle": "rotation_axis_angle",
    "scale": "scale",
}
_MODES = {"rotate_rad": "XYZ", "axis_angle": "AXIS_ANGLE"}


def animate_object(thing: Any, motion: Motion, *, place: Array, scale: float) -> None:  # Any: bpy types
    """Keys the object's motion about its rest with Blender's own easing.

    Args:
        thing: The object, which gets an action called `<name> motion`.
        motion: Its channels.
        place: Its position at rest, which the keys of `move_m` are added to.
        scale: Its scale at rest, which the keys of `scale` are multiplied with.
    """
    if not motion:
        return
    curves = compat.action_curves(thing, f"{thing.name} motion")
    for name, channel in motion.items():
        if name in _MODES:
            thing.rotation_mode = _MODES[name]
        for index in range(len(channel[0][1])):
            values = np.array([key[1][index] for key in channel], dtype=np.float64)
            if name == "move_m":
                values = values + place[index]
            elif name == "scale":
                values = values * scale
            elif name == "axis_angle":
                # Ours is (x, y, z, angle), Blender's (angle, x, y, z).
                values = np.array([key[1][index - 1] for key in channel], dtype=np.float64)
            _eased_curve(curves.new(_PATHS[name], index=index), channel, values)


def _eased_curve(curve: Any, channel: Channel, values: Array) -> None:
    curve.extrapolation = "CONSTANT"
    curve.keyframe_points.add(len(channel))
    points = list(curve.keyframe_points)
    for point, key, value in zip(points, channel, values, strict=True):
        point.co = (key[0] + FIRST_FRAME, value)
    for index, point in enumerate(points):
        if index + 1 == len(points):
            point.interpolation = "LINEAR"
            break
        # Our easing belongs to the key that ends an interval, Blender's to the one that starts it.
        way, shape = split_ease(channel[index + 1][2])
        point.interpolation = shape.upper() or way.upper()
        if shape:
            point.easing = f"EASE_{way.upper()}"
        point.back = BACK_OVERSHOOT  # a point that is added in bulk has none
        if shape == "elastic":
            # The plain curve: a swing exactly as high as Blender's float32 step, a period of 0.3 of the interval.
            length = channel[index + 1][0] - channel[index][0]
            point.amplitude = abs(float(np.float32(values[index + 1]) - np.float32(values[index])))
            point.period = length * (0.45 if way == "in_out" else 0.3)
    curve.update()


def bake(datablock: Any, name: str, tracks: Sequence[tuple[str, Array]]) -> None:  # Any: bpy types
    """Keys one value a frame, linear in between, in an action called `name`.

    Args:
        datablock: An object or a camera.
        name: Name of its new action.
        tracks: Property paths with float arrays (frames, components).
    """
    curves = compat.action_curves(datablock, name)
    for path, values in tracks:
        for index in range(values.shape[1]):
            curve = curves.new(path, index=index) if values.shape[1] > 1 else curves.new(path)
            curve.extrapolation = "CONSTANT"
            curve.keyframe_points.add(len(values))
            frames = np.arange(FIRST_FRAME, FIRST_FRAME + len(values))
            points = np.stack([frames, values[:, index]], axis=1).astype(np.float32)
            curve.keyframe_points.foreach_set("co", points.ravel())
            linear = curve.keyframe_points[0].bl_rna.properties["interpolation"].enum_items["LINEAR"].value
            curve.keyframe_points.foreach_set("interpolation", np.full(len(values), linear, np.int32))
            curve.update()
