"""Holds the pictures of a clip to those of a baseline: shifts, colours and detail, of all and of each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.metrics.colour_fit import drift_percent, fit_colours
from i2v3d.metrics.comparison import REFERENCE_WIDTH, WHOLE, Comparison, worst_of
from i2v3d.metrics.fingerprint import FramePrint
from i2v3d.metrics.registration import Shift, brightness, estimate_shift

MOST_SHIFT = 0.8 / REFERENCE_WIDTH  # of the width
MOST_DRIFT_PERCENT = 1.8
MOST_OBJECT_DRIFT_PERCENT = 2.5
MOST_DETAIL = 11.0  # of 255
_DOUBT_SHARE = 0.5  # of the tolerance: a shift that is known less well is not told
_LEAST_PIXELS = 12  # of a thumbnail
_RIM_PX = 2
_WINDOW_SHARE = 1 / 20  # of the width of a thumbnail
_DETAIL_BLUR_PX = 1.2


@dataclass(frozen=True)
class PicturePair:
    """A frame of the baseline and the frame of the clip that it is compared with.

    Attributes:
        regions: Object name -> bool mask of the size of a thumbnail, by the baseline.
        background: Name of the region that is not an object, or empty.
    """

    before: FramePrint
    after: FramePrint
    regions: Mapping[str, Array]
    background: str = ""


def region_masks(before: FramePrint, names: Mapping[int, str]) -> dict[str, Array]:
    """Returns which pixels of a thumbnail show which object, by the id map of the baseline."""
    if before.geometry is None:
        return {}
    ids = before.geometry.ids
    height, width = before.thumbnail.shape[:2]
    rows = ((np.arange(height) + 0.5) * ids.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * ids.shape[1] / width).astype(int)
    small = ids[np.ix_(rows, columns)]
    masks = {name: small == number for number, name in names.items()}
    return {name: mask for name, mask in masks.items() if mask.sum() >= _LEAST_PIXELS}


def compare_pictures(pairs: Sequence[PicturePair], names: Sequence[str], *, width: int) -> list[Comparison]:
    """Returns every aspect of the pictures.

    Args:
        pairs: In the order of the clip.
        names: Of the objects and the background, in order.
        width: Of the clip: shifts are told in its pixels.
    """
    found = [*_compare_shifts(pairs, names, width), *_compare_colours(pairs, names)]
    found.append(worst_of("detail", WHOLE, [_detail(pair) for pair in pairs], tolerance=MOST_DETAIL, unit="of 255"))
    return [one for one in found if one is not None]


def shifts_of(pair: PicturePair) -> dict[str, Shift]:
    """Returns the shift of the whole picture (name "") and of each region, in pixels of a thumbnail."""
    before, after = brightness(pair.before.thumbnail), brightness(pair.after.thumbnail)
    tolerance = MOST_SHIFT * before.shape[1]
    weights = {WHOLE: np.ones_like(before)}
    for name, mask in pair.regions.items():
        weights[name] = (mask if name == pair.background else _grown(mask)).astype(np.float32)
    return {
        name: estimate_shift(before, after, weight, most_doubt_px=_DOUBT_SHARE * tolerance)
        for name, weight in weights.items()
    }


def _grown(mask: Array) -> Array:
    """The outline of an object tells most about where it is."""
    import cv2

    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((2 * _RIM_PX + 1,) * 2, np.uint8)))


def _compare_shifts(pairs: Sequence[PicturePair], names: Sequence[str], width: int) -> list[Comparison | None]:
    whole: list[float | None] = []
    whole_ways: list[dict[str, float | str]] = []
    parts: dict[str, list[float | None]] = {name: [] for name in names}
    ways: dict[str, list[dict[str, float | str]]] = {name: [] for name in names}
    for pair in pairs:
        scale = width / pair.before.thumbnail.shape[1]
        told = {name: shift for name, shift in shifts_of(pair).items() if np.isfinite(shift.doubt_px)}
        common = told.pop(WHOLE, Shift(0.0, 0.0, np.inf))
        most = MOST_SHIFT * pair.before.thumbnail.shape[1]
        is_common = all(np.hypot(one.x_px - common.x_px, one.y_px - common.y_px) <= most for one in told.values())
        whole.append(scale * common.length_px if is_common and np.isfinite(common.doubt_px) else None)
        whole_ways.append({"x": scale * common.x_px, "y": scale * common.y_px})
        for name in names:
            one = told.get(name)
            is_own = one is not None and not is_common
            parts[name].append(None if one is None else scale * one.length_px if is_own else 0.0)
            ways[name].append({} if one is None else {"x": scale * one.x_px, "y": scale * one.y_px})
    tolerance = MOST_SHIFT * width
    found = [worst_of("shift", WHOLE, whole, tolerance=tolerance, unit="px", details=whole_ways)]
    found += [
        worst_of("shift", name, parts[name], tolerance=tolerance, unit="px", details=ways[name]) for name in names
    ]
    return found


def _compare_colours(pairs: Sequence[PicturePair], names: Sequence[str]) -> list[Comparison | None]:
    drifts: list[float | None] = []
    ways: list[dict[str, float | str]] = []
    parts: dict[str, list[float | None]] = {name: [] for name in names}
    changes: dict[str, list[dict[str, float | str]]] = {name: [] for name in names}
    for pair in pairs:
        before, after = pair.before.colours.reshape(-1, 3), pair.after.colours.reshape(-1, 3)
        gains, offsets = fit_colours(before, after)
        drift = drift_percent(gains, offsets)
        drifts.append(drift)
        mean = 100 * (after - before).mean(axis=0) / 255
        ways.append({name: float(mean[index]) for index, name in enumerate(("red", "green", "blue"))})
        is_drifting = drift > MOST_DRIFT_PERCENT
        for name in names:
            change = _object_change(pair, name, (gains, offsets) if is_drifting else None)
            parts[name].append(None if change is None else float(np.abs(change).max()))
            shown = np.zeros(3) if change is None else change
            changes[name].append({key: float(shown[i]) for i, key in enumerate(("red", "green", "blue"))})
    found = [worst_of("colour", WHOLE, drifts, tolerance=MOST_DRIFT_PERCENT, unit="%", details=ways)]
    found += [
        worst_of(
            "colour", name, parts[name], tolerance=MOST_OBJECT_DRIFT_PERCENT, unit="% of white", details=changes[name]
        )
        for name in names
    ]
    return found


def _object_change(pair: PicturePair, name: str, drift: tuple[Array, Array] | None) -> Array | None:
    """Returns by how much percent of white each channel of an object's mean colour is off, without a drift of all."""
    mask = pair.regions.get(name)
    if mask is None:
        return None
    before = pair.before.thumbnail[mask].mean(axis=0, dtype=np.float64)
    after = pair.after.thumbnail[mask].mean(axis=0, dtype=np.float64)
    if drift is not None:
        before = np.clip(before * (1 + drift[0]) + drift[1], 0, 255)
    # A few pixels have a less certain mean.
    certainty = 1 / (1 + 6 / np.sqrt(float(mask.sum())))
    return np.asarray(certainty * 100 * (after - before) / 255)


def _detail(pair: PicturePair) -> float:
    """Returns the greatest difference of a small part of the picture, root mean square, without fine grain."""
    import cv2

    planes = [
        cv2.GaussianBlur(one.thumbnail.astype(np.float32), (0, 0), _DETAIL_BLUR_PX) for one in (pair.before, pair.after)
    ]
    squares = ((planes[1] - planes[0]) ** 2).mean(axis=2)
    window = max(3, round(_WINDOW_SHARE * squares.shape[1]))
    return float(np.sqrt(cv2.blur(squares, (window, window)).max()))
