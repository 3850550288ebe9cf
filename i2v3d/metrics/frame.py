"""Everything that is measured on one frame of a clip and its way to the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from i2v3d.artifacts.scene import FramePasses
from i2v3d.geometry.frames import Array
from i2v3d.metrics import camera, continuity, silhouettes, similarity, tracking
from i2v3d.metrics.camera import CameraError

_BACKGROUND = 1
_LEAST_TRACKED = 8
_MANY = 0.7
_SOME = 0.5
_HALF_WINDOW = 5
_NEAR = 2  # halvings of the picture: from the known flow a point is at most some twenty pixels off


@dataclass(frozen=True)
class FrameValues:
    """What is measured on one frame; None where a frame has no such value.

    Attributes:
        ssim: Against the render.
        squared_error: Mean square of the difference from the render, over drawn pixels.
        squared_error_observed: The same over pixels that the photo shows.
        unobserved_share: Share of pixels whose colour is not the photo's.
        silhouettes: IoU by object id.
        displacement_px: Median over all points.
        displacement_by_id_px: Median over the points of one object.
        tracked_share: Share of the points that were found in the result.
        camera: Error of the camera.
        warp_error: To the next frame.
        motion_error_px: Mean over points, to the next frame.
        change: Of the difference from the render, to the next frame.
        flicker_square: Variance of noise, where nothing moves.
    """

    ssim: float
    squared_error: float
    squared_error_observed: float | None
    unobserved_share: float
    silhouettes: Mapping[int, float] = field(default_factory=dict)
    displacement_px: float | None = None
    displacement_by_id_px: Mapping[int, float] = field(default_factory=dict)
    tracked_share: float = 1.0
    camera: CameraError | None = None
    warp_error: float | None = None
    motion_error_px: float | None = None
    change: float | None = None
    flicker_square: float | None = None


@dataclass(frozen=True)
class FramePair:
    """A frame of a result, and its render: uint8 (height, width, 3), sRGB."""

    result: Array
    render: Array

    @cached_property
    def is_equal(self) -> bool:
        """Whether result and render are the same picture."""
        return bool(np.array_equal(self.result, self.render))

    @cached_property
    def difference(self) -> Array:
        """Result less render, int16 (height, width, 3)."""
        return np.subtract(self.result, self.render, dtype=np.int16)


@dataclass(frozen=True)
class MeasuredFrame(FramePair):
    """A frame with what is known of it; what several metrics need is worked out once.

    Attributes:
        image_from_camera: (3, 3) of the render's camera.
        never_photographed: Ids of what was added to the scene; it is as it is meant to be.
    """

    passes: FramePasses
    image_from_camera: Array
    never_photographed: tuple[int, ...] = ()

    @cached_property
    def squared_errors(self) -> Array:
        """Of the result against the render, by pixel."""
        return similarity.squared_errors(self.result, self.render)

    @cached_property
    def luma(self) -> Array:
        """Luma of the result."""
        return similarity.luma_of(self.result)

    @cached_property
    def render_luma(self) -> Array:
        """Luma of the render."""
        return self.luma if self.is_equal else similarity.luma_of(self.render)

    @cached_property
    def even(self) -> Array:
        """The result, for tracking."""
        return tracking.without_exposure(self.luma)

    @cached_property
    def render_even(self) -> Array:
        """The render, for tracking."""
        return self.even if self.is_equal else tracking.without_exposure(self.render_luma)

    @cached_property
    def points(self) -> tracking.Points:
        """Points of the render."""
        return tracking.find_points(self.render_even, self.passes.ids)

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Objects in the frame, without the background."""
        return tuple(int(index) for index in np.unique(self.passes.ids) if index > _BACKGROUND)


