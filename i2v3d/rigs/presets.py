"""Skeletons as data: joints in normalised places, bones between them, limits, limbs, and test poses.

Places: x to the creature's left, y to its back, z up; the creature's height is one, the middle of its
base the origin (for chains: its length is one, along y, the head at -0.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from i2v3d.geometry.motion import Vector
from i2v3d.geometry.rig import Interval, Limb

Limits = tuple[Interval, Interval, Interval]
DOWN: Vector = (0.0, 0.0, -1.0)
FORWARD: Vector = (0.0, -1.0, 0.0)
BACK: Vector = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class BoneSpec:
    """A bone between two joints; `stands` and `limits_deg` as in `geometry.rig.Bone`."""

    name: str
    parent: str
    head: str
    tail: str
    stands: Vector | None = None
    limits_deg: Limits | None = None


@dataclass(frozen=True)
class Preset:
    """A skeleton.

    Attributes:
        body: How it is fitted: `upright` (arms and legs found in the outline), `four_legs`, `chain` along the
            longest extent, `wings`, `wheels`, or `box` (scaled to the mesh's bounds).
        wheels: Bones that roll.
    """

    name: str
    body: Literal["upright", "four_legs", "chain", "wings", "wheels", "box"]
    joints: Mapping[str, Vector]
    bones: tuple[BoneSpec, ...]
    legs: tuple[Limb, ...] = ()
    arms: tuple[Limb, ...] = ()
    wheels: tuple[str, ...] = ()
    test_poses: tuple[Mapping[str, Vector], ...] = field(default=())

    def bone_names(self) -> tuple[str, ...]:
        """Returns the names of its bones."""
        return tuple(bone.name for bone in self.bones)


def _limits(x: Interval, y: Interval, z: Interval) -> Limits:
    return (x, y, z)


def mirrored(turn: Vector) -> Vector:
    """Returns the turn that does on the right what this one does on the left."""
    return (turn[0], -turn[1], -turn[2])


def _other_side(bone: BoneSpec) -> BoneSpec:
    limits = bone.limits_deg
    if limits is not None:
        x, (y_low, y_high), (z_low, z_high) = limits
        limits = (x, (-y_high, -y_low), (-z_high, -z_low))
    parent, head, tail = (name.replace("left", "right") for name in (bone.parent, bone.head, bone.tail))
    return BoneSpec(bone.name.replace("left", "right"), parent, head, tail, bone.stands, limits)


def _both(bones: tuple[BoneSpec, ...]) -> tuple[BoneSpec, ...]:
    return (*bones, *map(_other_side, bones))


def _both_joints(joints: Mapping[str, Vector]) -> dict[str, Vector]:
    right = {name.replace("left", "right"): (-x, y, z) for name, (x, y, z) in joints.items()}
    return {**joints, **right}


def _limbs(upper: str, lower: str, end: str, bends: Vector) -> tuple[Limb, ...]:
    def named(side: str) -> Limb:
        return Limb(upper.replace("left", side), lower.replace("left", side), end.replace("left", side), bends)

    return named("left"), named("right")


_TRUNK = _limits((-40, 60), (-35, 35), (-45, 45))

HUMANOID = Preset(
    "humanoid",
    "upright",
    {
        "hips": (0, 0, 0.54),
        "waist": (0, 0, 0.605),
        "chest": (0, 0, 0.69),
        "neck": (0, 0, 0.82),
        "head": (0, 0, 0.87),
        "crown": (0, 0, 1.0),
        **_both_joints(
            {
                "left_collar": (0.02, 0, 0.79),
                "left_shoulder": (0.1, 0, 0.79),
                "left_elbow": (0.245, 0, 0.79),
                "left_wrist": (0.38, 0, 0.79),
                "left_fingers": (0.46, 0, 0.79),
                "left_hip": (0.055, 0, 0.52),
                "left_knee": (0.06, 0, 0.29),
                "left_ankle": (0.062, 0.01, 0.05),
                "left_ball": (0.064, -0.075, 0.014),
                "left_toes": (0.064, -0.115, 0.012),
            }
        ),
    },
    (
        BoneSpec("hips", "", "hips", "waist", None, _limits((-30, 40), (-25, 25), (-400, 400))),
        BoneSpec("spine", "hips", "waist", "chest", None, _TRUNK),
        BoneSpec("chest", "spine", "chest", "neck", None, _TRUNK),
        BoneSpec("neck", "chest", "neck", "head", None, _limits((-35, 40), (-30, 30), (-50, 50))),
        BoneSpec("head", "neck", "head", "crown", None, _limits((-40, 45), (-35, 35), (-60, 60))),
        *_both(
            (
                BoneSpec(
                    "shoulder_left",
                    "chest",
                    "left_collar",
                    "left_shoulder",
                    None,
                    _limits((-20, 20), (-40, 15), (-25, 25)),
                ),
                BoneSpec(
                    "upper_arm_left",
                    "shoulder_left",
                    "left_shoulder",
                    "left_elbow",
                    DOWN,
                    _limits((-170, 60), (-175, 35), (-90, 90)),
                ),
                BoneSpec(
                    "forearm_left",
                    "upper_arm_left",
                    "left_elbow",
                    "left_wrist",
                    DOWN,
                    _limits((-150, 5), (-60, 60), (-90, 90)),
                ),
                BoneSpec(
                    "hand_left",
                    "forearm_left",
                    "left_wrist",
                    "left_fingers",
                    DOWN,
                    _limits((-80, 80), (-45, 45), (-45, 45)),
                ),
                BoneSpec(
                    "thigh_left", "hips", "left_hip", "left_knee", DOWN, _limits((-125, 35), (-60, 25), (-45, 45))
                ),
                BoneSpec(
                    "shin_left", "thigh_left", "left_knee", "left_ankle", DOWN, _limits((-3, 150), (-5, 5), (-15, 15))
                ),
                BoneSpec(
                    "foot_left", "shin_left", "left_ankle", "left_ball", None, _limits((-50, 75), (-25, 25), (-30, 30))
                ),
                BoneSpec(
                    "toes_left", "foot_left", "left_ball", "left_toes", None, _limits((-60, 30), (-10, 10), (-10, 10))
                ),
            )
        ),
    ),
    legs=_limbs("thigh_left", "shin_left", "foot_left", FORWARD),
    arms=_limbs("upper_arm_left", "forearm_left", "hand_left", BACK),
    test_poses=(
        {
            "upper_arm_left": (0, 0, 40),
            "forearm_left": (0, 0, -50),
            "thigh_right": (-40, 0, 0),
            "shin_right": (45, 0, 0),
        },
        {"upper_arm_right": (-35, 0, 0), "spine": (0, 0, 25), "neck": (15, 0, 0), "head": (0, 0, 30)},
        {"spine": (20, 0, 0), "thigh_left": (-40, 0, 0), "shin_left": (50, 0, 0), "shoulder_left": (0, -15, 0)},
    ),
)


def _leg_bones(which: str, parent: str) -> tuple[BoneSpec, ...]:
    joint = f"left_{which}"
    return _both(
        (
            BoneSpec(
                f"{which}_thigh_left",
                parent,
                f"{joint}_hip",
                f"{joint}_knee",
                DOWN,
                _limits((-75, 70), (-40, 20), (-20, 20)),
            ),
            BoneSpec(
                f"{which}_shin_left",
                f"{which}_thigh_left",
                f"{joint}_knee",
                f"{joint}_ankle",
                DOWN,
                _limits((-3, 130), (-10, 10), (-10, 10)),
            ),
            BoneSpec(
                f"{which}_foot_left",
                f"{which}_shin_left",
                f"{joint}_ankle",
                f"{joint}_toes",
                None,
                _limits((-60, 75), (-15, 15), (-15, 15)),
            ),
        )
    )


QUADRUPED = Preset(
    "quadruped",
    "four_legs",
    {
        "rump": (0, 0.42, 0.7),
        "loin": (0, 0.17, 0.72),
        "withers": (0, -0.17, 0.72),
        "chest": (0, -0.42, 0.74),
        "poll": (0, -0.62, 0.95),
        "muzzle": (0, -0.85, 0.92),
        "tail_root": (0, 0.45, 0.72),
        "tail_middle": (0, 0.65, 0.68),
        "tail_tip": (0, 0.85, 0.58),
        **_both_joints(
            {
                f"left_{which}_{joint}": (x, y + shift, z)
                for which, y in (("front", -0.37), ("hind", 0.37))
                for joint, x, shift, z in (
                    ("hip", 0.12, 0.0, 0.62),
                    ("knee", 0.13, 0.0, 0.35),
                    ("ankle", 0.13, 0.0, 0.1),
                    ("toes", 0.13, -0.09, 0.02),
                )
            }
        ),
    },
    (
        BoneSpec("root", "", "rump", "loin", None, _limits((-25, 25), (-20, 20), (-400, 400))),
        BoneSpec("spine", "root", "loin", "withers", None, _limits((-25, 25), (-20, 20), (-25, 25))),
        BoneSpec("chest", "spine", "withers", "chest", None, _limits((-25, 25), (-20, 20), (-25, 25))),
        BoneSpec("neck", "chest", "chest", "poll", None, _limits((-60, 60), (-30, 30), (-60, 60))),
        BoneSpec("head", "neck", "poll", "muzzle", None, _limits((-45, 45), (-35, 35), (-50, 50))),
        BoneSpec("tail_1", "root", "tail_root", "tail_middle", None, _limits((-60, 60), (-30, 30), (-60, 60))),
        BoneSpec("tail_2", "tail_1", "tail_middle", "tail_tip", None, _limits((-60, 60), (-30, 30), (-60, 60))),
        *_leg_bones("front", "chest"),
        *_leg_bones("hind", "root"),
    ),
    legs=(
        *_limbs("front_thigh_left", "front_shin_left", "front_foot_left", FORWARD),
        *_limbs("hind_thigh_left", "hind_shin_left", "hind_foot_left", FORWARD),
    ),
    test_poses=(
        {"front_thigh_left": (-35, 0, 0), "front_shin_left": (40, 0, 0), "neck": (0, 0, 25)},
        {"hind_thigh_right": (30, 0, 0), "tail_1": (0, 0, 40), "head": (20, 0, 0)},
        {"spine": (0, 0, 15), "neck": (25, 0, 0), "hind_thigh_left": (-30, 0, 0), "hind_shin_left": (35, 0, 0)},
    ),
)

HINGE = Preset(
    "hinge",
    "box",
    {"root": (0, 0, 0.0), "hinge": (0, 0, 0.5), "tip": (0, 0, 1.0)},
    (
        BoneSpec("base", "", "root", "hinge", None, _limits((-180, 180), (-180, 180), (-400, 400))),
        BoneSpec("flap", "base", "hinge", "tip", None, _limits((-120, 120), (-120, 120), (-120, 120))),
    ),
    test_poses=({"flap": (15, 0, 0)}, {"flap": (0, 15, 0)}, {"flap": (0, 0, 20)}),
)


def _chain(name: str, count: int) -> Preset:
    joints = {f"joint_{index}": (0.0, index / count - 0.5, 0.0) for index in range(count + 1)}
    free = _limits((-60, 60), (-30, 30), (-60, 60))
    bones = tuple(
        BoneSpec(
            "head" if index == 0 else f"link_{index}",
            "" if index == 0 else "head" if index == 1 else f"link_{index - 1}",
            f"joint_{index}",
            f"joint_{index + 1}",
            None,
            _limits((-90, 90), (-45, 45), (-400, 400)) if index == 0 else free,
        )
        for index in range(count)
    )
    links = [bone.name for bone in bones[1:]]
    poses = tuple(dict.fromkeys(links, turn) for turn in ((0, 0, 15), (0, 0, -15), (12, 0, 0)))
    return Preset(name, "chain", joints, bones, test_poses=poses)


FISH, SNAKE = _chain("fish", 6), _chain("snake", 12)

BIRD = Preset(
    "bird",
    "wings",
    {
        "rump": (0, 0.25, 0.5),
        "breast": (0, -0.2, 0.55),
        "nape": (0, -0.35, 0.75),
        "beak": (0, -0.6, 0.85),
        "tail_tip": (0, 0.7, 0.5),
        **_both_joints(
            {
                "left_shoulder": (0.12, -0.05, 0.6),
                "left_elbow": (0.45, -0.05, 0.62),
                "left_wrist": (0.8, -0.02, 0.62),
                "left_wing_tip": (1.2, 0.05, 0.62),
            }
        ),
    },
    (
        BoneSpec("body", "", "rump", "breast", None, _limits((-60, 60), (-60, 60), (-400, 400))),
        BoneSpec("neck", "body", "breast", "nape", None, _limits((-60, 60), (-40, 40), (-60, 60))),
        BoneSpec("head", "neck", "nape", "beak", None, _limits((-60, 60), (-40, 40), (-70, 70))),
        BoneSpec("tail", "body", "rump", "tail_tip", None, _limits((-40, 40), (-30, 30), (-30, 30))),
        *_both(
            (
                BoneSpec(
                    "wing_left",
                    "body",
                    "left_shoulder",
                    "left_elbow",
                    None,
                    _limits((-30, 30), (-75, 75), (-60, 60)),
                ),
                BoneSpec(
                    "wing_middle_left",
                    "wing_left",
                    "left_elbow",
                    "left_wrist",
                    None,
                    _limits((-30, 30), (-75, 75), (-80, 80)),
                ),
                BoneSpec(
                    "wing_tip_left",
                    "wing_middle_left",
                    "left_wrist",
                    "left_wing_tip",
                    None,
                    _limits((-30, 30), (-60, 60), (-80, 80)),
                ),
            )
        ),
    ),
    test_poses=(
        {"wing_left": (0, -35, 0), "wing_right": (0, 35, 0)},
        {"wing_left": (0, 30, 0), "wing_middle_right": (0, -25, 0)},
        {"neck": (20, 0, 0), "tail": (0, 0, 20)},
    ),
)

_WHEELS = tuple(f"wheel_{end}_{side}" for end in ("front", "rear") for side in ("left", "right"))
VEHICLE = Preset(
    "vehicle",
    "wheels",
    {
        "rear": (0, 1.2, 0.3),
        "front": (0, -1.2, 0.3),
        **{
            f"{wheel}_{part}": ((1 if "left" in wheel else -1) * x, -0.8 if "front" in wheel else 0.8, 0.22)
            for wheel in _WHEELS
            for part, x in (("inner", 0.4), ("outer", 0.6))
        },
    },
    (
        BoneSpec("body", "", "rear", "front", None, _limits((-30, 30), (-30, 30), (-400, 400))),
        *(BoneSpec(wheel, "body", f"{wheel}_inner", f"{wheel}_outer") for wheel in _WHEELS),
    ),
    wheels=_WHEELS,
    test_poses=(dict.fromkeys(_WHEELS, (90, 0, 0)), {"wheel_front_left": (200, 0, 0)}, {"body": (0, 5, 0)}),
)

PRESETS: Mapping[str, Preset] = {
    preset.name: preset for preset in (HUMANOID, QUADRUPED, HINGE, BIRD, FISH, SNAKE, VEHICLE)
}
