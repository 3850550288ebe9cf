"""Times to frames, and motion keys to resolved keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i2v3d.spec.collect import BEYOND_END, Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.resolved import MotionKey, Output
from i2v3d.spec.units import Moment

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.motion import MotionKey as MotionKeySpec

_ROUNDING = 1e-6  # frames; `0.1s` times 30 is not exactly 3


@dataclass(frozen=True)
class Timing:
    """What turns written times into frames. duration_s is the declared one, before rounding to frames."""

    fps: float
    frame_count: int
    duration_s: float

    @classmethod
    def of(cls, output: Output, duration_s: float) -> Timing:
        """Returns the timing of a clip."""
        return cls(output.fps, output.frame_count, duration_s)

    def frame(self, moment: Moment) -> float:
        """Returns the frame, near-whole numbers rounded, and a time at the very end on the last frame."""
        last = self.frame_count - 1
        frame = moment.to_frame(self.fps, last)
        if moment.unit == "s" and last < frame and moment.value <= self.duration_s * (1 + 1e-9):
            return float(last)
        return float(round(frame)) if abs(frame - round(frame)) < _ROUNDING else frame


def resolve_times(collector: Collector, timing: Timing, moments: Sequence[Moment], path: SpecPath) -> tuple[float, ...]:
    """Returns the frames of a list of keys; notes times out of order or beyond the clip."""
    last = timing.frame_count - 1
    frames: list[float] = []
    for index, moment in enumerate(moments):
        frame, at = timing.frame(moment), (*path, index, "at")
        if frame > last:
            end = f"{timing.duration_s:g}s, frame {last}"
            collector.error(at, f"{moment} {BEYOND_END}", f"it ends at {end}")
        if frames and frame <= frames[-1]:
            before = moments[index - 1]
            what = "is at the same time as" if frame == frames[-1] else "is before"
            collector.error(at, f"{moment} {what} the key above it ({before})", "put the keys in order of time")
        frames.append(frame)
    return tuple(frames)


def resolve_motion(
    collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...]
) -> Mapping[str, tuple[MotionKey, ...]]:
    """Returns the keys by object, in the order of the objects; objects without keys are left out."""
    found: dict[str, tuple[MotionKey, ...]] = {}
    for name, motion in spec.motion.items():
        path: SpecPath = ("motion", name)
        if name not in names:
            collector.unknown(path, name, names)
        keys_path = (*path, "keys") if collector.has_key((*path, "keys")) else path
        frames = resolve_times(collector, timing, [key.at for key in motion.keys], keys_path)
        keys = tuple(
            _motion_key(collector, key, frame, (*keys_path, index))
            for index, (key, frame) in enumerate(zip(motion.keys, frames, strict=True))
        )
        if keys:
            _check_turns(collector, keys, keys_path)
            found[name] = _from_rest(keys)
        for bone, bone_keys in motion.bones.items():
            resolve_times(collector, timing, [key.at for key in bone_keys], (*path, "bones", bone))
    return {name: found[name] for name in names if name in found}


def _motion_key(collector: Collector, key: MotionKeySpec, frame: float, path: SpecPath) -> MotionKey:
    if (key.axis is None) != (key.angle is None):
        given, lacks = ("axis", "angle") if key.angle is None else ("angle", "axis")
        collector.error((*path, given), f"`{given}` is given without `{lacks}`", "give both, or `rotate: [x, y, z]`")
    if key.rotate is not None and key.axis is not None:
        collector.error((*path, "rotate"), "both `rotate` and `axis` are given", "keep one of them")
    if key.scale is not None and not all(factor > 0 for factor in key.scale):
        collector.error((*path, "scale"), "a size factor must be above 0", "for example 0.5")
    return MotionKey(frame, key.move, key.rotate, key.axis, key.angle, key.scale, key.ease)


def _check_turns(collector: Collector, keys: tuple[MotionKey, ...], path: SpecPath) -> None:
    axes = {key.axis for key in keys if key.axis is not None}
    for index, key in enumerate(keys):
        if key.rotate_rad is not None and axes:
            message = "this motion turns by `rotate` here and by `axis` elsewhere"
            collector.error((*path, index, "rotate"), message, "keep to one of them in one motion")
        elif key.axis is not None and key.axis != next(k.axis for k in keys if k.axis is not None):
            collector.error((*path, index, "axis"), "the axis differs from that of the first turn", "use `rotate`")


def _from_rest(keys: tuple[MotionKey, ...]) -> tuple[MotionKey, ...]:
    """Makes the start at rest explicit, and a key without channels a hold of what was before."""
    axis = next((key.axis for key in keys if key.axis is not None), None)
    rest = MotionKey(
        0.0,
        (0.0, 0.0, 0.0) if any(key.move_m is not None for key in keys) else None,
        (0.0, 0.0, 0.0) if any(key.rotate_rad is not None for key in keys) else None,
        axis,
        None if axis is None else 0.0,
        (1.0, 1.0, 1.0) if any(key.scale is not None for key in keys) else None,
        "linear",
    )
    held, explicit = rest, [] if keys[0].frame == 0 or _is_empty(keys[0]) else [rest]
    for key in keys:
        is_whole = _is_empty(key) or not explicit
        now = _over(held, key)
        explicit.append(now if is_whole else key)
        held = now
    return tuple(explicit)


def _is_empty(key: MotionKey) -> bool:
    return key.move_m is None and key.rotate_rad is None and key.axis is None and key.scale is None


def _over(held: MotionKey, key: MotionKey) -> MotionKey:
    """Returns the key with what it leaves out as held."""
    return MotionKey(
        key.frame,
        held.move_m if key.move_m is None else key.move_m,
        held.rotate_rad if key.rotate_rad is None else key.rotate_rad,
        held.axis if key.axis is None else key.axis,
        held.angle_rad if key.angle_rad is None else key.angle_rad,
        held.scale if key.scale is None else key.scale,
        key.ease,
    )