def measure_frame(
    frame: MeasuredFrame,
    following: MeasuredFrame | None,
    previous: FramePair | None,
) -> FrameValues:
    """Returns everything that is measured on a frame.

    Args:
        frame: The frame.
        following: The next one, None for the last.
        previous: The frame before, None for the first.
    """
    is_drawn = frame.passes.ids > 0
    observed = is_drawn & frame.passes.is_observed
    made_up = ~frame.passes.is_observed & ~np.isin(frame.passes.ids, frame.never_photographed)
    registered = register(frame)
    seen = _Onward.of(frame, following)
    return FrameValues(
        ssim=_ssim(frame, is_drawn),
        squared_error=_squared_error(frame, is_drawn) or 0.0,
        squared_error_observed=_squared_error(frame, observed),
        unobserved_share=float(made_up.mean()),
        silhouettes=_silhouettes(frame),
        displacement_px=registered.median_px(),
        displacement_by_id_px=registered.medians_px(frame.ids),
        tracked_share=registered.found_share,
        camera=_camera(frame, registered),
        warp_error=None if seen is None else seen.warp_error(),
        motion_error_px=None if seen is None else seen.motion_error_px(),
        change=None if seen is None else seen.change(),
        flicker_square=_flicker(previous, frame, following),
    )


def _ssim(frame: MeasuredFrame, is_drawn: Array) -> float:
    if frame.is_equal:
        return 1.0
    if is_drawn.all():
        return similarity.ssim(frame.luma, frame.render_luma)
    import cv2

    # A window that reaches into a hole of the render compares with what is not there.
    is_whole = cv2.erode(is_drawn.view(np.uint8), np.ones((2 * _HALF_WINDOW + 1,) * 2, np.uint8)).view(bool)
    return similarity.ssim(frame.luma, frame.render_luma, is_whole)


def _squared_error(frame: MeasuredFrame, is_counted: Array) -> float | None:
    if not is_counted.any():
        return None
    return 0.0 if frame.is_equal else float(frame.squared_errors[is_counted].mean(dtype=np.float64))


def _silhouettes(frame: MeasuredFrame) -> dict[int, float]:
    found = {}
    for index in frame.ids:
        band = silhouettes.band_about(frame.passes.ids == index)
        if band is not None and frame.is_equal:
            found[index] = 1.0
        elif band is not None:
            result, render = (silhouettes.outline_in(picture, band) for picture in (frame.result, frame.render))
            found[index] = silhouettes.intersection_over_union(result, render)
    return found


@dataclass(frozen=True)
class Registration:
    """Where the render's points lie in the result.

    Attributes:
        points: Of the render.
        shift_px: float32 (points, 2).
        is_found: bool (points,).
        far_share: Share of the render's points that `points` are, where they are others.
    """

    points: tracking.Points
    shift_px: Array
    is_found: Array
    far_share: float | None = None

    @property
    def found_share(self) -> float:
        """Share of the render's points that were found; 1 where it has none."""
        if self.far_share is not None:
            return self.far_share
        return float(self.is_found.mean()) if len(self.is_found) else 1.0

    def median_px(self, index: int | None = None) -> float | None:
        """Returns the median length of the shifts, of one object or of all."""
        chosen = self.is_found if index is None else self.is_found & (self.points.ids == index)
        if int(chosen.sum()) < _LEAST_TRACKED:
            return None
        return float(np.median(np.linalg.norm(self.shift_px[chosen], axis=1)))

    def medians_px(self, indices: tuple[int, ...]) -> dict[int, float]:
        """Returns `median_px` by object, of those that have points enough."""
        return {index: value for index in indices if (value := self.median_px(index)) is not None}


