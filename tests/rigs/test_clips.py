import functools
import itertools

import numpy as np
import pytest

from i2v3d.geometry.rig import Play, Rig
from i2v3d.geometry.rig_curves import curve_at
from i2v3d.geometry.rig_pose import joints, poses
from i2v3d.rigs.clips_others import CLIPS
from i2v3d.rigs.fit import fit_skeleton, make_rig
from i2v3d.rigs.presets import PRESETS
from tests import clay_figures as clay

ALL = [(rig, clip) for rig, clips in CLIPS.items() for clip in clips]
FIGURES = {
    "humanoid": lambda: clay.overlapping(clay.humanoid_parts()),
    "quadruped": lambda: clay.overlapping(clay.creature_parts()),
    "fish": lambda: clay.overlapping(clay.fish_parts()),
    "snake": lambda: clay.overlapping(clay.fish_parts()),
    "bird": lambda: clay.overlapping(clay.bird_parts()),
    "hinge": lambda: clay.overlapping(clay.humanoid_parts()),
    "vehicle": clay.car,
}


@functools.cache
def fitted(preset: str) -> Rig:
    mesh = FIGURES[preset]()
    return make_rig(PRESETS[preset], fit_skeleton(PRESETS[preset], mesh.vertices, mesh.faces, {}), preset)


def played(preset: str, name: str, *, frames: float = 48.0, cycles: int = 2, way_m: float = 0.0, **options):
    """Returns the rig playing a clip, its poses, and world_from_mesh of each frame."""
    clip = CLIPS[preset][name]
    count = int(frames * cycles) + 1
    play = Play(
        name, 0.0, count - 1.0, frames, turns=clip.turns, lift=clip.lift, contacts=clip.contacts, stride=clip.stride,
        is_cycle=clip.is_cycle, is_relative=clip.is_relative,
    )  # fmt: skip
    rig = Rig(**{**vars(fitted(preset)), "plays": (play,), **options})
    world = np.repeat(np.eye(4)[None], count, axis=0)
    world[:, 1, 3] = -np.linspace(0, way_m, count)
    return rig, poses(rig, count, list(world)), world


@pytest.mark.parametrize(("preset", "name"), ALL)
def test_a_clip_keys_bones_that_its_rig_has_within_their_limits(preset, name):
    clip = CLIPS[preset][name]
    limits = {bone.name: bone.limits_deg for bone in PRESETS[preset].bones}
    for bone, curve in clip.turns.items():
        for share in np.linspace(0, 1, 97):
            value = curve_at(curve, share, is_cycle=clip.is_cycle)
            for axis, (low, high) in zip("xyz", limits[bone], strict=True):
                degrees = value["xyz".index(axis)]
                assert low <= degrees <= high, f"{bone} {axis} at {share:.2f}: {degrees:.1f} not in {low}..{high}"


@pytest.mark.parametrize(("preset", "name"), [pair for pair in ALL if CLIPS[pair[0]][pair[1]].is_cycle])
def test_a_cycle_comes_back_to_its_start_without_a_jump(preset, name):
    rig, made, _ = played(preset, name)
    places = np.array([joints(rig, pose)[0] for pose in made])
    assert np.abs(places[0] - places[48]).max() < 1e-6
    steps = np.linalg.norm(np.diff(places, axis=0), axis=2).max(axis=1)
    assert steps[47] <= 1.5 * max(steps[46], steps[48]) + 1e-4, "the seam of the cycle jumps"


@pytest.mark.parametrize(("preset", "name"), ALL)
def test_no_clip_jumps(preset, name):
    rig, made, _ = played(preset, name, cycles=1)
    places = np.array([joints(rig, pose)[0] for pose in made])
    speed = np.linalg.norm(np.diff(places, axis=0), axis=2)
    height = np.ptp(rig.heads(), axis=0).max()
    worst = float(np.abs(np.diff(speed, axis=0)).max()) / height
    assert worst < 0.09, f"a joint changes its speed by {worst:.3f} of the body's size within a 48th of the clip"


STANDING = [(preset, name) for preset, name in ALL if CLIPS[preset][name].contacts]


