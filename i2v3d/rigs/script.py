"""A rig as a generated script has it: the fitted skeleton, and clips laid out in frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.motion import object_motion
from i2v3d.geometry.rig import Interval, Play, Rig
from i2v3d.geometry.rig_pose import standing_turns
from i2v3d.rigs.clips import Clip
from i2v3d.rigs.clips_others import CLIPS
from i2v3d.rigs.fit import Skeleton, make_rig
from i2v3d.rigs.motion_data import MotionFileError
from i2v3d.rigs.presets import PRESETS

if TYPE_CHECKING:
    from i2v3d.spec.resolved import RigClip, RigMotion

FADE_S = 0.25
_TABLES = ("turns", "contacts")
_MOST_LACKING = 0.4  # of a built-in clip's bones


@dataclass(frozen=True)
class ClipFacts:
    """What a script says of a clip from a file besides its samples; as in `rigs.retarget.FileClip`."""

    duration_s: float
    contacts: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    stride: float = 0.0
    is_on_the_spot: bool = False
    file: str = ""


NO_FACTS: Mapping[int, ClipFacts] = {}


def script_rig(
    name: str,
    motion: RigMotion,
    skeleton: Skeleton,
    *,
    fps: float,
    frame_count: int,
    facts: Mapping[int, ClipFacts] = NO_FACTS,
    skin: str = "",
) -> dict[str, Any]:
    """Returns the rig of an object as plain values for the script's template.

    Args:
        name: The object's.
        motion: What it plays.
        skeleton: Fitted, or the file's.
        fps: Of the scene's clip.
        frame_count: Of the scene's clip.
        facts: Of the clips from files, by number; `file` is where the script finds the samples.
        skin: Where it finds the weights; empty for a mesh that is bound.

    Raises:
        MotionFileError: A rig from a file lacks bones that its motion needs.
    """
    rig = make_rig(PRESETS[motion.preset], skeleton, name)
    check_bones(rig, motion)
    laid_out = _laid_out(motion, fps=fps, frame_count=frame_count, facts=facts)
    tables = {
        "keys": {bone: tuple(object_motion(keys)["rotate_rad"]) for bone, keys in motion.bones},
        "reach": dict(motion.reach),
    }
    if motion.reach_times:
        tables["reach_times"] = _floats(dict(motion.reach_times))
    return {
        "skin": skin,
        "object": name,
        "turn_rad": rig.turn_rad,
        "bones": [_row(bone) for bone in rig.bones],
        "legs": [_row(limb) for limb in rig.legs],
        "arms": [_row(limb) for limb in rig.arms],
        "wheels": dict(rig.wheels),
        "is_rigid": rig.is_rigid,
        "plays": [_plain(play) | {"track": facts[index].file if index in facts else ""} for index, play in laid_out],
        "tables": tables,
        "test_poses": [{bone: _floats(turn) for bone, turn in pose.items()} for pose in rig.test_poses],
        "is_foot_locked": motion.is_foot_locked,
    }


def check_bones(rig: Rig, motion: RigMotion) -> None:
    """Raises `MotionFileError` where a rig from a file lacks what its motion names."""
    names = rig.names()
    for bone, _ in motion.bones:
        if bone not in names:
            raise MotionFileError(f"the rig of `{rig.object}` has no bone `{bone}`", f"it has {', '.join(names[:30])}")
    for bone, _ in motion.reach:
        if bone not in [limb.end for limb in rig.arms]:
            message = f"`{bone}` can't reach: its upper and lower arm are not known, or not one below the other"
            raise MotionFileError(message, "say which bones they are with `rig: {file: ..., bones: {...}}`")
    for clip in motion.clips:
        wanted = CLIPS[motion.preset][clip.name].turns if not clip.is_captured else {}
        lacking = [bone for bone in wanted if bone not in names]
        if len(lacking) > _MOST_LACKING * len(wanted):
            message = f"the rig of `{rig.object}` lacks bones that `{clip.name}` turns: {', '.join(lacking)}"
            raise MotionFileError(message, "say which they are with `rig: {file: ..., bones: {...}}`")


def lay_out_clips(motion: RigMotion, *, fps: float, frame_count: int) -> tuple[Play, ...]:
    """Returns the built-in clips of a motion in frames, in layers."""
    return tuple(play for _, play in _laid_out(motion, fps=fps, frame_count=frame_count, facts={}))


def _laid_out(
    motion: RigMotion, *, fps: float, frame_count: int, facts: Mapping[int, ClipFacts]
) -> list[tuple[int, Play]]:
    """Returns (number of the clip, how it is played), in layers.

    A clip that another one takes over from stays until that one has faded in, so that nothing falls back to
    the pose at rest in between.
    """
    last = float(frame_count - 1)
    plays: list[Play] = []
    numbers: list[int] = []
    for number, given in enumerate(motion.clips):
        if not given.is_captured:
            plays.extend(_plays(CLIPS[motion.preset][given.name], given, fps, last))
        else:
            plays.append(_file_play(facts[number], given, fps, last))
        numbers += [number] * (len(plays) - len(numbers))
    held = []
    for index, play in enumerate(plays):
        heirs = [
            other
            for other in plays[index + 1 :]
            if not other.is_additive and play.start < other.start <= play.end + 1 and other.end > play.end
        ]
        if heirs and not play.is_additive:
            end = max(play.end, min(heir.start + heir.fade_in for heir in heirs))
            play = dataclasses.replace(play, end=end, fade_out=0.0)
        held.append(play)
    return list(zip(numbers, held, strict=True))


def _file_play(facts: ClipFacts, given: RigClip, fps: float, last: float) -> Play:
    """Returns how a clip from a file is played: its last pose holds, or it repeats."""
    frames = max(facts.duration_s * fps / given.speed, 1e-3)
    end = last if given.end is None else given.end
    if given.is_additive and given.end is None and not given.is_loop:
        end = min(given.start + frames, last)
    fade = FADE_S * fps if given.fade is None else given.fade
    fade = min(fade, (end - given.start) / 2)
    is_paced = given.is_in_place or facts.is_on_the_spot
    return Play(
        name=given.name,
        start=given.start,
        end=end,
        frames=frames,
        fade_in=fade if given.start > 0 or given.fade is not None else 0.0,
        fade_out=fade if end < last else 0.0,
        contacts=facts.contacts,
        stride=round(facts.stride / given.speed, 6) if is_paced else 0.0,
        is_cycle=given.is_loop,
        is_additive=given.is_additive,
        is_in_place=given.is_in_place,
    )


def grip(rig: Rig, bone: str, world_from_mesh: Array, pivot: Array) -> Array:
    """Returns the 4x4, in the world at rest, that puts an object into a bone's grip.

    Its pivot comes to the middle of the bone (of a head: its top), upright when the limb hangs as clips start.

    Args:
        rig: The carrier's, at rest.
        bone: One of its bones.
        world_from_mesh: 4x4 of the carrier at rest, with its scale.
        pivot: Place of the object at rest.
    """
    found = rig.bones[rig.names().index(bone)]
    share = 1.0 if bone == "head" else 0.5
    place = (1 - share) * np.array(found.head) + share * np.array(found.tail)
    turn = np.eye(4)
    standing = standing_turns(rig).get(bone, np.eye(3))
    turn[:3, :3] = rig.mesh_from_rig @ standing.T @ rig.mesh_from_rig.T
    turn[:3, 3] = place - turn[:3, :3] @ place
    shift = np.eye(4)
    shift[:3, 3] = (world_from_mesh @ (*place, 1.0))[:3] - pivot
    return np.asarray(world_from_mesh @ turn @ np.linalg.inv(world_from_mesh) @ shift)


def _plays(clip: Clip, given: RigClip, fps: float, last: float) -> list[Play]:
    frames = clip.duration_s * fps / given.speed
    end = given.end
    if end is None:
        is_open = given.is_loop or (not clip.is_cycle and _is_held(clip))
        end = last if is_open else min(given.start + frames, last)
    fade = FADE_S * fps if given.fade is None else given.fade
    fade = min(fade, (end - given.start) / 2)
    fade_in = fade if given.start > 0 or given.fade is not None else 0.0
    fade_out = fade if end < last else 0.0
    starts = [given.start]
    if given.is_loop and not clip.is_cycle:
        while starts[-1] + frames < end:
            starts.append(starts[-1] + frames)
    return [
        Play(
            name=clip.name,
            start=start,
            end=end if start == starts[-1] else start + frames,
            frames=frames,
            fade_in=fade_in if start == starts[0] else 0.0,
            fade_out=fade_out if start == starts[-1] else 0.0,
            turns=clip.turns,
            lift=clip.lift,
            contacts=clip.contacts,
            stride=clip.stride / given.speed if given.speed else clip.stride,
            is_cycle=clip.is_cycle,
            is_relative=clip.is_relative,
            is_additive=given.is_additive,
        )
        for start in starts
    ]


def _is_held(clip: Clip) -> bool:
    """Returns whether the clip ends in another pose than it starts from."""
    curves = [*clip.turns.values(), *([clip.lift] if clip.lift else [])]
    return any(curve[0][1] != curve[-1][1] for curve in curves)


def _row(record: Any) -> tuple[Any, ...]:  # Any: a bone or a limb
    return tuple(_floats(getattr(record, part.name)) for part in dataclasses.fields(record))


def _plain(play: Play) -> dict[str, Any]:
    values = {part.name: _floats(getattr(play, part.name)) for part in dataclasses.fields(play)}
    del values["track"]
    tables = {name: values.pop(name) for name in _TABLES}
    defaults = {part.name: part.default for part in dataclasses.fields(play)}
    return {"plain": {name: value for name, value in values.items() if value != defaults[name]}, "tables": tables}


def _floats(value: Any) -> Any:  # Any: plain values
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, tuple):
        return tuple(map(_floats, value))
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    return value
