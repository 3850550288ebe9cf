"""The embedded inpainter: PatchMatch guided by the layout, and a membrane across narrow gaps in smooth parts.

PatchMatch continues texture and structure but leaves blotches in a clear sky; a membrane is seamless there
but knows nothing of what is far from the hole's edge. The membrane is used near the edge, and only where the
known pixels around it show no texture.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from i2v3d.backends.embedded.membrane import stretch_membrane
from i2v3d.errors import MissingBackendError, StageError
from i2v3d.geometry.frames import Array

_SEED = 1
_PATCH_RADIUS_PX = 3
_GUIDE_WEIGHT = 2.0
_COARSE_GUIDE_WEIGHT = 0.5  # in a small picture a patch spans many rows
_MOST_HOLE_PX = 260_000  # larger holes are filled in a smaller picture: time grows with their area
_COARSE_HOLE_PX = 120_000
_RING_PX = 24  # how far around a hole its surroundings are judged
_SMOOTH_DETAIL, _ROUGH_DETAIL = 2.0, 4.0  # grey levels of detail below and above which it is all membrane, all patches
_DETAIL_PX = 5.0
_GRAIN_PX = 1.2
_MOST_GRAIN = 6.0
_AGREEING = 10.0  # grey levels by which smoothed patches and membrane may differ in a clear sky
_RIM_PX = 3.0
_LEVEL_PX = 24.0  # a step of brightness at the edge is spread over this much of the hole
_MOST_STEP = 12.0
_BLACK = 6.0  # grey level below which brightness is no longer told apart
_SHADE_PX = 8.0
_DEEPEST, _NO_SHADOW = 2.0, 0.35  # of the logarithm: how dark a shadow may be, and what counts as none
_MEMBRANE_SHARE = 0.05  # of the picture's width: how far the membrane reaches into a hole


class GuidedPatchMatch:
    """A picture without some of its pixels to a whole one, see the module."""

    def inpaint(self, picture: Array, is_hole: Array, guide: Array | None, is_forbidden: Array | None) -> Array:
        """Returns uint8 (height, width, 3) with the hole filled and every other pixel as it was.

        Raises:
            StageError: Nothing is left to copy from.
        """
        if not is_hole.any():
            return picture.copy()
        forbidden = np.zeros_like(is_hole) if is_forbidden is None else is_forbidden & ~is_hole
        if not (~is_hole & ~forbidden).any():
            hint = "make the objects or the forbidden polygons smaller"
            raise StageError("no pixel is left to fill the background from", hint=hint)
        patches = _fill_with_patches(picture, is_hole, guide, forbidden)
        smoothness = _smoothness(picture, is_hole)[..., None]
        result = _levelled(patches.astype(np.float32), picture, is_hole)
        if guide is None:
            result = _shaded(result, picture, is_hole)
        if smoothness[is_hole].max(initial=0) > 0.01:
            membrane = stretch_membrane(picture.astype(np.float32), ~is_hole)
            share = smoothness * _agreement(result, membrane)[..., None]
            grain = result - cv2.GaussianBlur(result, (0, 0), _GRAIN_PX)
            result = share * (membrane + np.clip(grain, -_MOST_GRAIN, _MOST_GRAIN)) + (1 - share) * result
        filled = np.clip(np.rint(result), 0, 255).astype(np.uint8)
        filled[~is_hole] = picture[~is_hole]
        return filled


def _fill_with_patches(picture: Array, is_hole: Array, guide: Array | None, is_forbidden: Array) -> Array:
    """Returns the picture with patches in its hole, found in a smaller picture when the hole is large."""
    hole_px = np.count_nonzero(is_hole)
    if hole_px <= _MOST_HOLE_PX:
        return _patch_match(picture, is_hole, guide, is_forbidden, guide_weight=_GUIDE_WEIGHT)
    factor = float(np.sqrt(_COARSE_HOLE_PX / hole_px))
    height, width = is_hole.shape
    size = (max(16, round(width * factor)), max(16, round(height * factor)))
    # Colours of the hole must not leak into the known pixels beside it.
    known = (~is_hole).astype(np.float32)
    weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colours = cv2.resize(picture * known[..., None], size, interpolation=cv2.INTER_AREA)
    small = np.clip(np.rint(colours / np.maximum(weight, 1e-6)[..., None]), 0, 255).astype(np.uint8)
    small_guide = None if guide is None else cv2.resize(guide, size, interpolation=cv2.INTER_NEAREST)
    small_forbidden = cv2.resize(is_forbidden.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    is_small_hole = weight < 0.5
    filled = _patch_match(
        small, is_small_hole, small_guide, small_forbidden & ~is_small_hole, guide_weight=_COARSE_GUIDE_WEIGHT
    )
    large = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.where(is_hole[..., None], large, picture)


def _patch_match(
    picture: Array, is_hole: Array, guide: Array | None, is_forbidden: Array, *, guide_weight: float
) -> Array:
    try:
        import patchmatch
    except ImportError as error:
        raise MissingBackendError("filling needs `pypatchmatch`", hint="pip install pypatchmatch") from error
    # The library keeps one seed for all calls: equal inputs must give equal bytes whatever came before.
    patchmatch.set_random_seed(_SEED)
    hole = is_hole.astype(np.uint8)[..., None] * 255
    ban = is_forbidden.astype(np.uint8)[..., None] * 255 if is_forbidden.any() else None
    source = np.ascontiguousarray(picture)
    if guide is None:
        return np.asarray(patchmatch.inpaint(source, hole, global_mask=ban, patch_size=_PATCH_RADIUS_PX))
    return np.asarray(
        patchmatch.inpaint_regularity(
            source,
            hole,
            np.ascontiguousarray(guide, np.float32),
            global_mask=ban,
            patch_size=_PATCH_RADIUS_PX,
            guide_weight=guide_weight,
        )
    )


def _levelled(patches: Array, picture: Array, is_hole: Array) -> Array:
    """Returns the patches with their brightness at the hole's edge drawn to that of the picture beside it."""
    known, inward = _unit(~is_hole), ndimage.distance_transform_edt(is_hole)
    is_rim = is_hole & (inward <= _RIM_PX)
    beside = _masked_blur(picture.astype(np.float32), known[..., None], _RIM_PX)
    inside = _masked_blur(patches, _unit(is_rim)[..., None], _RIM_PX)
    step = np.clip(beside - inside, -_MOST_STEP, _MOST_STEP)
    is_fixed = is_rim | ~is_hole | (inward > _LEVEL_PX)
    correction = stretch_membrane(np.where(is_rim[..., None], step, 0), is_fixed)
    return np.asarray(patches + np.where(is_hole[..., None], correction, 0), np.float32)


