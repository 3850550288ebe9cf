"""Limbs beyond what their joints allow: in clips, in keyed bones, and where a hand reaches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.motion import rotation_from_euler
from i2v3d.geometry.rig_curves import rotations_of
from i2v3d.geometry.scene_checks import Finding

ALLOWED_DEG = 10.0  # beyond the limit: captured people are not all made alike
_NEAR_POLE = 1e-6


@dataclass(frozen=True)
class JointLimits:
    """The bones of an object's rig in the scene cache, and the lowest and highest turn of each about x, y, z."""

    object: str
    id: int
    bones: tuple[str, ...]
    limits_deg: tuple[tuple[tuple[float, float], ...] | None, ...]


@dataclass(frozen=True)
class Excess:
    """How far a turn is beyond limits: the smallest turn that brings it back, and the worst of its angles."""

    beyond_deg: float
    axis: str
    angle_deg: float
    limit_deg: float


def find_overbent(rigs: Sequence[JointLimits], states: Sequence[Mapping[str, Array]]) -> list[Finding]:
    """Returns the worst frame of each bone that is turned beyond its limits; joints of an animal have no slack."""
    found = []
    for rig in rigs:
        worst: dict[str, tuple[float, int, Excess]] = {}
        for frame, state in enumerate(states):
            turns = rotations_of(state[f"bone_turns_{rig.id}"])
            for bone, limits, turn in zip(rig.bones, rig.limits_deg, turns, strict=True):
                if limits is None:
                    continue
                excess = excess_of(turn, limits)
                if excess.beyond_deg > max(ALLOWED_DEG, worst[bone][0] if bone in worst else 0.0):
                    worst[bone] = (excess.beyond_deg, frame, excess)
        for bone, (_, frame, excess) in worst.items():
            message = (
                f"`{bone}` of `{rig.object}` is turned {excess.angle_deg:.0f} deg about {excess.axis} "
                f"in frame {frame}, beyond its limit of {excess.limit_deg:.0f}"
            )
            found.append(Finding("overbent", frame, message, "change its keys, the clip, or what it reaches for"))
    return found


def excess_of(turn: Array, limits_deg: Sequence[tuple[float, float]]) -> Excess:
    """Returns how far a rotation is beyond limits of its XYZ angles, by those angles that are the least beyond."""
    best: Excess | None = None
    for angles in _angles(turn, limits_deg):
        kept = [min(max(angle, low), high) for angle, (low, high) in zip(angles, limits_deg, strict=True)]
        if kept == angles:
            return Excess(0.0, "x", angles[0], limits_deg[0][1])
        back = rotation_from_euler(np.radians(kept)).T @ turn
        beyond = math.degrees(math.acos(max(-1.0, min(1.0, (float(np.trace(back)) - 1) / 2))))
        if best is None or beyond < best.beyond_deg:
            axis = int(np.argmax(np.abs(np.array(angles) - kept)))
            best = Excess(beyond, "xyz"[axis], angles[axis], kept[axis])
    assert best is not None
    return best


def _angles(turn: Array, limits_deg: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Returns XYZ angles in degrees that all give a rotation, each as near to its limits as whole turns bring it."""
    sine = max(-1.0, min(1.0, -float(turn[2, 0])))
    y = math.asin(sine)
    if abs(sine) > 1 - _NEAR_POLE:
        # At the pole only x and z together are known: any share of them may be meant.
        sign = math.copysign(1.0, sine)
        whole = math.atan2(sign * turn[0, 1], turn[1, 1])  # x - z up there, x + z down there
        sums = [(math.radians(x), sign * (math.radians(x) - whole)) for x in range(-180, 181, 15)]
        found = [[x, y, z] for x, z in sums]
    else:
        x, z = math.atan2(turn[2, 1], turn[2, 2]), math.atan2(turn[1, 0], turn[0, 0])
        found = [[x, y, z], [x + math.pi, math.pi - y, z + math.pi]]
    return [
        [_near(math.degrees(a), low, high) for a, (low, high) in zip(angles, limits_deg, strict=True)]
        for angles in found
    ]


def _near(angle: float, low: float, high: float) -> float:
    """Returns the angle with whole turns added so that it is nearest to the middle of a range."""
    middle = (low + high) / 2
    return angle - 360.0 * round((angle - middle) / 360.0)
