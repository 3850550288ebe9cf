"""A rig as a generated script has it: the fitted skeleton, and clips laid out in frames."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from i2v3d.geometry.motion import object_motion
from i2v3d.geometry.rig import Play
from i2v3d.rigs.clips import Clip
from i2v3d.rigs.clips_others import CLIPS
from i2v3d.rigs.fit import Skeleton, make_rig
from i2v3d.rigs.presets import PRESETS

if TYPE_CHECKING:
    from i2v3d.spec.resolved import RigClip, RigMotion

FADE_S = 0.25
_TABLES = ("turns", "contacts")


def script_rig(name: str, motion: RigMotion, skeleton: Skeleton, *, fps: float, frame_count: int) -> dict[str, Any]:
    """Returns the rig of an object as plain values for the script's template."""
    rig = make_rig(PRESETS[motion.preset], skeleton, name)
    return {
        "object": name,
        "turn_rad": rig.turn_rad,
        "bones": [_row(bone) for bone in rig.bones],
        "legs": [_row(limb) for limb in rig.legs],
        "arms": [_row(limb) for limb in rig.arms],
        "wheels": dict(rig.wheels),
        "is_rigid": rig.is_rigid,
        "plays": [_plain(play) for play in lay_out_clips(motion, fps=fps, frame_count=frame_count)],
        "tables": {
            "keys": {bone: tuple(object_motion(keys)["rotate_rad"]) for bone, keys in motion.bones},
            "reach": dict(motion.reach),
        },
        "test_poses": [{bone: _floats(turn) for bone, turn in pose.items()} for pose in rig.test_poses],
        "is_foot_locked": motion.is_foot_locked,
    }


def lay_out_clips(motion: RigMotion, *, fps: float, frame_count: int) -> tuple[Play, ...]:
    """Returns the clips of a motion in frames, in layers.

    A clip that another one takes over from stays until that one has faded in, so that nothing falls back to
    the pose at rest in between.
    """
    last = float(frame_count - 1)
    plays: list[Play] = []
    for given in motion.clips:
        plays.extend(_plays(CLIPS[motion.preset][given.name], given, fps, last))
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
    return tuple(held)


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
    return tuple(_floats(getattr(record, field.name)) for field in dataclasses.fields(record))


def _plain(play: Play) -> dict[str, Any]:
    values = {field.name: _floats(getattr(play, field.name)) for field in dataclasses.fields(play)}
    tables = {name: values.pop(name) for name in _TABLES}
    defaults = {field.name: field.default for field in dataclasses.fields(play)}
    return {"plain": {name: value for name, value in values.items() if value != defaults[name]}, "tables": tables}


def _floats(value: Any) -> Any:  # Any: plain values
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, tuple):
        return tuple(map(_floats, value))
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    return value
