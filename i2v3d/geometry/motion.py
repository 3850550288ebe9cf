"""Motion over time: easing curves, keyed channels, and where an object is at a frame.

A copy of this module lies beside every generated scene script and does the same work there, so it
imports numpy only. The curves are those of Blender's F-curves, so that an object's keys become
native keys of an action and both sides agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Vector = tuple[float, float, float]

Key = tuple[float, tuple[float, ...], str]
"""(frame, values, ease); the ease shapes the interval that ends at this key."""
Channel = Sequence[Key]
Motion = Mapping[str, Channel]
"""Channels by name: `move_m` (x, y, z); `rotate_rad` (XYZ Euler) or `axis_angle` (x, y, z, radians);
`scale` (x, y, z). A channel that is never keyed is absent."""

REST: Mapping[str, tuple[float, ...]] = {
    "move_m": (0.0, 0.0, 0.0),
    "rotate_rad": (0.0, 0.0, 0.0),
    "scale": (1.0, 1.0, 1.0),
}

BACK_OVERSHOOT = 1.70158
"""How far the `back` curves swing past their ends: this much gives 10 %."""

_EXPO_FLOOR = 2.0**-10


class MotionKeyLike(Protocol):
    """What `object_motion` reads of a key; `spec.resolved.MotionKey` has it."""

    @property
    def frame(self) -> float: ...  # noqa: D102
    @property
    def move_m(self) -> Vector | None: ...  # noqa: D102
    @property
    def rotate_rad(self) -> Vector | None: ...  # noqa: D102
    @property
    def axis(self) -> Vector | None: ...  # noqa: D102
    @property
    def angle_rad(self) -> float | None: ...  # noqa: D102
    @property
    def scale(self) -> Vector | None: ...  # noqa: D102
    @property
    def ease(self) -> str: ...  # noqa: D102


def _bounce_out(t: float) -> float:
    for start, centre, floor in ((1 / 2.75, 0.0, 0.0), (2 / 2.75, 1.5, 0.75), (2.5 / 2.75, 2.25, 0.9375)):
        if t < start:
            return 7.5625 * (t - centre / 2.75) ** 2 + floor
    return 7.5625 * (t - 2.625 / 2.75) ** 2 + 0.984375


def _elastic_in(t: float, period: float) -> float:
    return -(2.0 ** (10 * (t - 1))) * math.sin((t - 1 - period / 4) * 2 * math.pi / period)


def _back_in(t: float, overshoot: float) -> float:
    return t * t * ((overshoot + 1) * t - overshoot)


_CURVES_IN: Mapping[str, Callable[[float], float]] = {
    "sine": lambda t: 1 - math.cos(t * math.pi / 2),
    "quad": lambda t: t**2,
    "cubic": lambda t: t**3,
    "quart": lambda t: t**4,
    "expo": lambda t: (2.0 ** (10 * (t - 1)) - _EXPO_FLOOR) / (1 - _EXPO_FLOOR),
    "back": lambda t: _back_in(t, BACK_OVERSHOOT),
    "bounce": lambda t: 1 - _bounce_out(1 - t),
    "elastic": lambda t: _elastic_in(t, 0.3),
}
# Halves of an in-and-out curve are the curve itself at half size, but for these two, whose overshoot
# or swing is set for the whole interval.
_HALVES_IN: Mapping[str, Callable[[float], float]] = {
    "back": lambda t: _back_in(t, BACK_OVERSHOOT * 1.525),
    "elastic": lambda t: _elastic_in(t, 0.45),
}


def split_ease(ease: str) -> tuple[str, str]:
    """Returns (way, curve) of an easing's name: `in_out_sine` gives `in_out` and `sine`; no curve means sine.

    Raises:
        ValueError: There is no such easing.
    """
    if ease in ("linear", "constant"):
        return ease, ""
    for way in ("in_out", "in", "out"):
        if ease == way:
            return way, "sine"
        if ease.startswith(f"{way}_") and ease[len(way) + 1 :] in _CURVES_IN:
            return way, ease[len(way) + 1 :]
    raise ValueError(f"no easing is called {ease!r}")


def eased(share: float, ease: str) -> float:
    """Returns how far a value has come when this share (0 to 1) of the time is over; may overshoot."""
    if share >= 1.0:
        return 1.0
    way, curve = split_ease(ease)
    if share <= 0.0 or way == "constant":
        return 0.0
    if way == "linear":
        return share
    whole = _CURVES_IN[curve]
    if way == "in":
        return whole(share)
    if way == "out":
        return 1 - whole(1 - share)
    half = _HALVES_IN.get(curve, whole)
    return 0.5 * half(2 * share) if share < 0.5 else 1 - 0.5 * half(2 - 2 * share)


def interval_at(frames: Sequence[float], frame: float) -> tuple[int, int, float]:
    """Returns (before, after, share): the keys around a frame; equal keys before the first and after the last."""
    if frame <= frames[0]:
        return 0, 0, 0.0
    for index in range(1, len(frames)):
        if frame < frames[index]:
            share = (frame - frames[index - 1]) / (frames[index] - frames[index - 1])
            return index - 1, index, share
    return len(frames) - 1, len(frames) - 1, 0.0


def value_at(channel: Channel, frame: float) -> Array:
    """Returns the channel's values at a frame; the first and last key's hold beyond them."""
    before, after, share = interval_at([key[0] for key in channel], frame)
    first = np.array(channel[before][1], dtype=np.float64)
    if before == after:
        return first
    return first + (np.array(channel[after][1]) - first) * eased(share, channel[after][2])


def object_motion(keys: Iterable[MotionKeyLike]) -> dict[str, Channel]:
    """Returns an object's channels.

    The object is at rest at frame 0, and at its first key in every channel which that key leaves out.

    Raises:
        ValueError: Keys turn both by Euler angles and about an axis, or about several axes.
    """
    ordered = sorted(keys, key=lambda key: key.frame)
    given: dict[str, list[Key]] = {"move_m": [], "rotate_rad": [], "axis_angle": [], "scale": []}
    for key in ordered:
        for name in ("move_m", "rotate_rad", "scale"):
            values = getattr(key, name)
            if values is not None:
                given[name].append((key.frame, tuple(values), key.ease))
        if key.axis is not None and key.angle_rad is not None:
            given["axis_angle"].append((key.frame, (*_unit(key.axis), key.angle_rad), key.ease))
    axes = {key[1][:3] for key in given["axis_angle"]}
    if len(axes) > 1 or (axes and given["rotate_rad"]):
        raise ValueError("one motion turns about several axes; give Euler angles at every key instead")
    channels: dict[str, Channel] = {}
    for name, channel in given.items():
        if channel:
            rest = (*channel[0][1][:3], 0.0) if name == "axis_angle" else REST[name]
            channels[name] = _from_rest(channel, rest, first_frame=ordered[0].frame)
    return channels


def _from_rest(channel: list[Key], rest: tuple[float, ...], *, first_frame: float) -> list[Key]:
    start = [(frame, rest, "linear") for frame in sorted({0.0, first_frame}) if frame < channel[0][0]]
    return start + channel


def _unit(axis: Vector) -> Vector:
    x, y, z = np.array(axis, dtype=np.float64) / np.linalg.norm(axis)
    return float(x), float(y), float(z)


def rotation_about(axis: Array, angle_rad: float) -> Array:
    """Returns the 3x3 turn about a unit axis, counter-clockwise seen from its tip."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle_rad) * cross + (1 - math.cos(angle_rad)) * (cross @ cross)