def _shaded(patches: Array, picture: Array, is_hole: Array) -> Array:
    """Returns the patches with the shadows around the hole carried a little way into it.

    For one surface of one texture under uneven light (a table): the shadow that a thing has left at its foot
    fades out into the hole, where patches from a lit place would end it with a hard edge.
    """
    grey = np.log(np.maximum(picture.astype(np.float32).mean(axis=2), _BLACK))
    around = _masked_blur(grey, _unit(~is_hole), _SHADE_PX)
    wanted = stretch_membrane(around[..., None], ~is_hole)[..., 0]
    copied = np.log(np.maximum(patches.mean(axis=2), _BLACK))
    found = _masked_blur(copied, _unit(is_hole), _SHADE_PX)
    inward = ndimage.distance_transform_edt(is_hole) / (_MEMBRANE_SHARE * is_hole.shape[1])
    shade = np.minimum(np.maximum(wanted - found, -_DEEPEST) + _NO_SHADOW, 0)
    gain = np.exp(shade * np.exp(-(inward**2)))
    return np.asarray(np.where(is_hole[..., None], patches * gain[..., None], patches), np.float32)


def _unit(mask: Array) -> Array:
    return np.where(mask, np.float32(1), np.float32(0))


def _smoothness(picture: Array, is_hole: Array) -> Array:
    """Returns float32 (height, width) in 0..1: 1 in the hole near known pixels without texture."""
    height, width = is_hole.shape
    grey = picture.astype(np.float32).mean(axis=2)
    known = _unit(~is_hole)
    local_mean = _masked_blur(grey, known, _DETAIL_PX)
    detail = np.sqrt(_masked_blur((grey - local_mean) ** 2, known, _DETAIL_PX))
    ring = (~is_hole & (ndimage.distance_transform_edt(~is_hole) <= _RING_PX)).astype(np.float32)
    size = (max(4, width // 4), max(4, height // 4))
    weight = cv2.resize(ring, size, interpolation=cv2.INTER_AREA)
    level = cv2.resize(detail * ring, size, interpolation=cv2.INTER_AREA) / np.maximum(weight, 1e-6)
    spread = stretch_membrane(level[..., None], weight > 0.3)[..., 0]
    around = cv2.resize(cv2.GaussianBlur(spread, (0, 0), 2), (width, height), interpolation=cv2.INTER_LINEAR)
    rough = np.clip((around - _SMOOTH_DETAIL) / (_ROUGH_DETAIL - _SMOOTH_DETAIL), 0, 1)
    inward = ndimage.distance_transform_edt(is_hole) / (_MEMBRANE_SHARE * width)
    smooth = (1 - rough * rough * (3 - 2 * rough)) * np.exp(-(np.maximum(inward - 1, 0) ** 2) * 4)
    return np.where(is_hole, smooth, 0).astype(np.float32)


def _agreement(patches: Array, membrane: Array) -> Array:
    """Returns float32 (height, width) in 0..1: 1 where patches and membrane tell the same but for detail.

    Where they differ the patches continue something, which a membrane would wipe out.
    """
    difference = np.abs(cv2.GaussianBlur(np.asarray(patches - membrane, np.float32), (0, 0), _DETAIL_PX))
    return np.asarray(np.exp(-((difference.max(axis=2) / _AGREEING) ** 2)))


def _masked_blur(values: Array, weight: Array, sigma: float) -> Array:
    total = cv2.GaussianBlur(weight, (0, 0), sigma).reshape(weight.shape)
    return np.asarray(
        cv2.GaussianBlur(np.asarray(values * weight, np.float32), (0, 0), sigma) / np.maximum(total, 1e-4)
    )
