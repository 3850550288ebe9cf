"""Motion clips as data: keyed curves on a preset's bones, written by us.

Turns are degrees about the rig's axes from how the bone stands (see `geometry.rig`). Legs of gaits are
keyed from a foot's path by `footsteps`, so that a foot on the ground moves back at an even pace.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from i2v3d.geometry.rig import Curve, Interval
from i2v3d.rigs.presets import mirrored


@dataclass(frozen=True)
class Clip:
    """A clip; fields as in `geometry.rig.Play`."""

    name: str
    duration_s: float
    turns: Mapping[str, Curve]
    lift: Curve = ()
    contacts: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    stride: float = 0.0
    is_cycle: bool = False
    is_relative: bool = False


@dataclass(frozen=True)
class Gait:
    """A foot's path over a cycle, in lengths of the leg from its root: it touches down at `front`.

    Attributes:
        duty: Share of the cycle on the ground.
        front, rear: Where it touches down and leaves, before and behind the hip.
        height: Of the hip over the ankle.
        bob: How far the hip goes up and down.
        swing: How high the foot is lifted.
        heel: Degrees that the foot tips forward when it leaves the ground.
        toe: Degrees that it points up when it touches down.
        upper: Share of the leg that is its upper bone.
    """

    duty: float
    front: float
    rear: float
    height: float
    bob: float
    swing: float
    heel: float
    toe: float
    upper: float = 0.49

    @property
    def flat(self) -> Interval:
        """Shares of the cycle in which the foot is flat on the ground."""
        return 0.0, self.duty - 0.12

    @property
    def stride(self) -> float:
        """Way of a cycle over the ground."""
        return (self.front + self.rear) / self.duty


_SAMPLES = 24


def footsteps(gait: Gait, phase: float) -> tuple[Curve, Curve, Curve]:
    """Returns the curves of upper bone, lower bone and foot; the foot touches down at share `phase`."""
    rows = []
    for index in range(_SAMPLES):
        share = index / _SAMPLES
        upper, lower, foot = _leg(gait, (share - phase) % 1.0, share)
        rows.append((share, upper, lower, foot))
    return (
        tuple((row[0], (row[1], 0.0, 0.0)) for row in rows),
        tuple((row[0], (row[2], 0.0, 0.0)) for row in rows),
        tuple((row[0], (row[3], 0.0, 0.0)) for row in rows),
    )


def _leg(gait: Gait, share: float, clock: float) -> tuple[float, float, float]:
    """Returns degrees of upper bone, lower bone and foot at a share since touch-down."""
    hip = gait.height + gait.bob * math.cos(4 * math.pi * (clock - gait.duty / 2))
    flat_end = gait.flat[1]
    if share < gait.duty:
        y = -gait.front + (gait.front + gait.rear) * share / gait.duty
        off = _smooth((share - flat_end) / (gait.duty - flat_end))
        rise = 0.6 * gait.swing * off
        pitch = gait.heel * off - gait.toe * (1 - _smooth(share / 0.05))
    else:
        t = (share - gait.duty) / (1 - gait.duty)
        y = gait.rear - (gait.front + gait.rear) * _smooth(t)
        rise = gait.swing * (0.6 * (1 - t) ** 2 + 1.6 * t * (1 - t))
        pitch = gait.heel * (1 - _smooth(t / 0.7)) - gait.toe * _smooth((t - 0.5) / 0.5)
    a, b = gait.upper, 1 - gait.upper
    z = rise - hip
    way = min(math.hypot(y, z), 0.998)
    lean = math.atan2(y, -z)
    upper = lean - math.acos(max(-1.0, min(1.0, (a * a + way * way - b * b) / (2 * a * way))))
    bend = math.pi - math.acos(max(-1.0, min(1.0, (a * a + b * b - way * way) / (2 * a * b))))
    upper_deg, bend_deg = round(math.degrees(upper), 2), round(math.degrees(bend), 2)
    return upper_deg, bend_deg, round(pitch - upper_deg - bend_deg, 2)


def _smooth(t: float) -> float:
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)


def stepping(
    gait: Gait, legs: Mapping[tuple[str, str, str], float]
) -> tuple[dict[str, Curve], dict[str, tuple[Interval, ...]]]:
    """Returns curves and contacts of legs (upper, lower, foot) that touch down at these shares."""
    turns: dict[str, Curve] = {}
    contacts: dict[str, tuple[Interval, ...]] = {}
    for bones, phase in legs.items():
        turns.update(zip(bones, footsteps(gait, phase), strict=True))
        first, last = (share + phase for share in gait.flat)
        contacts[bones[2]] = tuple(
            (max(first - whole, 0.0), min(last - whole, 1.0)) for whole in (0, 1) if last > whole and first < whole + 1
        )
    return turns, contacts


def keyed(*keys: tuple[float, float, float, float]) -> Curve:
    """Returns the curve of keys (share, x, y, z)."""
    return tuple((share, (x, y, z)) for share, x, y, z in keys)


def shifted(curve: Curve, by: float) -> Curve:
    """Returns a cycle's curve later by a share."""
    return tuple(sorted(((round((share + by) % 1.0, 6), turn) for share, turn in curve), key=lambda key: key[0]))


def right_of(curve: Curve) -> Curve:
    """Returns what the right side does when this is what the left side does."""
    return tuple((share, mirrored(turn)) for share, turn in curve)


def swings(left: Mapping[str, Curve]) -> dict[str, Curve]:
    """Returns the curves of both sides of a cycle; the right does the left's, mirrored, half a cycle later."""
    both = dict(left)
    for name, curve in left.items():
        both[name.replace("left", "right")] = shifted(right_of(curve), 0.5)
    return both


def alike(left: Mapping[str, Curve]) -> dict[str, Curve]:
    """Returns the curves of both sides, which do the same mirrored."""
    return {**left, **{name.replace("left", "right"): right_of(curve) for name, curve in left.items()}}


def wave_along(
    bones: tuple[str, ...], *, degrees: float, lag: float, growth: float = 0.0, axis: int = 2
) -> dict[str, Curve]:
    """Returns a wave that runs along bones: each swings later than the one before, the last ones more."""
    curves = {}
    for number, bone in enumerate(bones):
        size = degrees * (1 + growth * number / max(1, len(bones) - 1))
        keys = []
        for step in range(8):
            turn = [0.0, 0.0, 0.0]
            turn[axis] = round(size * math.sin(2 * math.pi * (step / 8 - lag * number)), 3)
            keys.append((step / 8, (turn[0], turn[1], turn[2])))
        curves[bone] = tuple(keys)
    return curves
