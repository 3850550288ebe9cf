"""Rigs: bones, clips and goals as plain records.

A copy of this module lies beside every generated scene script, so it imports numpy only. Axes of a
rig: x to the creature's own left, y to its back, z up; they are the mesh's axes turned about z by
`turn_rad`. Turns are XYZ Euler angles about these axes as the parent bone carries them, so +x leans
forward, -x swings a limb forward, +z turns to the left, and a left arm is raised sideways by -y.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.motion import Channel, Vector

Array = NDArray[Any]

Curve = tuple[tuple[float, Vector], ...]
"""(share of the clip, XYZ degrees or lengths), in order; a cycle comes back to its first key."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class Bone:
    """A bone at rest, in the mesh's own frame and units.

    Attributes:
        parent: Name of the bone above, or empty; it comes before this one.
        stands: Direction, rig axes, in the pose that clips start from; None for as it rests.
        limits_deg: Lowest and highest turn about x, y and z from that pose, or None.
    """

    name: str
    parent: str
    head: Vector
    tail: Vector
    stands: Vector | None = None
    limits_deg: tuple[Interval, Interval, Interval] | None = None


@dataclass(frozen=True)
class Limb:
    """Two bones that bring the head of a third one to a goal; the joint between them bends to `bends` (rig axes)."""

    upper: str
    lower: str
    end: str
    bends: Vector


@dataclass(frozen=True)
class Track:
    """A clip from a file, brought to a rig: even samples from its first moment to its last.

    Attributes:
        bones: Those that it turns.
        turns: (samples, bones, 4) unit quaternions (w, x, y, z): turns from rest as the parent carries them, rig axes.
        ways: (samples, 3) way of the root from rest, rig axes, in lengths of a leg.
    """

    bones: tuple[str, ...]
    turns: Array
    ways: Array


def load_track(file: Path) -> Track:
    """Returns the track of an array file (`bones`, `turns`, `ways`)."""
    with np.load(file, allow_pickle=False) as arrays:
        turns, ways = (np.asarray(arrays[name], np.float64) for name in ("turns", "ways"))
        return Track(tuple(map(str, arrays["bones"])), turns, ways)


def load_skin(file: Path) -> Array:
    """Returns the weights (vertices, bones) of an array file (`weights`)."""
    with np.load(file, allow_pickle=False) as arrays:
        return np.asarray(arrays["weights"], np.float64)


@dataclass(frozen=True)
class Play:
    """A clip as it is played.

    Attributes:
        start, end: Frames; the last pose of what is no cycle holds until the end.
        frames: Length of the clip (of one cycle) in frames, its speed included.
        fade_in, fade_out: Frames of blending at the start and at the end.
        turns: Curves of bones, degrees.
        lift: Way of the root, rig axes, in lengths of a leg.
        contacts: Shares of the clip in which a limb's end stands on the ground.
        stride: Way of a cycle over the ground, in lengths of a leg; 0 for what stays in place.
        is_cycle: Repeats.
        is_relative: Turns limbs from their rest instead of from how they stand.
        is_additive: Adds to what is below instead of covering it.
        is_in_place: A track's way over the ground is left out: the object's own motion has it.
        track: In the place of turns and lift, for a clip from a file.
    """

    name: str
    start: float
    end: float
    frames: float
    fade_in: float = 0.0
    fade_out: float = 0.0
    turns: Mapping[str, Curve] = field(default_factory=dict)
    lift: Curve = ()
    contacts: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    stride: float = 0.0
    is_cycle: bool = False
    is_relative: bool = False
    is_additive: bool = False
    is_in_place: bool = False
    track: Track | None = None


@dataclass(frozen=True)
class Rig:
    """The skeleton of one object with what it plays.

    Attributes:
        object: The object's name.
        turn_rad: Turn about z from the rig's axes to the mesh's.
        bones: Parents before children; the first is the root.
        legs, arms: Limbs that stand on the ground, and that can reach.
        wheels: Radius, mesh units, of bones that roll with the way travelled.
        is_rigid: Each piece of the mesh belongs to one bone.
        keys: Keyed turns of bones (frame, XYZ radians, ease) on top of the clips.
        reach: Object or world point that the end of an arm goes to, by bone.
        reach_times: (first frame, last frame, frames of blending) of those that do not reach all the time.
        test_poses: Turns in degrees by bone, under which the skin is checked.
        is_foot_locked: Feet stay where they stand.
        skin: Weights (vertices, bones) that the mesh came with; without, it is bound.
    """

    object: str
    turn_rad: float
    bones: tuple[Bone, ...]
    legs: tuple[Limb, ...] = ()
    arms: tuple[Limb, ...] = ()
    wheels: Mapping[str, float] = field(default_factory=dict)
    is_rigid: bool = False
    plays: tuple[Play, ...] = ()
    keys: Mapping[str, Channel] = field(default_factory=dict)
    reach: Mapping[str, str | Vector] = field(default_factory=dict)
    reach_times: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    test_poses: tuple[Mapping[str, Vector], ...] = ()
    is_foot_locked: bool = True
    skin: Array | None = None

    @property
    def mesh_from_rig(self) -> Array:
        """The 3x3 turn from the rig's axes to the mesh's."""
        cos, sin = math.cos(self.turn_rad), math.sin(self.turn_rad)
        return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def names(self) -> tuple[str, ...]:
        """Returns the bones' names."""
        return tuple(bone.name for bone in self.bones)

    def parents(self) -> tuple[int, ...]:
        """Returns the index of each bone's parent, -1 for a root."""
        names = self.names()
        return tuple(names.index(bone.parent) if bone.parent else -1 for bone in self.bones)

    def heads(self) -> Array:
        """Returns (bones, 3), rig axes."""
        return np.array([bone.head for bone in self.bones]) @ self.mesh_from_rig

    def tails(self) -> Array:
        """Returns (bones, 3), rig axes."""
        return np.array([bone.tail for bone in self.bones]) @ self.mesh_from_rig

    def leg_length(self) -> float:
        """Returns the length of the first leg from its root to its end, or of the whole skeleton without legs."""
        heads = dict(zip(self.names(), self.heads(), strict=True))
        if self.legs:
            leg = self.legs[0]
            upper, lower, end = heads[leg.upper], heads[leg.lower], heads[leg.end]
            return float(np.linalg.norm(lower - upper) + np.linalg.norm(end - lower))
        ends = np.concatenate([self.heads(), self.tails()])
        return float(np.ptp(ends, axis=0).max())
