"""From the values of single frames to those of a clip."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from i2v3d.artifacts.metrics import ClipMetrics, Measured
from i2v3d.geometry.frames import Array
from i2v3d.metrics.camera import path_length_m
from i2v3d.metrics.catalog import KINDS
from i2v3d.metrics.continuity import root_mean, seam_jumps
from i2v3d.metrics.frame import FrameValues
from i2v3d.metrics.similarity import psnr_db

_SOLVED_SHARE = 0.9
_STANDING = 1e-3  # a way shorter than this share of a metre is none


@dataclass(frozen=True)
class ClipFacts:
    """What is known of a clip besides its frames.

    Attributes:
        names: Of objects, by id.
        seams: Frames that are keyframes.
        world_from_camera: (frames, 4, 4), the scene's own camera.
    """

    fps: float
    names: Mapping[int, str]
    seams: tuple[int, ...]
    world_from_camera: Array


def join_frames(
    frames: Sequence[FrameValues],
    facts: ClipFacts,
    others: Sequence[ClipMetrics] = (),
    not_asked_for: Mapping[str, str] = MappingProxyType({}),
) -> ClipMetrics:
    """Returns the metrics of a clip.

    Args:
        frames: Its frames in order.
        facts: What is known of it besides.
        others: What was measured by other means, of the same clip; it is put in, and may say why something is missing.
        not_asked_for: Metrics that nothing here measures, and how to have them.
    """
    measured: dict[str, Measured] = {}
    missing: dict[str, str] = dict(not_asked_for)
    for one in _all_metrics(frames, facts):
        if isinstance(one, Measured):
            measured[one.name] = one
        else:
            missing[one.name] = one.reason
    for other in others:
        measured.update(other.measured)
        missing.update(other.missing)
    order = {name: index for index, name in enumerate(KINDS)}
    names = sorted(measured, key=lambda name: order.get(name.partition("[")[0], len(order)))
    return ClipMetrics(
        len(frames),
        facts.fps,
        {name: measured[name] for name in names},
        {name: missing[name] for name in sorted(missing) if name not in measured},
    )


@dataclass(frozen=True)
class _Missing:
    name: str
    reason: str


def _all_metrics(frames: Sequence[FrameValues], facts: ClipFacts) -> Iterator[Measured | _Missing]:
    yield _over_time("ssim_to_render", [frame.ssim for frame in frames], _mean)
    yield _psnr("psnr_to_render", [frame.squared_error for frame in frames])
    yield _psnr("psnr_observed", [frame.squared_error_observed for frame in frames])
    yield from _silhouettes(frames, facts.names)
    yield from _displacements(frames, facts.names)
    yield _over_time("motion_error", [frame.motion_error_px for frame in frames], _mean, "too little texture to follow")
    yield _over_time("warp_error", [frame.warp_error for frame in frames], _mean, "it needs two frames")
    yield _seams(frames, facts.seams)
    yield _flicker(frames)
    yield _over_time("unobserved_share", [frame.unobserved_share for frame in frames], _mean)
    yield from _camera(frames, facts.world_from_camera)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _over_time(
    name: str,
    values: Sequence[float | None],
    joined: Callable[[Sequence[float]], float],
    reason: str = "no frame has a value",
) -> Measured | _Missing:
    known = [value for value in values if value is not None]
    if not known:
        return _Missing(name, reason)
    kind = KINDS[name.partition("[")[0]]
    return Measured(name, joined(known), kind.better, kind.unit, tuple(values))


def _psnr(name: str, errors: Sequence[float | None]) -> Measured | _Missing:
    in_db = [None if error is None else psnr_db(error) for error in errors]
    known = [error for error in errors if error is not None]
    return _over_time(name, in_db, lambda _: psnr_db(_mean(known)), "the photo shows nothing of the clip")


def _silhouettes(frames: Sequence[FrameValues], names: Mapping[int, str]) -> Iterator[Measured | _Missing]:
    worst = [min(frame.silhouettes.values(), default=None) for frame in frames]
    found = {
        index: [frame.silhouettes.get(index) for frame in frames]
        for index in sorted({index for frame in frames for index in frame.silhouettes})
    }
    means = {index: _mean([value for value in values if value is not None]) for index, values in found.items()}
    reason = "no object has an outline in the frame"
    yield _over_time("silhouette_iou", worst, lambda _: min(means.values()), reason)
    for index, values in found.items():
        yield _over_time(f"silhouette_iou[{names.get(index, index)}]", values, _mean)


def _displacements(frames: Sequence[FrameValues], names: Mapping[int, str]) -> Iterator[Measured | _Missing]:
    reason = "the render's texture is not found in the result"
    yield _over_time("displacement", [frame.displacement_px for frame in frames], _mean, reason)
    for index in sorted({index for frame in frames for index in frame.displacement_by_id_px}):
        values = [frame.displacement_by_id_px.get(index) for frame in frames]
        yield _over_time(f"displacement[{names.get(index, index)}]", values, _mean)


def _seams(frames: Sequence[FrameValues], seams: Sequence[int]) -> Measured | _Missing:
    jumps = seam_jumps([frame.change for frame in frames], seams)
    values = [jumps.get(index) for index in range(len(frames))]
    return _over_time("seam_jump", values, max, "there is no keyframe between the first and the last frame")


def _flicker(frames: Sequence[FrameValues]) -> Measured | _Missing:
    squares = [frame.flicker_square for frame in frames]
    values = [None if square is None else math.sqrt(square) for square in squares]
    known = [square for square in squares if square is not None]
    return _over_time("flicker", values, lambda _: root_mean(known), "nothing in the clip stands still")


def _camera(frames: Sequence[FrameValues], world_from_camera: Array) -> Iterator[Measured | _Missing]:
    errors = [frame.camera for frame in frames]
    distances = [None if error is None else error.distance_m for error in errors]
    angles = [None if error is None else math.degrees(error.angle_rad) for error in errors]

    def rms(values: Sequence[float]) -> float:
        return root_mean([value * value for value in values])

    solved = sum(error is not None for error in errors)
    reason = "too little of the still background can be followed to solve for the camera"
    if 0 < solved < _SOLVED_SHARE * len(frames):
        # The frames that are left out are the worst: a mean without them would flatter.
        reason, distances, angles = f"{reason} in {len(frames) - solved} of {len(frames)} frames", [], []
    yield _over_time("camera_path_error", distances, rms, reason)
    length = path_length_m(np.asarray(world_from_camera))
    if length > _STANDING:
        shares = [None if distance is None else distance / length for distance in distances]
        yield _over_time("camera_path_share", shares, rms, reason)
    else:
        yield _Missing("camera_path_share", "the camera stays where it is")
    yield _over_time("camera_rotation_error", angles, rms, reason)


__all__ = ["ClipFacts", "join_frames"]
