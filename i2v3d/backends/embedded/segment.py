"""The embedded segmenter: GrabCut in a band around a rough outline, then a closed-form matte.

Stands in for a promptable model. It is as good as the outline it starts from: a polygon of 10 to 20
corners is robust, a box alone is not where object and background share colours.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from i2v3d.artifacts.user_pictures import with_eight_bits
from i2v3d.backends.embedded.geodesic import nearer_to_inside
from i2v3d.backends.embedded.matting import closed_form_alpha, foreground_colours, trimap
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array
from i2v3d.geometry.masks import fill_polygons
from i2v3d.spec.resolved import Prompts

_ROUNDS = 5
_COARSE_PX = 400  # longer side at which a box is searched
_POINT_PX = 8.0  # radius that a point speaks for, in a picture 1024 pixels wide
_ROOM_PX = 32
_SMALL_HOLE = 0.002  # holes below this share of the thing are closed


class GrabCutMatting:
    """Prompts to a soft matte, see the module."""

    def segment(self, photo: Array, prompts: Prompts) -> Array:
        """Returns alpha, float32 (height, width) in 0..1.

        Raises:
            StageError: The mask file can't be read.
        """
        cv2.setRNGSeed(0)
        if prompts.mask_file is not None:
            is_thing = _from_mask(photo, prompts, prompts.mask_file)
        elif prompts.polygons:
            is_thing = _from_polygons(photo, prompts)
        else:
            is_thing = _from_box(photo, prompts)
        is_thing = _tidied(is_thing, prompts)
        core, unknown = trimap(is_thing, max(1.0, prompts.soft_px))
        return closed_form_alpha(photo, core, unknown)

    def foreground_colours(self, photo: Array, alpha: Array) -> Array:
        """Returns uint8 (height, width, 3): the thing's own colours, bled outwards."""
        return foreground_colours(photo, alpha)