def register(frame: MeasuredFrame) -> Registration:
    """Returns where the render's points lie in the result.

    They are looked for where they should be; where many are not there, also where the picture as a whole has gone, and
    where that fails too anywhere, by what they look like. What finds most points counts.
    """
    points = frame.points
    if frame.is_equal:
        return Registration(points, np.zeros_like(points.at_px), np.ones(len(points.ids), bool))
    at_px, is_found = tracking.follow(frame.render_even, frame.even, points.at_px, points.at_px)
    if len(is_found) and is_found.mean() < _MANY:
        start = points.at_px + tracking.shift_between(frame.render_even, frame.even)
        moved_px, is_moved = tracking.follow(frame.render_even, frame.even, points.at_px, start)
        if is_moved.sum() > is_found.sum():
            at_px, is_found = moved_px, is_moved
    if len(is_found) and is_found.mean() < _SOME:
        far, there = tracking.match_far(frame.render_even, frame.even, frame.passes.ids)
        if len(far.ids) > is_found.sum():
            return Registration(far, there - far.at_px, np.ones(len(far.ids), bool), _share(len(far.ids), points))
    return Registration(points, at_px - points.at_px, is_found)


def _share(count: int, points: tracking.Points) -> float:
    return min(1.0, count / max(1, len(points.ids)))


def _camera(frame: MeasuredFrame, registered: Registration) -> CameraError | None:
    depth = frame.passes.depth_m
    column, row = registered.points.at_px.astype(np.intp).T
    is_far_and_still = (registered.points.ids == _BACKGROUND) & registered.is_found & np.isfinite(depth[row, column])
    if int(is_far_and_still.sum()) < camera.LEAST_POINTS:
        return None
    if frame.is_equal:
        return camera.NO_ERROR
    at = registered.points.at_px[is_far_and_still]
    points = camera.points_in_camera(at, depth[row, column][is_far_and_still], frame.image_from_camera)
    return camera.solve_camera_error(points, at + registered.shift_px[is_far_and_still], frame.image_from_camera)


def _flicker(previous: FramePair | None, frame: MeasuredFrame, following: MeasuredFrame | None) -> float | None:
    if previous is None or following is None:
        return None
    three: tuple[FramePair, ...] = (previous, frame, following)
    is_still = continuity.is_still(frame.passes)
    if all(one.is_equal for one in three):
        return 0.0 if is_still.any() else None
    return continuity.flicker_square([one.difference for one in three], is_still)


@dataclass(frozen=True)
class _Onward:
    """A frame and the next one, brought back along the exact flow."""

    frame: MeasuredFrame
    following: MeasuredFrame
    targets: Array
    is_seen: Array

    @classmethod
    def of(cls, frame: MeasuredFrame, following: MeasuredFrame | None) -> _Onward | None:
        if following is None or not frame.passes.has_next:
            return None
        targets = continuity.targets_of(frame.passes)
        return cls(frame, following, targets, continuity.is_seen_next(frame.passes, following.passes, targets))

    @cached_property
    def brought_back(self) -> Array:
        return continuity.brought_back(self.following.result, self.targets)

    def warp_error(self) -> float | None:
        return continuity.mean_difference(self.frame.result, self.brought_back, self.is_seen)

    def change(self) -> float | None:
        if self.frame.is_equal and self.following.is_equal:
            return 0.0 if self.is_seen.any() else None
        render = continuity.brought_back(self.following.render, self.targets)
        return continuity.change_against_render(
            (self.frame.result, self.brought_back), (self.frame.render, render), self.is_seen
        )

    def motion_error_px(self) -> float | None:
        """Follows the render's points into the next frame, in the result and in the render, and compares."""
        points = self.frame.points
        column, row = points.at_px.astype(np.intp).T
        is_kept = self.is_seen[row, column]
        if int(is_kept.sum()) < _LEAST_TRACKED:
            return None
        if self.frame.is_equal and self.following.is_equal:
            return 0.0
        at, expected = points.at_px[is_kept], self.targets[row, column][is_kept]
        by_result, is_found = tracking.follow(self.frame.even, self.following.even, at, expected, _NEAR)
        by_render, is_known = tracking.follow(self.frame.render_even, self.following.render_even, at, expected, _NEAR)
        errors = np.linalg.norm(by_result - by_render, axis=1)[is_found & is_known]
        return float(errors.mean()) if len(errors) >= _LEAST_TRACKED else None


__all__ = ["FramePair", "FrameValues", "MeasuredFrame", "Registration", "measure_frame", "register"]
