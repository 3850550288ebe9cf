"""How passes are coloured for people: objects by id, depth along a ramp, flow by direction and length."""

from __future__ import annotations

import math

import numpy as np

from i2v3d.geometry.frames import Array

Rgb = tuple[int, int, int]

DEPTH_RAMP: tuple[Rgb, ...] = (
    (11, 13, 38),
    (34, 43, 104),
    (32, 99, 141),
    (50, 158, 142),
    (156, 205, 115),
    (255, 244, 196),
)
"""From far to near, evenly spaced; its lightness rises all the way."""

OBJECT_COLOURS: tuple[Rgb, ...] = (
    (255, 107, 53),
    (64, 156, 255),
    (52, 199, 122),
    (191, 90, 242),
    (255, 204, 0),
    (255, 85, 133),
    (48, 209, 209),
    (162, 210, 60),
    (255, 159, 90),
    (140, 130, 255),
)

UNOBSERVED: Rgb = (255, 0, 106)

_FIRST_OBJECT_ID = 2
_FLOW_POWER = 0.4  # below 1, so that what moves slowly beside something quick shows, too


def object_colour(index: int) -> Rgb:
    """Returns the colour of an object by its place among the objects (its id less 2)."""
    return OBJECT_COLOURS[index % len(OBJECT_COLOURS)]


def id_palette() -> Array:
    """Returns uint8 (256, 3): the colour of each id; nothing (0) and the background (1) are black."""
    palette = np.zeros((256, 3), np.uint8)
    for index in range(_FIRST_OBJECT_ID, 256):
        palette[index] = object_colour(index - _FIRST_OBJECT_ID)
    return palette


def depth_palette() -> Array:
    """Returns uint8 (256, 3): the colours from far (0) to near (255)."""
    places = np.linspace(0, 255, len(DEPTH_RAMP))
    channels = [np.interp(np.arange(256), places, channel) for channel in zip(*DEPTH_RAMP, strict=True)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def flow_colours(flow_px: Array, longest_px: float) -> Array:
    """Returns uint8 (height, width, 3): the hue says where to, the brightness how far; black stands still.

    Args:
        flow_px: float32 (height, width, 2), x right, y down.
        longest_px: Length that has full brightness.
    """
    length = np.sqrt(np.square(flow_px).sum(axis=2))
    value = 127.5 * np.minimum(length / np.float32(max(longest_px, 1e-6)), 1) ** np.float32(_FLOW_POWER)
    per_length = value / np.maximum(length, np.float32(1e-6))
    picture = np.empty((*length.shape, 3), np.uint8)
    for channel in range(3):
        # Three cosines a third of a turn apart make a hue wheel without corners.
        turn = channel * 2 * math.pi / 3
        along = flow_px @ np.array([math.cos(turn), math.sin(turn)], np.float32)
        picture[..., channel] = value + per_length * along + np.float32(0.5)
    return picture


def rounded_up(value: float) -> float:
    """Returns the next half octave, so that a small edit of a clip leaves a scale as it is; 0 stays 0."""
    return 0.0 if value <= 0 else 2 ** (math.ceil(math.log2(value) * 2) / 2)


__all__ = [
    "DEPTH_RAMP",
    "OBJECT_COLOURS",
    "UNOBSERVED",
    "Rgb",
    "depth_palette",
    "flow_colours",
    "id_palette",
    "object_colour",
    "rounded_up",
]
