"""The clips of the humanoid."""

from __future__ import annotations

from collections.abc import Mapping

from i2v3d.geometry.rig import Interval
from i2v3d.rigs.clips import Clip, Gait, alike, keyed, stepping, swings

_LEFT, _RIGHT = ("thigh_left", "shin_left", "foot_left"), ("thigh_right", "shin_right", "foot_right")
_STANDING: Mapping[str, tuple[Interval, ...]] = {"foot_left": ((0.0, 1.0),), "foot_right": ((0.0, 1.0),)}
_HANGING = {
    "upper_arm_left": keyed((0, 0, -7, 0)),
    "forearm_left": keyed((0, -14, 0, 0)),
    "hand_left": keyed((0, -4, 0, 0)),
}

_WALK = Gait(duty=0.62, front=0.36, rear=0.44, height=0.935, bob=0.014, swing=0.13, heel=38, toe=14)
_RUN = Gait(duty=0.38, front=0.3, rear=0.5, height=0.88, bob=0.02, swing=0.4, heel=48, toe=6)
_walk_turns, _walk_contacts = stepping(_WALK, {_LEFT: 0.0, _RIGHT: 0.5})
_run_turns, _run_contacts = stepping(_RUN, {_LEFT: 0.0, _RIGHT: 0.5})

WALK = Clip(
    "walk",
    1.05,
    {
        **_walk_turns,
        **swings(
            {
                "upper_arm_left": keyed((0, 24, -6, 0), (0.25, 3, -7, 0), (0.5, -22, -6, 0), (0.75, 2, -7, 0)),
                "forearm_left": keyed((0, -14, 0, 0), (0.3, -20, 0, 0), (0.5, -32, 0, 0), (0.8, -18, 0, 0)),
                "hand_left": keyed((0, -4, 0, 0), (0.5, -8, 0, 0)),
            }
        ),
        "hips": keyed((0, 1, 0, 5), (0.25, 1, 2.5, 0), (0.5, 1, 0, -5), (0.75, 1, -2.5, 0)),
        "spine": keyed((0, 2, 0, -5), (0.25, 2, -2, 0), (0.5, 2, 0, 5), (0.75, 2, 2, 0)),
        "chest": keyed((0, 0, 0, -5), (0.5, 0, 0, 5)),
        "neck": keyed((0, 0, 0, 2.5), (0.5, 0, 0, -2.5)),
        "head": keyed((0, -3, 0, 2.5), (0.25, -2, 0, 0), (0.5, -3, 0, -2.5), (0.75, -2, 0, 0)),
    },
    contacts=_walk_contacts,
    stride=_WALK.stride,
    is_cycle=True,
)

RUN = Clip(
    "run",
    0.7,
    {
        **_run_turns,
        **swings(
            {
                "upper_arm_left": keyed((0, 45, -10, 0), (0.25, 8, -10, 0), (0.5, -38, -8, 0), (0.75, 5, -10, 0)),
                "forearm_left": keyed((0, -80, 0, 0), (0.5, -100, 0, 0)),
                "hand_left": keyed((0, -5, 0, 0)),
            }
        ),
        "hips": keyed((0, 8, 0, 7), (0.5, 8, 0, -7)),
        "spine": keyed((0, 7, 0, -8), (0.5, 7, 0, 8)),
        "chest": keyed((0, 3, 0, -8), (0.5, 3, 0, 8)),
        "neck": keyed((0, -6, 0, 4), (0.5, -6, 0, -4)),
        "head": keyed((0, -8, 0, 4), (0.5, -8, 0, -4)),
    },
    lift=keyed((0.02, 0, 0, 0), (0.15, 0, 0, -0.03), (0.3, 0, 0, 0.02), (0.42, 0, 0, 0.07))
    + keyed((0.52, 0, 0, 0), (0.65, 0, 0, -0.03), (0.8, 0, 0, 0.02), (0.92, 0, 0, 0.07)),
    contacts=_run_contacts,
    stride=_RUN.stride / 1.0,
    is_cycle=True,
)

IDLE = Clip(
    "idle",
    4.0,
    {
        **alike(_HANGING),
        "upper_arm_left": keyed((0, 1, -7, 0), (0.5, -1, -8.5, 0)),
        "upper_arm_right": keyed((0, -1, 7, 0), (0.5, 1, 8.5, 0)),
        "spine": keyed((0, 0.5, 0.8, 0), (0.5, 1.8, -0.8, 0)),
        "chest": keyed((0, 0, 0, 0), (0.25, -1.6, 0, 0), (0.5, 0, 0, 0), (0.75, -1.6, 0, 0)),
        "head": keyed((0, 1, 0, 3), (0.3, -1, 0, -1), (0.6, 1, 0, -4), (0.85, 0, 0, 1)),
    },
    lift=keyed((0, 0.015, 0, -0.012), (0.5, -0.015, 0, -0.012)),
    contacts=_STANDING,
    is_cycle=True,
)