@pytest.mark.parametrize(("preset", "name"), STANDING)
def test_locked_feet_do_not_slide(preset, name):
    """A foot that stands stays within 1 cm on a figure of 1.7 m, also while the figure travels."""
    clip = CLIPS[preset][name]
    rig = fitted(preset)
    way = 2.0 * clip.stride * rig.leg_length()
    rig, made, world = played(preset, name, way_m=way)
    size = np.ptp(np.concatenate([rig.heads(), rig.tails()]), axis=0).max()
    places = np.array([joints(rig, pose)[0] + at[:3, 3] for pose, at in zip(made, world, strict=True)])
    for leg in rig.legs:
        foot = places[:, rig.names().index(leg.end)]
        shares = np.arange(len(made)) / 48.0
        inside = [
            any(
                a <= share - whole <= b
                for a, b in clip.contacts[leg.end]
                for whole in ((0, 1, 2) if clip.is_cycle else (0,))
            )
            for share in shares
        ]
        for is_locked, group in itertools.groupby(range(len(made)), key=lambda frame: inside[frame]):
            frames = list(group)
            if is_locked and len(frames) > 2 and (clip.is_cycle or frames[-1] <= 48):
                slide = np.ptp(foot[frames], axis=0).max() / size * 1.7
                assert slide < 0.01, f"{leg.end} slides {slide * 100:.1f} cm in frames {frames[0]}-{frames[-1]}"


def test_feet_stand_at_their_height_at_rest():
    for name in ("walk", "idle", "sit", "dance"):
        rig, made, _ = played("humanoid", name)
        rest = rig.heads()
        for leg in rig.legs:
            index = rig.names().index(leg.end)
            low = min(joints(rig, pose)[0][index, 2] for pose in made)
            assert low > rest[index, 2] - 0.01, f"{name}: {leg.end} sinks {rest[index, 2] - low:.3f} m into the ground"


def test_a_walk_moves_arms_against_legs():
    rig, made, _ = played("humanoid", "walk", cycles=1)
    names = rig.names()
    places = np.array([joints(rig, pose)[0] for pose in made])
    foot = places[:, names.index("foot_left"), 1] - places[:, names.index("thigh_left"), 1]
    hand = places[:, names.index("hand_left"), 1] - places[:, names.index("upper_arm_left"), 1]
    assert np.corrcoef(foot, hand)[0, 1] < -0.7


def test_a_wheel_turns_with_the_way():
    rig = fitted("vehicle")
    (radius,) = set(rig.wheels.values())
    world = np.repeat(np.eye(4)[None], 5, axis=0)
    quarter = radius * np.pi / 2
    world[:, 1, 3] = -np.linspace(0, quarter, 5)
    pose = poses(rig, 5, list(world))[-1]
    turn = pose.turns[rig.names().index("wheel_front_left")]
    # Rolling forward (-y), the top of the wheel goes forward.
    assert np.allclose(turn @ [0, 0, 1], [0, -1, 0], atol=1e-6)


def test_a_hand_reaches_its_goal_or_as_far_as_it_can():
    rig = fitted("humanoid")
    near = np.array([-0.3, -0.3, 1.2])
    rig, world = Rig(**{**vars(rig), "reach": {"hand_right": (0.0, 0.0, 0.0)}}), [np.eye(4)] * 2
    wrist = rig.names().index("hand_right")
    pose = poses(rig, 2, world, {"hand_right": lambda frame: near})[1]
    assert np.linalg.norm(joints(rig, pose)[0][wrist] - near) < 1e-3
    far = np.array([-3.0, 0.0, 1.3])
    place = joints(rig, poses(rig, 2, world, {"hand_right": lambda frame: far})[1])[0]
    shoulder = place[rig.names().index("upper_arm_right")]
    along = (place[wrist] - shoulder) / np.linalg.norm(place[wrist] - shoulder)
    assert along @ ((far - shoulder) / np.linalg.norm(far - shoulder)) > 0.999


def test_without_clips_a_rig_is_at_rest():
    rig = fitted("humanoid")
    for pose in poses(rig, 3, [np.eye(4)] * 3):
        assert np.allclose(joints(rig, pose)[0], rig.heads(), rtol=0, atol=1e-12)
