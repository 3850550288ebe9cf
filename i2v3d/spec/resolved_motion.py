"""Motion of the resolved scene: keys of objects and bones, rigs, and the clips that they play.

Part of `spec.resolved`, which hands these records on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class MotionKey:
    """A key of an object's motion, relative to its rest; a channel that is None is not keyed here.

    Attributes:
        frame: May be fractional when a time falls between frames.
        move_m: World axes.
        rotate_rad: XYZ Euler about the pivot, world axes at rest.
        axis, angle_rad: Instead of rotate_rad: a turn about a world axis through the pivot (may pass 360 degrees).
        scale: Factor per axis.
        ease: One of EASINGS, for the interval that ends here.
    """

    frame: float
    move_m: Vector | None
    rotate_rad: Vector | None
    axis: Vector | None
    angle_rad: float | None
    scale: Vector | None
    ease: str


@dataclass(frozen=True)
class RigClip:
    """A clip on a rig.

    Attributes:
        name: Of a built-in clip; for one from a file, what it is called in messages.
        start: Frame at which it starts.
        end: Frame at which it ends, or None for its own end.
        fade: Frames of blending, or None for the usual.
        is_loop: Repeats until the end.
        is_additive: Adds to the clips before it instead of covering them.
        file: Where it comes from, or None for a built-in one.
        file_clip: Which clip of the file; empty for its only or first one.
        bones: (bone of the rig, bone of the file) besides those with usual names.
        up: Axis of the file that is up, or empty.
        is_in_place: Without the file's way over the ground.
        is_own: The file is that of the rig.
        is_captured: It comes from a file.
    """

    name: str
    start: float
    end: float | None
    fade: float | None
    speed: float
    is_loop: bool
    is_additive: bool
    file: Path | None = None
    file_clip: str = ""
    bones: tuple[tuple[str, str], ...] = ()
    up: str = ""
    is_in_place: bool = False
    is_own: bool = False
    is_captured: bool = False


@dataclass(frozen=True)
class RigMotion:
    """The rig of an object and what it plays.

    Attributes:
        preset: Name of a preset of `rigs.presets`; for a rig from a file, the one whose names its bones take.
        joints: (joint, (x, y) in photo pixels) of pinned joints.
        bones: (bone, keys): turns on top of the clips.
        reach: (bone, object name or world point) that the end of an arm goes to.
        reach_times: (bone, (first frame, last frame, frames of blending)) of those that reach for a time.
        file: The object's mesh file, which has the skeleton and its weights, or None.
        file_bones: (bone of the preset, bone of that file) besides those with usual names.
        has_skin: The skeleton and its weights come from a file.
    """

    preset: str
    joints: tuple[tuple[str, tuple[float, float]], ...]
    clips: tuple[RigClip, ...]
    bones: tuple[tuple[str, tuple[MotionKey, ...]], ...]
    reach: tuple[tuple[str, str | Vector], ...]
    is_foot_locked: bool
    reach_times: tuple[tuple[str, tuple[float, float, float]], ...] = ()
    file: Path | None = None
    file_bones: tuple[tuple[str, str], ...] = ()
    has_skin: bool = False
