"""The clips of the other presets, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping

from i2v3d.rigs.clips import Clip, Gait, alike, keyed, stepping, wave_along
from i2v3d.rigs.clips_humanoid import HUMANOID_CLIPS
from i2v3d.rigs.presets import FISH, SNAKE

_FEET = tuple(f"{end}_foot_{side}" for end in ("front", "hind") for side in ("left", "right"))


def _leg(end: str, side: str) -> tuple[str, str, str]:
    return f"{end}_thigh_{side}", f"{end}_shin_{side}", f"{end}_foot_{side}"


_WALK = Gait(duty=0.66, front=0.26, rear=0.34, height=0.955, bob=0.0, swing=0.14, heel=25, toe=5, upper=0.52)
_TROT = Gait(duty=0.48, front=0.28, rear=0.34, height=0.91, bob=0.0, swing=0.24, heel=32, toe=4, upper=0.52)
_walk_turns, _walk_contacts = stepping(
    _WALK,
    {_leg("hind", "left"): 0.0, _leg("front", "left"): 0.25, _leg("hind", "right"): 0.5, _leg("front", "right"): 0.75},
)
_trot_turns, _trot_contacts = stepping(
    _TROT,
    {_leg("hind", "left"): 0.0, _leg("front", "right"): 0.0, _leg("hind", "right"): 0.5, _leg("front", "left"): 0.5},
)
_ON_FOUR = dict.fromkeys(_FEET, ((0.0, 1.0),))

QUADRUPED_CLIPS = (
    Clip(
        "idle",
        4.0,
        {
            "chest": keyed((0, 0, 0, 0), (0.25, -1.2, 0, 0), (0.5, 0, 0, 0), (0.75, -1.2, 0, 0)),
            "neck": keyed((0, 0, 0, 2), (0.5, 3, 0, -3)),
            "head": keyed((0, 0, 0, 4), (0.35, 2, 0, -2), (0.7, -2, 3, -5)),
            **wave_along(("tail_1", "tail_2"), degrees=9, lag=0.12, growth=0.5),
        },
        contacts=_ON_FOUR,
        is_cycle=True,
        is_relative=True,
    ),
    Clip(
        "walk",
        1.2,
        {
            **_walk_turns,
            "spine": keyed((0, 0, 1.5, 3), (0.5, 0, -1.5, -3)),
            "neck": keyed((0, 3, 0, -2), (0.25, -1, 0, 0), (0.5, 3, 0, 2), (0.75, -1, 0, 0)),
            "head": keyed((0, -2, 0, -1), (0.25, 1, 0, 0), (0.5, -2, 0, 1), (0.75, 1, 0, 0)),
            **wave_along(("tail_1", "tail_2"), degrees=7, lag=0.12, growth=0.5),
        },
        contacts=_walk_contacts,
        stride=_WALK.stride,
        is_cycle=True,
    ),
    Clip(
        "trot",
        0.7,
        {
            **_trot_turns,
            "spine": keyed((0, 2, 0, 2), (0.25, -2, 0, 0), (0.5, 2, 0, -2), (0.75, -2, 0, 0)),
            "neck": keyed((0, -4, 0, 0), (0.25, -7, 0, 0), (0.5, -4, 0, 0), (0.75, -7, 0, 0)),
            **wave_along(("tail_1", "tail_2"), degrees=6, lag=0.15, growth=0.5),
        },
        contacts=_trot_contacts,
        stride=_TROT.stride,
        is_cycle=True,
    ),
    Clip(
        "head_turn",
        2.4,
        {
            "neck": keyed((0, 0, 0, 0), (0.3, 0, 0, 18), (0.65, 0, 0, -14), (1, 0, 0, 0)),
            "head": keyed((0, 0, 0, 0), (0.28, 0, 4, 26), (0.63, 0, -4, -22), (1, 0, 0, 0)),
        },
        is_relative=True,
    ),
    Clip(
        "tail",
        0.8,
        wave_along(("tail_1", "tail_2"), degrees=22, lag=0.12, growth=0.4),
        is_cycle=True,
        is_relative=True,
    ),
)

HINGE_CLIPS = (
    Clip("open", 1.5, {"flap": keyed((0, 0, 0, 0), (1, 0, 0, 75))}, is_relative=True),
    Clip(
        "swing",
        2.0,
        {"flap": keyed((0, 0, 0, 0), (0.25, 0, 0, 20), (0.5, 0, 0, 0), (0.75, 0, 0, -20))},
        is_cycle=True,
        is_relative=True,
    ),
    Clip(
        "nod",
        1.6,
        {"flap": keyed((0, 0, 0, 0), (0.25, 14, 0, 0), (0.5, -4, 0, 0), (0.75, 12, 0, 0), (1, 0, 0, 0))},
        is_relative=True,
    ),
    Clip(
        "turn", 2.4, {"flap": keyed((0, 0, 0, 0), (0.3, 0, 3, 22), (0.65, 0, -3, -20), (1, 0, 0, 0))}, is_relative=True
    ),
    Clip(
        "tilt", 2.0, {"flap": keyed((0, 0, 0, 0), (0.35, 0, 14, 0), (0.65, 0, 14, 0), (1, 0, 0, 0))}, is_relative=True
    ),
)

BIRD_CLIPS = (
    Clip(
        "flap",
        0.5,
        {
            **alike(
                {
                    "wing_left": keyed((0, 0, -38, 0), (0.5, 0, 30, 0)),
                    "wing_middle_left": keyed((0, 0, 10, 0), (0.25, 0, -20, 0), (0.5, 0, 8, 0), (0.75, 0, 24, 0)),
                    "wing_tip_left": keyed((0, 0, 12, 0), (0.25, 0, -22, 0), (0.5, 0, -8, 0), (0.75, 0, 26, 0)),
                }
            ),
            "neck": keyed((0, 3, 0, 0), (0.5, -3, 0, 0)),
        },
        lift=keyed((0, 0, 0, -0.02), (0.5, 0, 0, 0.02)),
        is_cycle=True,
        is_relative=True,
    ),
    Clip(
        "glide",
        3.0,
        {**alike({"wing_left": keyed((0, 0, -8, 0), (0.5, 0, -4, 0))}), "body": keyed((0, 0, 3, 0), (0.5, 0, -3, 0))},
        is_cycle=True,
        is_relative=True,
    ),
)

FISH_CLIPS = (
    Clip(
        "swim", 1.0, wave_along(FISH.bone_names()[1:], degrees=7, lag=0.14, growth=1.4), is_cycle=True, is_relative=True
    ),
)
SNAKE_CLIPS = (
    Clip("slither", 1.6, wave_along(SNAKE.bone_names()[1:], degrees=22, lag=0.13), is_cycle=True, is_relative=True),
)
VEHICLE_CLIPS = (
    Clip(
        "roll",
        1.0,
        {"body": keyed((0, 0.4, 0.3, 0), (0.3, -0.3, -0.2, 0), (0.55, 0.2, 0.4, 0), (0.8, -0.4, -0.3, 0))},
        is_cycle=True,
        is_relative=True,
    ),
)

CLIPS: Mapping[str, Mapping[str, Clip]] = {
    rig: {clip.name: clip for clip in clips}
    for rig, clips in (
        ("humanoid", HUMANOID_CLIPS),
        ("quadruped", QUADRUPED_CLIPS),
        ("hinge", HINGE_CLIPS),
        ("bird", BIRD_CLIPS),
        ("fish", FISH_CLIPS),
        ("snake", SNAKE_CLIPS),
        ("vehicle", VEHICLE_CLIPS),
    )
}
"""Clips by rig and name."""