WAVE = Clip(
    "wave",
    2.4,
    {
        "shoulder_right": keyed((0, 0, 0, 0), (0.2, 0, 12, 0), (0.85, 0, 12, 0), (1, 0, 0, 0)),
        "upper_arm_right": keyed((0, 0, 7, 0), (0.2, -12, 105, 0), (0.85, -12, 105, 0), (1, 0, 7, 0)),
        "forearm_right": keyed((0, -14, 0, 0), (0.2, -5, 50, 0), (0.3, -5, 12, 0), (0.42, -5, 56, 0))
        + keyed((0.54, -5, 12, 0), (0.66, -5, 56, 0), (0.78, -5, 14, 0), (0.86, -5, 40, 0), (1, -14, 0, 0)),
        "hand_right": keyed((0, -4, 0, 0), (0.24, 0, 8, 0), (0.36, 0, -12, 0), (0.48, 0, 12, 0))
        + keyed((0.6, 0, -12, 0), (0.72, 0, 12, 0), (0.86, 0, 0, 0), (1, -4, 0, 0)),
        "head": keyed((0, 0, 0, 0), (0.25, 0, 5, -8), (0.8, 0, 5, -8), (1, 0, 0, 0)),
    },
)

_CROUCH, _UP = 0.26, 0.4
JUMP = Clip(
    "jump",
    1.3,
    {
        **alike(
            {
                "thigh_left": keyed((0, 0, 0, 0), (_CROUCH, -62, 0, 0), (_UP, 5, 0, 0), (0.55, -22, 0, 0))
                + keyed((0.7, -10, 0, 0), (0.8, -55, 0, 0), (1, 0, 0, 0)),
                "shin_left": keyed((0, 0, 0, 0), (_CROUCH, 98, 0, 0), (_UP, 4, 0, 0), (0.55, 40, 0, 0))
                + keyed((0.7, 14, 0, 0), (0.8, 88, 0, 0), (1, 0, 0, 0)),
                "foot_left": keyed((0, 0, 0, 0), (_CROUCH, -36, 0, 0), (_UP, 48, 0, 0), (0.55, 25, 0, 0))
                + keyed((0.7, -4, 0, 0), (0.8, -33, 0, 0), (1, 0, 0, 0)),
                "upper_arm_left": keyed((0, 0, -7, 0), (_CROUCH, 45, -12, 0), (_UP, -120, -15, 0))
                + keyed((0.6, -105, -20, 0), (0.8, -20, -15, 0), (1, 0, -7, 0)),
                "forearm_left": keyed((0, -14, 0, 0), (_CROUCH, -30, 0, 0), (_UP, -15, 0, 0), (1, -14, 0, 0)),
                "hand_left": keyed((0, -4, 0, 0)),
            }
        ),
        "spine": keyed((0, 0, 0, 0), (_CROUCH, 26, 0, 0), (_UP, -5, 0, 0), (0.8, 20, 0, 0), (1, 0, 0, 0)),
        "chest": keyed((0, 0, 0, 0), (_CROUCH, 10, 0, 0), (_UP, -4, 0, 0), (0.8, 8, 0, 0), (1, 0, 0, 0)),
        "head": keyed((0, 0, 0, 0), (_CROUCH, -18, 0, 0), (_UP, -8, 0, 0), (0.8, -12, 0, 0), (1, 0, 0, 0)),
    },
    lift=keyed((0, 0, 0, 0), (0.36, 0, 0, 0), (0.46, 0, 0, 0.3), (0.55, 0, 0, 0.4), (0.64, 0, 0, 0.3))
    + keyed((0.74, 0, 0, 0), (1, 0, 0, 0)),
    contacts=dict.fromkeys(_STANDING, ((0.0, 0.34), (0.75, 1.0))),
)

_STEP = ((0, 0, 0, 0), (0.5, -28, 0, 0), (1, 0, 0, 0))


def _steps(
    starts: tuple[float, ...], size: tuple[float, float, float]
) -> dict[str, tuple[tuple[float, float, float, float], ...]]:
    rows = {}
    for bone, degrees in zip(("thigh", "shin", "foot"), size, strict=True):
        keys = [(0.0, 0.0, 0.0, 0.0)]
        for start in starts:
            keys += [(start, 0, 0, 0), (start + 0.08, degrees, 0, 0), (start + 0.16, 0, 0, 0)]
        rows[bone] = (*keys, (1.0, 0.0, 0.0, 0.0))
    return rows


