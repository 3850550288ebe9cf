"""`keyframes.every`, `keyframes.spacing` and `interpolate.frames` to the frames that are keyframes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from i2v3d.backends.catalog import is_run_by
from i2v3d.spec import resolved

if TYPE_CHECKING:
    from i2v3d.spec.collect import Collector
    from i2v3d.spec.model import Spec

_LONGEST_CLIPS = {"svd": 25}
"""Frames of the longest clips that a video model was trained on."""


def resolve_keyframes(
    collector: Collector, spec: Spec, frame_count: int, backends: Mapping[str, str]
) -> resolved.Keyframing:
    """Returns the keyframes; notes intervals that a video model does badly.

    An interval counts both of its keyframes, so `interpolate.frames` is `keyframes.every` and one: either tells the
    other, and both are an error where they disagree.
    """
    every = _every(collector, spec)
    is_even = spec.keyframes.spacing == "even"
    frames = _even_keyframes(frame_count, every) if is_even else _fixed_keyframes(frame_count, every)
    if is_run_by(backends, "interpolate", "generate_clip"):
        _check_lengths(collector, frames, every, _LONGEST_CLIPS.get(backends["interpolate"]))
    return resolved.Keyframing(frames)


def _every(collector: Collector, spec: Spec) -> int:
    every, frames = spec.keyframes.every, spec.interpolate.frames
    if not collector.has_key(("interpolate", "frames")):
        return every
    if collector.has_key(("keyframes", "every")) and frames != every + 1:
        collector.error(
            ("interpolate", "frames"),
            f"intervals of {frames} frames do not fit keyframes every {every} frames",
            f"give `frames: {every + 1}` or `keyframes: {{every: {frames - 1}}}`, or leave one of them out",
        )
    return frames - 1


def _fixed_keyframes(frame_count: int, every: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys((*range(0, frame_count, every), frame_count - 1)))


def _even_keyframes(frame_count: int, every: int) -> tuple[int, ...]:
    """Returns as few keyframes as leave no two further apart than `every`, their distances equal but for rounding."""
    last = frame_count - 1
    intervals = max(1, -(-last // every))
    return tuple(dict.fromkeys(round(index * last / intervals) for index in range(intervals + 1)))


def _check_lengths(collector: Collector, frames: tuple[int, ...], every: int, longest: int | None) -> None:
    distances = [last - first for first, last in pairwise(frames)]
    if longest and distances and max(distances) >= longest:
        collector.warn(
            ("keyframes", "every"),
            f"intervals of {max(distances) + 1} frames: the video model was trained on {longest} at most",
            "expect it to lose the render between keyframes; `keyframes: {every: 15}` is the paper's",
        )
    if len(distances) > 1 and distances[-1] < every / 2:
        collector.warn(
            ("keyframes",),
            f"the last interval has {distances[-1] + 1} frames only, too few for a video model",
            "write `keyframes: {spacing: even}`, or another duration",
        )