def _from_mask(photo: Array, prompts: Prompts, file: Path) -> Array:
    from PIL import Image as Pillow

    try:
        with Pillow.open(file) as picture:
            levels = np.asarray(with_eight_bits(picture).convert("L"))
    except (OSError, ValueError) as error:
        raise StageError(f"the mask {file.name} can't be read", hint="give a PNG, white where the object is") from error
    height, width = photo.shape[:2]
    scaled = cv2.resize(levels.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    is_thing = scaled > 127.5
    if prompts.polygons:
        is_thing |= fill_polygons((height, width), prompts.polygons)
    if not (prompts.include_points or prompts.exclude_points):
        return is_thing
    return _cut_in_band(photo, is_thing, prompts)


def _from_polygons(photo: Array, prompts: Prompts) -> Array:
    height, width = photo.shape[:2]
    is_rough = fill_polygons((height, width), prompts.polygons)
    return _cut_in_band(photo, is_rough, prompts) if prompts.band_px >= 1 else is_rough


def _cut_in_band(photo: Array, is_rough: Array, prompts: Prompts) -> Array:
    """Returns the outline that GrabCut finds within `band_px` of a rough one and around points."""
    if not is_rough.any() or is_rough.all():
        return is_rough
    core, unknown = trimap(is_rough, max(1.0, prompts.band_px))
    labels = np.where(core, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    labels[unknown] = np.where(is_rough[unknown], cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    _put_points(labels, prompts)
    return _grab_cut(photo, labels)


def _from_box(photo: Array, prompts: Prompts) -> Array:
    """Returns the thing in a box: coarsely by geodesic distance to the points, then in a band at full size."""
    height, width = photo.shape[:2]
    factor = min(1.0, _COARSE_PX / max(height, width))
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    scale = np.array([size[0] / width, size[1] / height])
    labels = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
    if prompts.box is not None:
        left, top, right, bottom = (round(value) for value in (np.array(prompts.box).reshape(2, 2) * scale).ravel())
        labels[:] = cv2.GC_BGD
        labels[max(0, top) : max(top + 1, bottom), max(0, left) : max(left + 1, right)] = cv2.GC_PR_FGD
    _put_points(labels, prompts, scale)
    if prompts.include_points:
        near = nearer_to_inside(small, labels == cv2.GC_FGD, _outside_seeds(labels, prompts))
        open_labels = (labels == cv2.GC_PR_FGD) | (labels == cv2.GC_PR_BGD)
        labels[open_labels] = np.where(near[open_labels], cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    coarse = _grab_cut(small, labels)
    fine = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return _cut_in_band(photo, _connected(fine, prompts), prompts)


def _outside_seeds(labels: Array, prompts: Prompts) -> Array:
    seeds = np.asarray(labels == cv2.GC_BGD)
    if not seeds.any() and prompts.box is None:
        seeds[[0, -1], :] = seeds[:, [0, -1]] = True
        seeds &= labels != cv2.GC_FGD
    return seeds


def _put_points(labels: Array, prompts: Prompts, scale: Array | None = None) -> None:
    """Marks discs around the points, in place; around a point the cut is free to go elsewhere than the band."""
    factor = np.ones(2) if scale is None else scale
    radius = max(1, round(_POINT_PX * labels.shape[1] / 1024))
    for points, sure, likely in (
        (prompts.include_points, cv2.GC_FGD, cv2.GC_PR_FGD),
        (prompts.exclude_points, cv2.GC_BGD, cv2.GC_PR_BGD),
    ):
        for point in points:
            x, y = (int(value) for value in np.array(point) * factor)
            if scale is None:
                around = np.zeros(labels.shape, np.uint8)
                cv2.circle(around, (x, y), 5 * radius, (1.0,), -1)
                labels[(around > 0) & (labels != sure)] = likely
            cv2.circle(labels, (x, y), radius, (float(sure),), -1)


def _grab_cut(photo: Array, labels: Array) -> Array:
    """Returns bool (height, width); labels without one of the two sides are returned as they are."""
    is_front = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if not is_front.any() or is_front.all():
        return is_front
    window = _surroundings(labels != cv2.GC_BGD)
    marked = labels[window].copy()
    if (marked != cv2.GC_BGD).all() and not (marked == cv2.GC_PR_BGD).any():
        return is_front
    models = np.zeros((2, 1, 65))
    whole = (0, 0, 0, 0)  # not used: the labels are the start
    cv2.grabCut(photo[window][..., ::-1].copy(), marked, whole, models[0], models[1], _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.zeros_like(is_front)
    found[window] = (marked == cv2.GC_FGD) | (marked == cv2.GC_PR_FGD)
    return found


def _surroundings(mask: Array) -> tuple[slice, slice]:
    """Returns the window around a mask in which its background is learnt: nearby colours tell more, and faster."""
    spans = []
    for axis in (1, 0):
        used = np.flatnonzero(mask.any(axis=axis))
        room = max(_ROOM_PX, (used[-1] - used[0]) // 4)
        spans.append(slice(max(0, int(used[0]) - room), int(used[-1]) + 1 + room))
    return spans[0], spans[1]


def _connected(is_thing: Array, prompts: Prompts) -> Array:
    """Returns the parts that a point lies on, or else the largest one."""
    parts, count = ndimage.label(is_thing, np.ones((3, 3)))
    if count <= 1:
        return is_thing
    height, width = is_thing.shape
    touched = {int(parts[min(height - 1, int(y)), min(width - 1, int(x))]) for x, y in prompts.include_points} - {0}
    if not touched:
        touched = {int(np.argmax(np.bincount(parts.ravel())[1:])) + 1}
    return np.isin(parts, list(touched))


def _tidied(is_thing: Array, prompts: Prompts) -> Array:
    """Returns the thing without specks (below 1 % of its largest part) and without pinholes."""
    parts, count = ndimage.label(is_thing, np.ones((3, 3)))
    if count == 0:
        return is_thing
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = is_thing if prompts.mask_file is not None else (sizes >= 0.01 * sizes.max())[parts] & is_thing
    gaps, count = ndimage.label(~kept)
    if count == 0:
        return kept
    gap_sizes = np.bincount(gaps.ravel())
    gap_sizes[0] = kept.size
    return np.asarray(kept | (gap_sizes < _SMALL_HOLE * sizes.max())[gaps])