_LIFTS = {"left": (0.06, 0.52), "right": (0.29, 0.76)}
TURN = Clip(
    "turn",
    1.8,
    {
        **{
            f"{bone}_{side}": keyed(*keys)
            for side, starts in _LIFTS.items()
            for bone, keys in _steps(starts, (-24, 44, -12)).items()
        },
        **alike(_HANGING),
        "hips": keyed((0, 0, 0, 0), (0.1, 0, 0, 4), (0.85, 0, 0, 86), (1, 0, 0, 90)),
        "chest": keyed((0, 0, 0, 0), (0.2, 0, 0, 14), (0.8, 0, 0, 8), (1, 0, 0, 0)),
        "head": keyed((0, 0, 0, 0), (0.2, 0, 0, 25), (0.75, 0, 0, 12), (1, 0, 0, 0)),
    },
    contacts={
        "foot_left": ((0.0, 0.06), (0.22, 0.52), (0.68, 1.0)),
        "foot_right": ((0.0, 0.29), (0.45, 0.76), (0.92, 1.0)),
    },
)

NOD = Clip(
    "nod",
    1.6,
    {
        "neck": keyed((0, 0, 0, 0), (0.2, 7, 0, 0), (0.42, -2, 0, 0), (0.62, 6, 0, 0), (0.82, -1, 0, 0), (1, 0, 0, 0)),
        "head": keyed((0, 0, 0, 0), (0.22, 15, 0, 0), (0.45, -4, 0, 0), (0.65, 12, 0, 0), (0.85, -2, 0, 0))
        + keyed((1, 0, 0, 0)),
    },
    is_relative=True,
)

SIT = Clip(
    "sit",
    1.8,
    {
        **alike(
            {
                "thigh_left": keyed((0, 0, 0, 0), (0.5, -55, -3, 0), (1, -88, -5, 0)),
                "shin_left": keyed((0, 0, 0, 0), (0.5, 70, 0, 0), (1, 90, 0, 0)),
                "foot_left": keyed((0, 0, 0, 0), (0.5, -15, 0, 0), (1, -2, 0, 0)),
                "upper_arm_left": keyed((0, 0, -7, 0), (0.5, -30, -9, 0), (1, -22, -8, 0)),
                "forearm_left": keyed((0, -14, 0, 0), (1, -62, 0, 0)),
                "hand_left": keyed((0, -4, 0, 0)),
            }
        ),
        "spine": keyed((0, 0, 0, 0), (0.5, 28, 0, 0), (1, 4, 0, 0)),
        "chest": keyed((0, 0, 0, 0), (0.5, 10, 0, 0), (1, 2, 0, 0)),
        "head": keyed((0, 0, 0, 0), (0.5, -16, 0, 0), (1, -3, 0, 0)),
    },
    lift=keyed((0, 0, 0, 0), (0.5, 0, 0.27, 0), (1, 0, 0.47, 0)),
    contacts=_STANDING,
)

DANCE = Clip(
    "dance",
    2.0,
    {
        **swings(
            {
                "upper_arm_left": keyed((0, -10, -40, 0), (0.25, -20, -120, 0), (0.5, -30, -45, 0), (0.75, 10, -20, 0)),
                "forearm_left": keyed((0, -80, 0, 0), (0.25, -35, 0, 0), (0.5, -90, 0, 0), (0.75, -60, 0, 0)),
                "hand_left": keyed((0, -10, 0, 0), (0.5, 15, 0, 0)),
                "shoulder_left": keyed((0, 0, -4, 0), (0.25, 0, -14, 0), (0.5, 0, -4, 0), (0.75, 0, 2, 0)),
            }
        ),
        "hips": keyed((0, 0, 6, 8), (0.25, 2, 0, 0), (0.5, 0, -6, -8), (0.75, 2, 0, 0)),
        "spine": keyed((0, 2, -8, -6), (0.25, 5, 0, 0), (0.5, 2, 8, 6), (0.75, 5, 0, 0)),
        "chest": keyed((0, 0, -5, -8), (0.5, 0, 5, 8)),
        "head": keyed((0, 0, 6, 8), (0.25, 8, 0, 0), (0.5, 0, -6, -8), (0.75, 8, 0, 0)),
    },
    lift=keyed((0, -0.06, 0, -0.06), (0.125, -0.04, 0, -0.1), (0.25, 0, 0, -0.06), (0.375, 0.04, 0, -0.1))
    + keyed((0.5, 0.06, 0, -0.06), (0.625, 0.04, 0, -0.1), (0.75, 0, 0, -0.06), (0.875, -0.04, 0, -0.1)),
    contacts=_STANDING,
    is_cycle=True,
)

HUMANOID_CLIPS = (IDLE, WALK, RUN, WAVE, JUMP, TURN, NOD, SIT, DANCE)
