"""Where points of one picture lie in another: found by texture, to a few hundredths of a pixel.

Points are followed by the pyramidal Lucas-Kanade method on luma whose local mean and contrast are taken out, so that
another exposure or tint moves nothing; a point that does not come back to where it started is dropped.

Source: Bouguet 2000, "Pyramidal implementation of the Lucas Kanade feature tracker" (OpenCV's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from i2v3d.geometry.frames import Array

_CELL_PX = 20  # one point at most in each square of this size
_FINE_CELL_PX = 8  # the same on objects that are too small for it
_FEW_POINTS = 12
_LEAST_TEXTURE = 2e-3
_EDGE_PX = 5  # so far from an outline a point's surroundings belong to its own surface
_BORDER_PX = 8
_WINDOW_PX = 17
LEVELS = 4
_STEPS = 20
_ROUND_TRIP_PX = 0.5
_LOCAL_PX = 17
_LEAST_CONTRAST = 4.0
_FEATURES = 2000
_CLEARLY = 0.75


@dataclass(frozen=True)
class Points:
    """Points of a picture, at pixels with texture.

    Attributes:
        at_px: float32 (points, 2), column and row; (0, 0) is the middle of the first pixel.
        ids: uint8 (points,), what they are on.
    """

    at_px: Array
    ids: Array


def without_exposure(luma: Array) -> Array:
    """Returns uint8 (height, width): luma less its local mean, over its local contrast, for following points."""
    import cv2

    def mean(plane: Array) -> Array:
        # Twice a box is smooth enough and a tenth of the work of a wide Gaussian.
        return cv2.blur(cv2.blur(plane, (_LOCAL_PX, _LOCAL_PX)), (_LOCAL_PX, _LOCAL_PX))

    deviation = luma - mean(luma)
    contrast = np.sqrt(np.maximum(mean(deviation * deviation), 0)) + np.float32(_LEAST_CONTRAST)
    return np.rint(np.clip(128 + 48 * deviation / contrast, 0, 255)).astype(np.uint8)


def find_points(even: Array, ids: Array) -> Points:
    """Returns the points with most texture, one a square of a grid, well inside what they are on.

    Args:
        even: A picture of `without_exposure`.
        ids: uint8 (height, width) as in `FramePasses`; where they are 0 no point is taken.
    """
    import cv2

    texture = cv2.cornerMinEigenVal(even, 5, ksize=3)
    kernel = np.ones((2 * _EDGE_PX + 1,) * 2, np.uint8)
    is_inner = (cv2.dilate(ids, kernel) == cv2.erode(ids, kernel)) & (ids > 0)
    is_inner[:_BORDER_PX], is_inner[-_BORDER_PX:] = False, False
    is_inner[:, :_BORDER_PX], is_inner[:, -_BORDER_PX:] = False, False
    usable = np.where(is_inner, texture, 0)
    found = [_best_of_cells(usable, _CELL_PX)]
    on = ids[found[0][:, 1], found[0][:, 0]]
    for index in np.unique(ids[ids > 1]):
        if int((on == index).sum()) < _FEW_POINTS:
            mine = ids == index
            inner = np.where(mine, usable, 0)
            found.append(_best_of_cells(inner if inner.any() else np.where(mine, texture, 0), _FINE_CELL_PX))
    at = np.unique(np.concatenate(found), axis=0)
    return Points(at.astype(np.float32), ids[at[:, 1], at[:, 0]])


def _best_of_cells(texture: Array, cell_px: int) -> Array:
    """Returns the columns and rows, int (points, 2), of the best pixel of each cell where there is texture."""
    height, width = texture.shape
    rows, columns = -(-height // cell_px), -(-width // cell_px)
    padded = np.zeros((rows * cell_px, columns * cell_px), np.float32)
    padded[:height, :width] = texture
    cells = padded.reshape(rows, cell_px, columns, cell_px).swapaxes(1, 2).reshape(rows * columns, -1)
    best = cells.argmax(axis=1)
    is_good = cells[np.arange(len(cells)), best] > _LEAST_TEXTURE
    cell = np.arange(len(cells))
    row = (cell // columns) * cell_px + best // cell_px
    column = (cell % columns) * cell_px + best % cell_px
    return np.stack([column, row], axis=1)[is_good]


def follow(first: Array, second: Array, at_px: Array, guess_px: Array, levels: int = LEVELS) -> tuple[Array, Array]:
    """Returns where points lie in the second picture, float32 (points, 2), and which were found, bool (points,).

    Args:
        first: A picture of `without_exposure`.
        second: The same of the other picture.
        at_px: float32 (points, 2) in the first picture.
        guess_px: float32 (points, 2), about where they are in the second one.
        levels: How often the pictures are halved: each doubles how far off a guess may be.
    """
    if len(at_px) == 0:
        return np.zeros((0, 2), np.float32), np.zeros(0, bool)
    there, is_there = _tracked(first, second, at_px, guess_px, levels)
    back, is_back = _tracked(second, first, there, at_px, levels)
    returns = np.linalg.norm(back - at_px, axis=1) < _ROUND_TRIP_PX
    height, width = first.shape
    inside = ((there >= 0) & (there <= (width - 1, height - 1))).all(axis=1)
    return there, returns & inside & is_there & is_back


def shift_between(first: Array, second: Array) -> Array:
    """Returns the shift (x, y) in pixels, float32, that brings most of the first picture onto the second.

    Source: phase correlation, Kuglin and Hines 1975.
    """
    import cv2

    a, b = (np.subtract(picture, 128, dtype=np.float32) for picture in (first, second))
    window = cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
    shift, _ = cv2.phaseCorrelate(a, b, window)
    return np.array(shift, np.float32)


def match_far(first: Array, second: Array, ids: Array) -> tuple[Points, Array]:
    """Returns points of the first picture and where they are in the second one, float32 (points, 2), however far.

    Slower and less exact than `follow`, for pictures that are too far apart for it: keypoints are matched by what they
    look like, at any scale and turn; a match counts when it is clearly better than the next best, both ways.

    Source: Lowe 2004, "Distinctive image features from scale-invariant keypoints" (OpenCV's SIFT).
    """
    import cv2

    finder = cv2.SIFT.create(_FEATURES)
    kinds = [finder.detectAndCompute(picture, None) for picture in (first, second)]  # type: ignore[call-overload]
    (here, looks_here), (there, looks_there) = kinds
    nothing = Points(np.zeros((0, 2), np.float32), np.zeros(0, np.uint8)), np.zeros((0, 2), np.float32)
    if len(here) < 2 or len(there) < 2:
        return nothing
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    forth = _clear_matches(matcher.knnMatch(looks_here, looks_there, k=2))
    back = _clear_matches(matcher.knnMatch(looks_there, looks_here, k=2))
    pairs = sorted((index, other) for index, other in forth.items() if back.get(other) == index)
    height, width = ids.shape
    found = {}
    for index, other in pairs:
        column, row = (round(value) for value in here[index].pt)
        if 0 <= column < width and 0 <= row < height and ids[row, column] > 0:
            found[column, row] = there[other].pt
    if not found:
        return nothing
    at = np.array(list(found))
    return Points(at.astype(np.float32), ids[at[:, 1], at[:, 0]]), np.array(list(found.values()), np.float32)


def _clear_matches(matches: Any) -> dict[int, int]:
    """Returns by keypoint the one that it looks like, where no other comes close."""
    return {
        pair[0].queryIdx: pair[0].trainIdx
        for pair in matches
        if len(pair) == 2 and pair[0].distance < _CLEARLY * pair[1].distance
    }


def _tracked(first: Array, second: Array, at_px: Array, guess_px: Array, levels: int) -> tuple[Array, Array]:
    import cv2

    find: Any = cv2.calcOpticalFlowPyrLK  # its type stub wants outputs that the function makes itself
    found, status, _ = find(
        first,
        second,
        at_px,
        guess_px.astype(np.float32),
        winSize=(_WINDOW_PX, _WINDOW_PX),
        maxLevel=levels,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, 0.005),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return np.asarray(found), np.asarray(status)[:, 0] == 1


__all__ = ["Points", "find_points", "follow", "match_far", "shift_between", "without_exposure"]
