import functools

import numpy as np
import pytest

from i2v3d.geometry.rig import Play, Rig
from i2v3d.geometry.rig_curves import curve_at
from i2v3d.geometry.rig_feet import sole
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
    allowed = 0.11 if name == "jump" else 0.09  # it takes off
    assert worst < allowed, f"a joint changes its speed by {worst:.3f} of the body's size within a 48th of the clip"


STANDING = [(preset, name) for preset, name in ALL if CLIPS[preset][name].contacts]


def soles(rig, leg, made, world):
    """Returns (frames, 2, 3): the ball and the heel of a foot, world, on a figure of 1.7 m."""
    index = rig.names().index(leg.end)
    points = sole(rig, index)
    size = np.ptp(np.concatenate([rig.heads(), rig.tails()]), axis=0).max()
    found = []
    for pose, at in zip(made, world, strict=True):
        places, turns = joints(rig, pose)
        found.append(places[index] + points @ turns[index].T + at[:3, 3])
    return np.array(found) * 1.7 / size


@pytest.mark.parametrize(("preset", "name"), STANDING)
def test_the_sole_of_a_foot_that_stands_stays_on_its_place(preset, name):
    """From frame to frame its ball or its heel stays within 3 mm on a figure of 1.7 m, while the figure travels."""
    clip = CLIPS[preset][name]
    rig, made, world = played(preset, name, way_m=2.0 * clip.stride * fitted(preset).leg_length())
    for leg in rig.legs:
        places = soles(rig, leg, made, world)
        moved = np.linalg.norm(np.diff(places, axis=0), axis=2).min(axis=1)
        shares = np.arange(len(made)) / 48.0
        wholes = (0, 1, 2) if clip.is_cycle else (0,)
        stands = np.array(
            [any(a <= share - whole < b for a, b in clip.contacts[leg.end] for whole in wholes) for share in shares]
        )
        both = stands[1:] & stands[:-1]
        if not clip.is_cycle:
            both[48:] = False
        assert moved[both].max() < 0.003, f"{leg.end} slides {moved[both].max() * 1000:.1f} mm from frame to frame"


@pytest.mark.parametrize(("preset", "name"), [(preset, name) for preset, name in STANDING if "sit" not in name])
def test_no_part_of_a_sole_goes_into_the_ground(preset, name):
    clip = CLIPS[preset][name]
    rig, made, world = played(preset, name, frames=25.0, way_m=2.0 * clip.stride * fitted(preset).leg_length())
    size = np.ptp(np.concatenate([rig.heads(), rig.tails()]), axis=0).max() / 1.7
    for leg in rig.legs:
        rest = rig.tails()[rig.names().index(leg.end)][2] / size
        sunk = rest - soles(rig, leg, made, world)[..., 2].min()
        assert sunk < 0.006, f"{leg.end} is {sunk * 1000:.0f} mm below where it stands"


def test_toes_stay_on_the_ground_while_the_heel_lifts():
    rig, made, _ = played("humanoid", "walk", frames=25.0, way_m=2.0 * 1.29 * fitted("humanoid").leg_length())
    names = rig.names()
    foot, toes = names.index("foot_left"), names.index("toes_left")
    lifted = 0
    for pose in made:
        _, turns = joints(rig, pose)
        pitch, bent = (np.degrees(np.arcsin(turns[index][2, 1])) for index in (foot, toes))
        if pitch > 15 and bent < 0.3 * pitch:
            lifted += 1
    assert lifted >= 4, "frames of two steps in which the heel is up and the toes are flat"


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
