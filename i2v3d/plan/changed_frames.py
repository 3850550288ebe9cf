"""Which frames of a clip change when only keys of the camera or of motion do.

Keys are interpolated between neighbours, so a change reaches from the last key before it that is
equal on both sides to the first one after it. Anything that carries over from frame to frame
(physics, rigs that keep their feet, followed or shaken cameras) may change every frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from i2v3d.spec.resolved import CameraKey, Scene
from i2v3d.spec.resolved_motion import MotionKey

# Channels of a motion key that may be keyed apart from each other.
_CHANNELS = ("move_m", "rotate_rad", "axis", "angle_rad", "scale")


def changed_frames(old: Scene, new: Scene) -> tuple[int, int] | None:
    """Returns the first and last frame that may look different, or None when that may be any.

    Equal keys at both ends look the same and are not among them; (0, -1) when nothing changes.
    """
    if _without_keys(old) != _without_keys(new) or _carries_over(new):
        return None
    ranges = [_of_camera(old.camera_path, new.camera_path)]
    for name in dict.fromkeys([*old.motion, *new.motion]):
        ranges.append(_of_motion(old.motion.get(name, ()), new.motion.get(name, ())))
    found = [one for one in ranges if one is not None]
    if not found:
        return (0, -1)
    last = new.output.frame_count - 1
    first, end = min(one[0] for one in found), max(one[1] for one in found)
    return max(0, math.floor(first) + 1 if first >= 0 else 0), min(last, math.ceil(end) - 1 if end < math.inf else last)


def _without_keys(scene: Scene) -> Scene:
    return replace(scene, name="", title="", camera_path=(), motion={})


def _carries_over(scene: Scene) -> bool:
    rig = scene.camera_rig
    moved_by_camera = (rig.follow, rig.shake, rig.file, rig.through, scene.depth_of_field)
    return any((scene.bodies, scene.rigs, scene.deforming, scene.sequences)) or any(
        part is not None for part in moved_by_camera
    )


def _of_camera(old: Sequence[CameraKey], new: Sequence[CameraKey]) -> tuple[float, float] | None:
    before, after = _common_ends(old, new)
    if before == len(old) == len(new):
        return None
    return old[before - 1].frame if before else -1.0, new[len(new) - after].frame if after else math.inf


def _of_motion(old: Sequence[MotionKey], new: Sequence[MotionKey]) -> tuple[float, float] | None:
    before, after = _common_ends(old, new)
    if before == len(old) == len(new):
        return None
    head, tail = old[:before], new[len(new) - after :] if after else ()
    first, end = math.inf, 0.0
    for channel in _CHANNELS:
        if all(getattr(key, channel) is None for key in (*old, *new)):
            continue
        first = min(first, max((key.frame for key in head if getattr(key, channel) is not None), default=-1.0))
        end = max(end, min((key.frame for key in tail if getattr(key, channel) is not None), default=math.inf))
    return first, end


def _common_ends(old: Sequence[object], new: Sequence[object]) -> tuple[int, int]:
    """Returns how many keys are equal at the start, and how many of the rest at the end."""
    shortest = min(len(old), len(new))
    before = next((index for index in range(shortest) if old[index] != new[index]), shortest)
    rest = shortest - before
    after = next((index for index in range(rest) if old[-1 - index] != new[-1 - index]), rest)
    return before, after


def is_outside(start: int | None, stop: int | None, changed: tuple[int, int]) -> bool:
    """Returns whether the slice [start, stop) of a clip's frames holds none of the changed ones."""
    return (stop is not None and stop <= changed[0]) or (start or 0) > changed[1]
