"""Rigs of objects: presets, pinned joints, clips, keyed bones and goals, checked against what the preset has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.photo_scale import PhotoScale
from i2v3d.spec.references import RIG, find_file, is_reference_to
from i2v3d.spec.resolve_clips import resolve_clips
from i2v3d.spec.resolve_edits import check_removed
from i2v3d.spec.resolve_motion import Timing, resolve_times
from i2v3d.spec.resolved import MotionKey, RigMotion, Vector

if TYPE_CHECKING:
    from i2v3d.rigs.presets import Preset
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.motion import Motion
    from i2v3d.spec.model.objects import SceneObject

_PARTS = ("clips", "bones", "joints", "reach")
REACH_FADE_S = 0.4


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
        else:
            rig = _rig(collector, spec, motion, path, timing=timing, scale=scale)
            if name in names and not spec.objects[name].remove:
                found[name] = rig
    return {name: found[name] for name in names if name in found}


def _rig(
    collector: Collector,
    spec: Spec,
    motion: Motion,
    path: SpecPath,
    *,
    timing: Timing,
    scale: PhotoScale,
) -> RigMotion:
    preset, file = preset_of(motion), None
    assert preset is not None
    assert motion.rig is not None
    if motion.rig.file is not None:
        file = find_file(collector, (*path, "rig", "file"), motion.rig.file, RIG)
        _check_own_file(collector, spec.objects, path, file, motion.rig.file)
        _check_bone_map(collector, (*path, "rig", "bones"), motion.rig.bones, preset)
        if motion.joints:
            message = "a rig from a file has its joints already"
            collector.error((*path, "joints"), message, "leave out `joints`, or use `rig: humanoid`")
    elif motion.rig.bones:
        collector.error((*path, "rig", "bones"), "`bones` says how a file's bones are called", "add `file`")
    return RigMotion(
        preset=preset.name,
        joints=_joints(collector, motion, preset, path, scale) if file is None else (),
        clips=resolve_clips(collector, motion, preset, path, timing=timing, rig_file=file),
        bones=_bones(collector, motion, preset, path, timing),
        reach=_reach(collector, motion, preset, path, spec.objects),
        is_foot_locked=motion.foot_lock,
        reach_times=_reach_times(collector, motion, path, timing),
        file=file,
        file_bones=tuple(motion.rig.bones.items()),
        has_skin=file is not None,
    )


def preset_of(motion: Motion | None) -> Preset | None:
    """Returns the preset of a motion's rig, or the one that it is like; None without a rig."""
    from i2v3d.rigs.presets import PRESETS  # numpy comes with it: only for specs with rigs

    if motion is None or motion.rig is None:
        return None
    return PRESETS[motion.rig.preset or motion.rig.like]


def _check_own_file(
    collector: Collector, objects: dict[str, SceneObject], path: SpecPath, file: Path | None, written: str
) -> None:
    """A skeleton moves the mesh that it came with, and no other; a copy has its original's."""
    name = str(path[1])
    owner, seen = name, set[str]()
    while owner in objects and owner not in seen:
        seen.add(owner)
        owner = objects[owner].copy_of or owner
    if owner not in objects or file is None:
        return
    mesh = objects[owner].mesh
    given = mesh.file if mesh is not None else None
    mesh_path = collector.below(("objects", owner, "mesh"), "file")
    if given is None or not is_reference_to(collector, mesh_path, given, file):
        message = f"the mesh of `{name}` is not that of its rig's file"
        collector.error((*path, "rig"), message, f"write `mesh: {{file: {written}}}`, or use `rig: humanoid`")


def _check_bone_map(collector: Collector, path: SpecPath, bones: Mapping[str, str], preset: Preset) -> None:
    for bone in bones:
        if bone not in preset.bone_names():
            collector.unknown((*path, bone), bone, preset.bone_names(), what=f"bone of a {preset.name}")


def _reach_times(
    collector: Collector, motion: Motion, path: SpecPath, timing: Timing
) -> tuple[tuple[str, tuple[float, float, float]], ...]:
    found = []
    for bone, goal in motion.reach.items():
        if goal.from_ is None and goal.to is None and goal.fade is None:
            continue
        start = 0.0 if goal.from_ is None else timing.frame(goal.from_)
        last = timing.frame_count - 1.0
        end = last if goal.to is None else timing.frame(goal.to)
        if end <= start or start > last:
            message = f"the hand reaches from frame {start:g} to {end:g} of {last:g}"
            collector.error((*path, "reach", bone), message, "give a `from` inside the clip and a later `to`")
            continue
        fade = REACH_FADE_S * timing.fps if goal.fade is None else timing.frame(goal.fade)
        fade = min(fade, (end - start) / 2)
        # At the ends of the clip there is no way there or back: the hand is at its goal.
        start = start - fade if goal.from_ is None else start
        end = end + fade if goal.to is None else end
        found.append((bone, (start, end, fade)))
    return tuple(found)


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


def _bones(
    collector: Collector, motion: Motion, preset: Preset, path: SpecPath, timing: Timing
) -> tuple[tuple[str, tuple[MotionKey, ...]], ...]:
    found = []
    limits = {bone.name: bone.limits_deg for bone in preset.bones}
    for bone, given in motion.bones.items():
        bone_path: SpecPath = (*path, "bones", bone)
        if bone not in limits and (motion.rig is None or motion.rig.file is None):
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
            _check_limits(collector, bone, turn, limits.get(bone), (*bone_path, index, "rotate"))
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
    collector: Collector, motion: Motion, preset: Preset, path: SpecPath, objects: dict[str, SceneObject]
) -> tuple[tuple[str, str | Vector], ...]:
    found: list[tuple[str, str | Vector]] = []
    ends = tuple(limb.end for limb in preset.arms)
    for bone, goal in motion.reach.items():
        bone_path: SpecPath = (*path, "reach", bone)
        if bone not in ends:
            known = f"these reach: {', '.join(ends)}" if ends else f"a {preset.name} has no arms"
            collector.error(bone_path, f"`{bone}` can't reach for anything", known)
        elif goal.object is not None and goal.object not in objects:
            collector.unknown(collector.below(bone_path, "object"), goal.object, tuple(objects))
        else:
            check_removed(collector, objects, collector.below(bone_path, "object"), goal.object)
            found.append((bone, goal.object if goal.object is not None else goal.point or (0.0, 0.0, 0.0)))
    return tuple(found)