def rotation_from_euler(angles_rad: Array) -> Array:
    """Returns the 3x3 turn about the fixed x, then y, then z axis (Blender's XYZ)."""
    x, y, z = (rotation_about(axis, angle) for axis, angle in zip(np.eye(3), angles_rad, strict=True))
    return np.asarray(z @ y @ x)


def world_from_object_at(motion: Motion, frame: float, *, rest: Array, scale: float) -> Array:
    """Returns `world_from_object` (4, 4) at a frame: move and turn about the pivot, scale along world axes at rest.

    Args:
        motion: The object's channels.
        frame: Frame number from zero, may be fractional.
        rest: The rigid `world_from_object` at rest; its origin is the pivot.
        scale: Factor from the mesh's units to metres at rest.
    """
    turn = np.eye(3)
    if "rotate_rad" in motion:
        turn = rotation_from_euler(value_at(motion["rotate_rad"], frame))
    elif "axis_angle" in motion:
        values = value_at(motion["axis_angle"], frame)
        turn = rotation_about(values[:3], values[3])
    factors = value_at(motion["scale"], frame) if "scale" in motion else np.ones(3)
    world_from_object = np.array(rest, dtype=np.float64)
    world_from_object[:3, :3] = (turn * factors) @ world_from_object[:3, :3] * scale
    if "move_m" in motion:
        world_from_object[:3, 3] += value_at(motion["move_m"], frame)
    return world_from_object
