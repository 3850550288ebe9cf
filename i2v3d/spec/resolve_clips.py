"""Clips of rigs: built-in ones, those of the rig's own file, and those of other files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.spec.collect import BEYOND_END, Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.references import MOTION, find_file
from i2v3d.spec.resolve_motion import Timing
from i2v3d.spec.resolved import RigClip

if TYPE_CHECKING:
    from i2v3d.rigs.presets import Preset
    from i2v3d.spec.model.motion import Clip, Motion

_OF_FILES = ("clip", "bones", "up", "in_place")


def resolve_clips(
    collector: Collector, motion: Motion, preset: Preset, path: SpecPath, *, timing: Timing, rig_file: Path | None
) -> tuple[RigClip, ...]:
    """Returns the clips in order; those with problems are noted and left out."""
    is_travelling = any(key.move is not None and any(key.move) for key in motion.keys)
    found = []
    for index, given in enumerate(motion.clips):
        clip_path: SpecPath = (*path, "clips", index)
        source = _source(collector, given, preset, clip_path, rig_file)
        times = _times(collector, given, clip_path, timing)
        if source is None or times is None:
            continue
        name, file, file_clip = source
        start, end, fade = times
        found.append(
            RigClip(
                name,
                start,
                end,
                fade,
                given.speed,
                given.loop,
                given.additive,
                file=file,
                file_clip=file_clip,
                bones=tuple(given.bones.items()),
                up=given.up or "",
                is_in_place=file is not None and (is_travelling if given.in_place is None else given.in_place),
                is_own=given.file is None and file is not None,
                is_captured=file is not None,
            )
        )
    return tuple(found)


def _source(
    collector: Collector, given: Clip, preset: Preset, path: SpecPath, rig_file: Path | None
) -> tuple[str, Path | None, str] | None:
    """Returns the clip's name, its file, and which clip of it, or None after noting what is wrong."""
    from i2v3d.rigs.clips_others import CLIPS

    if given.file is not None:
        file = find_file(collector, (*path, "file"), given.file, MOTION)
        for bone in given.bones:
            if bone not in preset.bone_names() and rig_file is None:
                collector.unknown((*path, "bones", bone), bone, preset.bone_names(), what=f"bone of a {preset.name}")
        if file is not None and file.suffix.lower() == ".bvh" and given.clip is not None:
            collector.error((*path, "clip"), "a .bvh file holds one clip", "leave out `clip`")
        return None if file is None else (file.stem, file, given.clip or "")
    for part in _OF_FILES:
        if getattr(given, part):
            collector.error(
                (*path, part), f"`{part}` is about a clip from a file", f"leave out `{part}`, or give `file`"
            )
    known = CLIPS[preset.name]
    if given.play in known:
        return str(given.play), None, ""
    if rig_file is not None:
        return str(given.play), rig_file, str(given.play)
    collector.unknown(collector.below(path, "play"), str(given.play), tuple(known), what=f"{preset.name} clip")
    return None


def _times(
    collector: Collector, given: Clip, path: SpecPath, timing: Timing
) -> tuple[float, float | None, float | None] | None:
    """Returns the frames of start, end and fade, or None where the speed is none; what is wrong is noted."""
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
    fade = None if given.fade is None else max(0.0, timing.frame(given.fade))
    return first, end, fade
