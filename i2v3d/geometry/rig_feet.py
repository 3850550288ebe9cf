"""How a foot stands: its direction held, its heel rolling up over the ball, its toes flat on the ground.

The ankle of a standing foot is brought to one place by `rig_pose`; without this, a turning pelvis turns the foot
on the ground, and a lifting heel drags the toes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.motion import rotation_about
from i2v3d.geometry.rig import Array, Limb, Rig
from i2v3d.geometry.rig_curves import slerp

_HEEL = 0.5  # of the way from the ankle to the ball, to the back
_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Standing:
    """A foot over the whole time.

    Attributes:
        turns: (frames, 3, 3) of the foot from rest, world, held where it stands and eased in between.
        toes: (frames, 3, 3) by which the toes are bent back against the foot.
        shift: (frames, 3) from where the ankle is when the foot lies flat, world.
        is_standing: Frames in which the foot is on the ground, flat or rolling.
    """

    turns: Array
    toes: Array
    shift: Array
    is_standing: Array


def standing(
    rig: Rig, leg: Limb, bodies: Array, feet: Array, is_flat: Array, may_roll: Array, scale: float
) -> Standing:
    """Returns how a foot stands.

    Args:
        rig: The rig.
        leg: The foot's limb.
        bodies: (frames, 3, 3), turns from rest, world, of what the leg hangs on.
        feet: (frames, 3, 3), turns from rest, world, of the foot.
        is_flat: Frames in which the foot is on the ground and does not slide there.
        may_roll: Frames in which a foot that leaves the ground lifts its heel first.
        scale: World lengths of the rig's unit.
    """
    level = np.array([_without_heading(body.T @ foot) for body, foot in zip(bodies, feet, strict=True)])
    pitch = np.arcsin(np.clip(level[:, 2, 1], -1, 1))  # toes down
    is_standing = _with_rolling(is_flat, may_roll, pitch)
    frames = np.flatnonzero(is_standing)
    count = len(feet)
    held, toes, shift = feet.copy(), np.repeat(np.eye(3)[None], count, axis=0), np.zeros((count, 3))
    if not len(frames):
        return Standing(held, toes, shift, is_standing)
    ball, heel = sole(rig, rig.names().index(leg.end))
    runs = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    for run in runs:
        flat = run[is_flat[run]]
        headings = np.unwrap([heading(feet[frame]) for frame in flat])
        forward = rotation_about(_UP, float(np.median(headings)))
        for frame in run:
            held[frame] = forward @ level[frame]
            pivot = ball if pitch[frame] > 0 else heel
            shift[frame] = scale * (forward - held[frame]) @ pivot
            if pitch[frame] > 0:
                toes[frame] = held[frame].T @ forward
    _ease_between(runs, feet, held, toes)
    return Standing(held, toes, shift, is_standing)


def sole(rig: Rig, foot: int) -> Array:
    """Returns (2, 3): the ball and the heel of a foot from its ankle at rest, rig axes."""
    ball = rig.tails()[foot] - rig.heads()[foot]
    return np.array([ball, [-_HEEL * ball[0], -_HEEL * ball[1], ball[2]]])


def heading(turn: Array) -> float:
    """Returns the angle about z by which what looked along -y now looks."""
    x, y, _ = turn @ np.array([0.0, -1.0, 0.0])
    return float(np.arctan2(x, -y))


def _without_heading(turn: Array) -> Array:
    return np.asarray(rotation_about(_UP, -heading(turn)) @ turn)


def _with_rolling(is_flat: Array, may_roll: Array, pitch: Array) -> Array:
    """Returns the flat frames, and those after them in which the heel goes on rising."""
    is_standing = is_flat.copy()
    for frame in range(1, len(is_flat)):
        if is_standing[frame - 1] and may_roll[frame] and pitch[frame] > max(pitch[frame - 1], 0.0) + 1e-4:
            is_standing[frame] = True
    return is_standing


def _ease_between(runs: Sequence[Array], feet: Array, held: Array, toes: Array) -> None:
    """Turns the foot in the air from how it left the ground to how it comes down, in place."""
    away = [[held[run[end]] @ feet[run[end]].T for end in (0, -1)] for run in runs]
    for frame in range(int(runs[0][0])):
        held[frame] = away[0][0] @ feet[frame]
    for frame in range(int(runs[-1][-1]) + 1, len(feet)):
        held[frame] = away[-1][1] @ feet[frame]
    for (before, last), (after, first) in itertools.pairwise(zip(runs, away, strict=True)):
        for frame in range(int(before[-1]) + 1, int(after[0])):
            t = (frame - before[-1]) / (after[0] - before[-1])
            held[frame] = slerp(last[1], first[0], t * t * (3 - 2 * t)) @ feet[frame]
            toes[frame] = slerp(toes[before[-1]], np.eye(3), min(1.0, 2.5 * t))
