"""Keyframe refiner without weights: mends what the render can't show and leaves the rest alone.

Bad pixels are those without geometry and those of a torn surface (a sheet seen edge-on before that is
now pulled wide). They take what the keyframe before showed there, carried along the exact flow, and
only the rest is filled with patches. Magnified surfaces get their detail back. It stands in for a
diffusion model: light, material and geometry stay as rendered, and no unseen side is invented.

Texels that the reconstruction completed are not bad, and pixels that still equal the photo are never
touched, so an unmoved frame passes through unchanged.
"""

from __future__ import annotations

import cv2
import numpy as np

from i2v3d.artifacts.keyframes import KeyframeMemory
from i2v3d.backends.base import KeyframePast, RefinedKeyframe, RenderedFrame
from i2v3d.backends.embedded.detail_bands import match_detail
from i2v3d.backends.embedded.patch_synthesis import fill_with_patches
from i2v3d.backends.embedded.warping import (
    Motion,
    Track,
    motion_of,
    resting_track,
    sample,
    sample_nearest,
    sample_sharp,
    spread,
    step_back,
    stretch_of,
)
from i2v3d.geometry.frames import Array

_TORN_STRETCH = 2.0
_TORN_ANISOTROPY = 2.0
_EDGE_ON_SLOPE = 0.02  # change of log depth per pixel that only a surface seen almost edge-on shows
_SAME_AS_PHOTO = 3  # grey levels
_SEAM_PX = 9
_MAGNIFICATION_SIGMA_PX = 4.0


class PatchRefiner:
    """Guided patch synthesis on bad pixels, kept along the flow, and band-energy detail matching."""

    def refine(self, frame: RenderedFrame, photo: Array, past: KeyframePast | None, *, seed: int) -> RefinedKeyframe:
        """See `KeyframeRefiner.refine`."""
        motion = motion_of(frame.passes)
        is_hole = frame.passes.ids == 0
        if past is None:
            colour = fill_with_patches(frame.colour, is_hole, motion.ids, seed=seed) if is_hole.any() else frame.colour
            return RefinedKeyframe(colour, KeyframeMemory(np.zeros_like(is_hole), np.ones(is_hole.shape, np.float32)))
        track = self._track_to_past(motion, past)
        is_torn = ~is_hole & (_torn(motion, track) | _was_torn(past, track))
        is_bad = is_hole | is_torn
        colour = frame.colour
        if is_bad.any():
            carried, is_carried = _carry(frame.colour, past.colour, is_bad, track)
            colour = fill_with_patches(carried, is_bad & ~is_carried, motion.ids, seed=seed)
        magnification = _magnification(past.memory.magnification, motion.ids, track)
        is_photo = (cv2.absdiff(frame.colour, photo) <= _SAME_AS_PHOTO).all(axis=2)
        strength = np.where(is_photo, 1, magnification)
        colour = match_detail(colour, motion.ids, strength, past.colour, track)
        return RefinedKeyframe(colour, KeyframeMemory(is_torn, magnification))

    @staticmethod
    def _track_to_past(motion: Motion, past: KeyframePast) -> Track:
        """Returns where each pixel of this keyframe was in the one before."""
        track = resting_track(motion.ids.shape)
        before: Motion | None = None
        for passes in past.passes:
            current = motion_of(passes)
            if before is not None:
                track = step_back(before, current, track)
            before = current
        return track


def _torn(motion: Motion, track: Track) -> Array:
    """Returns where a surface seen edge-on is pulled wide, bool (height, width)."""
    large, small = stretch_of(track)
    slope = np.hypot(*np.gradient(motion.log_depth))
    # Area, not length: a ground seen at a flat angle is sheared by a passing camera, and is whole.
    is_torn = (large * small > _TORN_STRETCH) & (large > _TORN_ANISOTROPY * small) & (slope > _EDGE_ON_SLOPE)
    # The track of a sheet that was a pixel wide is too rough to be called visible, and good enough here. A jump
    # of depth between two surfaces has slope and stretch too, but is only two pixels wide.
    # What another object hid has taken over that object's motion and says nothing.
    is_torn &= cv2.erode(track.is_own.view(np.uint8), np.ones((5, 5), np.uint8)).view(bool)
    cut = cv2.morphologyEx(is_torn.astype(np.uint8), cv2.MORPH_OPEN, np.ones((4, 4), np.uint8))
    return cv2.dilate(cut, np.ones((3, 3), np.uint8)).astype(bool)


def _was_torn(past: KeyframePast, track: Track) -> Array:
    """Returns the pixels whose surface was torn in the past keyframe, bool (height, width)."""
    return sample_nearest(past.memory.is_torn.view(np.uint8), track.at_px).view(bool) & track.is_visible


def _carry(rendered: Array, past: Array, is_bad: Array, track: Track) -> tuple[Array, Array]:
    """Returns the render with bad pixels from the past where it saw them, and where that was.

    The carried part is shifted in colour, smoothly, to meet the good pixels around it.
    """
    warped = sample_sharp(past.astype(np.float32), track.at_px)
    is_carried = is_bad & track.is_visible
    seam = cv2.dilate(is_bad.astype(np.uint8), np.ones((_SEAM_PX, _SEAM_PX), np.uint8)).astype(bool)
    is_seam = seam & ~is_bad & track.is_visible
    if is_seam.any():
        warped = warped + np.clip(spread(rendered - warped, is_seam), -12, 12)
    whole = np.rint(np.clip(warped, 0, 255)).astype(np.uint8)
    return np.where(is_carried[..., None], whole, rendered), is_carried


def _magnification(past: Array, ids: Array, track: Track) -> Array:
    """Returns float32 (height, width): frame pixels per photo pixel.

    It is measured inside each object, away from its edge, and spread to the rest of it; 1 where nothing is known.
    """
    large, small = stretch_of(track)
    here = np.clip(sample(past, track.at_px) * np.sqrt(np.clip(large * small, 1 / 16, 16)), 1 / 8, 8)
    result = np.ones(ids.shape, np.float32)
    for owner in np.unique(ids):
        is_owner = ids == owner
        is_known = cv2.erode((is_owner & track.is_visible).astype(np.uint8), np.ones((5, 5), np.uint8))
        if not is_known.any():
            continue
        weight = cv2.GaussianBlur(is_known.astype(np.float32), (0, 0), _MAGNIFICATION_SIGMA_PX)
        mean = cv2.GaussianBlur(here * is_known, (0, 0), _MAGNIFICATION_SIGMA_PX) / np.maximum(weight, 1e-3)
        result[is_owner] = spread(mean[..., None], weight > 0.1)[is_owner, 0]
    return result


__all__ = ["PatchRefiner"]
