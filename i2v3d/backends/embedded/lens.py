"""Depth of field, for both renderers: the lens as the scene cache has it, and the circles that it blurs points to.

The OpenGL renderer does not blur a picture by its depth, which can't know what a near thing hides. It takes the
picture from many points of the lens's opening, each with its frustum sheared so that what is in focus stays where
it is, and averages them in linear light. That is what a lens does and what Cycles computes: what is out of focus
is seen through and past, near and far, and what is in focus keeps its pixels. Blur smooths its own edges; those of
what is in focus are smoothed by pictures that are shifted by parts of a pixel, and only they.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.embedded.scene_cache import Moment, Neighbours
from i2v3d.geometry.frames import Array

FEWEST, MOST = 16, 256
_SPACING_PX = 2.0  # between the places where the points of a lens see a point that is out of focus
_SOFT_PX = 3.0  # circles of this size smooth an edge by themselves
_PLASTIC = np.array([0.7548776662466927, 0.5698402909980532])  # steps that fill a square evenly
_GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))


@dataclass(frozen=True)
class Lens:
    """A lens that is no pinhole: what is sharp, and how wide it is open, both in metres."""

    focus_m: float
    aperture_m: float

    @classmethod
    def of(cls, moment: Moment) -> Lens | None:
        """Returns the lens of a frame, or None for a pinhole."""
        if "depth_of_field" not in moment.arrays:
            return None
        focus_m, aperture_m = moment.arrays["depth_of_field"]
        return cls(float(focus_m), float(aperture_m))

    def circles_px(self, depth_m: Array, focal_px: float) -> Array:
        """Returns the diameters of the circles that points at these z-depths become; infinity is a depth."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.aperture_m * focal_px * np.abs(1.0 / self.focus_m - 1.0 / depth_m))

    def points(self, largest_px: float) -> Array:
        """Returns places (n, 2) spread evenly over the opening, metres; the wider the blur, the more of them."""
        count = min(MOST, max(FEWEST, math.ceil(math.pi / 4 * (largest_px / _SPACING_PX) ** 2)))
        index = np.arange(count)
        radius = self.aperture_m / 2 * np.sqrt((index + 0.5) / count)
        angle = index * _GOLDEN_ANGLE
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    def seen_from(self, moments: Neighbours, point: Array) -> Neighbours:
        """Returns the frame as a point of the opening sees it: what is in focus does not move."""
        k, pose = moments.here.image_from_camera.copy(), moments.here.camera_from_world.copy()
        pose[:2, 3] -= point
        k[0, 2] += k[0, 0] * point[0] / self.focus_m
        k[1, 2] += k[1, 1] * point[1] / self.focus_m
        return replace(moments, here=replace(moments.here, image_from_camera=k, camera_from_world=pose))

    def sharp_edges(self, passes: FramePasses, focal_px: float) -> Array:
        """Returns bool (height, width): where something that is nearly in focus borders on another thing."""
        circles = self.circles_px(passes.depth_m, focal_px)
        ids, height, width = np.pad(passes.ids, 1, mode="edge"), *passes.ids.shape
        nearby = np.pad(circles, 1, mode="edge")
        windows = [np.s_[row : row + height, column : column + width] for row in range(3) for column in range(3)]
        differs = np.logical_or.reduce([ids[window] != passes.ids for window in windows])
        return np.asarray(differs & (np.minimum.reduce([nearby[window] for window in windows]) < _SOFT_PX))


def shifted(moments: Neighbours, shift_px: Array) -> Neighbours:
    """Returns the frame with its picture shifted."""
    k = moments.here.image_from_camera.copy()
    k[:2, 2] += shift_px
    return replace(moments, here=replace(moments.here, image_from_camera=k))


def pixel_shifts(count: int) -> Array:
    """Returns shifts (count, 2) spread evenly over a pixel, in an order that has nothing to do with the lens's."""
    index = np.arange(1, count + 1)[:, None]
    return np.asarray((index * _PLASTIC + 0.5) % 1.0 - 0.5)


def largest_circle_px(lens: Lens, depth_m: Array, focal_px: float) -> float:
    """Returns the diameter that nearly all that is seen stays below."""
    return float(np.quantile(lens.circles_px(depth_m[::4, ::4], focal_px), 0.995))


@cache
def linear_levels() -> Array:
    """Returns float32 (256,): linear light of each sRGB level."""
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_levels(linear: Array) -> Array:
    """Returns uint8 sRGB of linear light."""
    light = np.clip(linear.astype(np.float64), 0.0, 1.0)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255.0 * curve).astype(np.uint8))
