"""Rigs of objects: presets, pinned joints, clips, keyed bones and goals, checked against what the preset has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from i2v3d.spec.collect import BEYOND_END, Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.photo_scale import PhotoScale
from i2v3d.spec.resolve_motion import Timing, resolve_times
from i2v3d.spec.resolved import MotionKey, RigClip, RigMotion, Vector
from i2v3d.spec.units import Moment

if TYPE_CHECKING:
    from i2v3d.rigs.presets import Preset
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.motion import Clip, Motion

_PARTS = ("clips", "bones", "joints", "reach")


def resolve_rigs(
    collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...], scale: PhotoScale
) -> Mapping[str, RigMotion]:
    """Returns the rig of each object that has one, in the order of the objects."""
    found: dict[str, RigMotion] = {}
    for name, motion in spec.motion.items():
        path: SpecPath = ("motion", name)
        if motion.rig is None:
            for part in _PARTS:
                if getattr(motion, part):
                    collector.error((*path, part), f"`{part}` needs a rig", "add `rig: humanoid`, or another preset")
        elif motion.rig.preset is None:
            collector.not_yet((*path, "rig"), "a rig from a file is", "use a preset such as `humanoid`")
        else:
            rig = _rig(collector, motion, motion.rig.preset, path, timing=timing, names=names, scale=scale)
            if name in names and not spec.objects[name].remove:
                found[name] = rig
    return {name: found[name] for name in names if name in found}


def _rig(
    collector: Collector,
    motion: Motion,
    preset_name: str,
    path: SpecPath,
    *,
    timing: Timing,
    names: tuple[str, ...],
    scale: PhotoScale,
) -> RigMotion:
    from i2v3d.rigs.presets import PRESETS  # numpy comes with it: only for specs with rigs

    preset = PRESETS[preset_name]
    clips = tuple(
        clip
        for index, given in enumerate(motion.clips)
        if (clip := _clip(collector, given, preset_name, (*path, "clips", index), timing)) is not None
    )
    return RigMotion(
        preset=preset_name,
        joints=_joints(collector, motion, preset, path, scale),
        clips=clips,
        bones=_bones(collector, motion, preset, path, timing),
        reach=_reach(collector, motion, preset, path, names),
        is_foot_locked=motion.foot_lock,
    )


def _joints(
    collector: Collector, motion: Motion, preset: Preset, path: SpecPath, scale: PhotoScale
) -> tuple[tuple[str, tuple[float, float]], ...]:
    if not motion.joints:
        return ()
    for joint in motion.joints:
        if joint not in preset.joints:
            collector.unknown((*path, "joints", joint), joint, tuple(preset.joints), what="joint")
    points = scale.checked_points(collector, (*path, "joints"), tuple(motion.joints.values()), "a joint")
    return tuple((joint, point) for joint, point in zip(motion.joints, points, strict=True))


def _clip(collector: Collector, given: Clip, preset: str, path: SpecPath, timing: Timing) -> RigClip | None:
    from i2v3d.rigs.clips_others import CLIPS

    if given.play is None:
        collector.not_yet((*path, "file"), "a clip from a file is", "use one of the built-in clips")
        return None
    known = CLIPS[preset]
    if given.play not in known:
        collector.unknown(collector.below(path, "play"), given.play, tuple(known), what=f"{preset} clip")
        return None
    if given.at is not None and given.from_ is not None:
        collector.error((*path, "at"), "both `at` and `from` are given", "keep one of them")
    if given.speed <= 0:
        collector.error((*path, "speed"), "a speed must be above 0", "for example 0.5 for half as fast")
        return None
    start = given.from_ or given.at
    first = 0.0 if start is None else timing.frame(start)
    end = None if given.to is None else timing.frame(given.to)
    if end is not None and end <= first:
        collector.error((*path, "to"), f"{given.to} is not after the start of the clip", "give a later time")
    if first > timing.frame_count - 1:
        collector.error(path, f"{start} {BEYOND_END}", f"it ends at {timing.duration_s:g}s")
    fade = None if given.fade is None else _length(given.fade, timing)
    return RigClip(given.play, first, end, fade, given.speed, given.loop, given.additive)


def _length(moment: Moment, timing: Timing) -> float:
    return max(0.0, timing.frame(moment))


def _bones(
    collector: Collector, motion: Motion, preset: Preset, path: SpecPath, timing: Timing
) -> tuple[tuple[str, tuple[MotionKey, ...]], ...]:
    found = []
    limits = {bone.name: bone.limits_deg for bone in preset.bones}
    for bone, given in motion.bones.items():
        bone_path: SpecPath = (*path, "bones", bone)
        if bone not in limits:
            collector.unknown(bone_path, bone, tuple(limits), what="bone")
            continue
        frames = resolve_times(collector, timing, [key.at for key in given], bone_path)
        keys: list[MotionKey] = []
        for index, (key, frame) in enumerate(zip(given, frames, strict=True)):
            for channel in ("move", "axis", "scale"):
                if getattr(key, channel) is not None:
                    message = f"`{channel}` has no effect on a bone"
                    collector.error((*bone_path, index, channel), message, "bones turn: give `rotate: [x, y, z]`")
            turn = key.rotate if key.rotate is not None else (0.0, 0.0, 0.0) if not keys else keys[-1].rotate_rad
            _check_limits(collector, bone, turn, limits[bone], (*bone_path, index, "rotate"))
            keys.append(MotionKey(frame, None, turn, None, None, None, key.ease))
        if keys:
            found.append((bone, tuple(keys)))
    return tuple(found)


def _check_limits(
    collector: Collector,
    bone: str,
    turn: Vector | None,
    limits: tuple[tuple[float, float], ...] | None,
    path: SpecPath,
) -> None:
    for axis, value, bounds in zip("xyz", turn or (), limits or (), strict=False):
        low, high = bounds
        degrees = math.degrees(value)
        if not low - 1e-6 <= degrees <= high + 1e-6:
            message = f"{degrees:g} deg about {axis} is more than a `{bone}` turns"
            collector.warn(path, message, f"it goes from {low:g} to {high:g}")


def _reach(
    collector: Collector, motion: Motion, preset: Preset, path: SpecPath, names: tuple[str, ...]
) -> tuple[tuple[str, str | Vector], ...]:
    found: list[tuple[str, str | Vector]] = []
    ends = tuple(limb.end for limb in preset.arms)
    for bone, goal in motion.reach.items():
        bone_path: SpecPath = (*path, "reach", bone)
        if bone not in ends:
            known = f"these reach: {', '.join(ends)}" if ends else f"a {preset.name} has no arms"
            collector.error(bone_path, f"`{bone}` can't reach for anything", known)
        elif goal.object is not None and goal.object not in names:
            collector.unknown(collector.below(bone_path, "object"), goal.object, names)
        else:
            found.append((bone, goal.object if goal.object is not None else goal.point or (0.0, 0.0, 0.0)))
    return tuple(found)
