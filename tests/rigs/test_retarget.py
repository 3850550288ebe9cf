"""Clips of our own, written as .bvh in other poses, names, axes and units, come back as they were."""

import numpy as np
import pytest

from i2v3d.geometry.motion import rotation_about
from i2v3d.geometry.rig import Play, Rig
from i2v3d.geometry.rig_pose import Pose, joints, poses
from i2v3d.geometry.rig_skin import checked_pose
from i2v3d.rigs.bone_names import map_bones
from i2v3d.rigs.bvh import read_bvh
from i2v3d.rigs.clips_others import CLIPS
from i2v3d.rigs.fit import fit_skeleton, make_rig
from i2v3d.rigs.motion_data import MotionData, MotionFileError
from i2v3d.rigs.presets import HUMANOID
from i2v3d.rigs.retarget import file_axes, retarget
from tests import clay_figures as clay
from tests.rigs.bvh_files import Y_UP, names_in, write_bvh
from tests.rigs.test_clips import fitted, played

HEIGHT_M = 1.7
T_POSE = {"upper_arm_left": (0, -45, 0), "upper_arm_right": (0, 45, 0)}
ARMS_DOWN = {"upper_arm_left": (0, 40, 0), "upper_arm_right": (0, -40, 0)}
Z_UP_TURNED = rotation_about(np.array([0.0, 0.0, 1.0]), np.pi / 2)


def brought(file, rig, **options):
    data = read_bvh(file)
    return retarget(rig, data, map_bones(HUMANOID, data.names, {}), **options)


def replayed(rig, clip, count, **options):
    stride = clip.stride if clip.is_on_the_spot or options.get("is_in_place") else 0.0
    play = Play(
        "clip", 0.0, count - 1.0, count - 1.0, track=clip.track, contacts=clip.contacts, stride=stride, **options
    )
    return Rig(**{**vars(rig), "plays": (play,)})


def places_of(rig, made):
    return np.array([joints(rig, pose)[0] for pose in made])


FILES = {
    "mixamo_cm": ("mixamo", None, Y_UP, 100.0),
    "cmu_t_pose": ("cmu", T_POSE, Y_UP, 17.7),
    "z_up_metres_arms_down": ("mixamo_plain", ARMS_DOWN, np.eye(3), 1.0),
    "z_up_looking_aside": ("cmu", T_POSE, Z_UP_TURNED, 39.37),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "cmu_t_pose") for name in sorted(CLIPS["humanoid"])),
        *((name, kind) for name in ("walk", "dance") for kind in FILES if kind != "cmu_t_pose"),
    ],
)
def test_a_clip_comes_back_as_it_was(tmp_path, name, kind):
    style, rest, axes, scale = FILES[kind]
    rig, made, _ = played("humanoid", name, cycles=1)
    pose = checked_pose(rig, rest) if rest else None
    file = write_bvh(
        tmp_path / "clip.bvh", rig, made, 30, names=names_in(rig, style), rest=pose, axes=axes, scale=scale
    )
    base = fitted("humanoid")
    back = replayed(base, brought(file, base), len(made))
    before, after = places_of(rig, made), places_of(back, poses(back, len(made), [np.eye(4)] * len(made)))
    after[..., :2] -= (after - before)[0, 0, :2]  # a clip starts where its figure stands
    worst = np.linalg.norm(after - before, axis=2).max() / HEIGHT_M
    # The built-in run rolls over its ankles, so where the ground is under it is not as clear.
    assert worst < (0.015 if name == "run" else 0.01), f"{worst:.2%} of the height"


def test_a_walk_that_gets_somewhere_goes_as_far_for_its_legs(tmp_path):
    rig, made, world = played("humanoid", "walk", frames=32.0, cycles=3, way_m=3.6)
    walking = [Pose(pose.turns, pose.root + at[:3, 3]) for pose, at in zip(made, world, strict=True)]
    file = write_bvh(tmp_path / "walk.bvh", rig, walking, 30, names=names_in(rig), scale=100)
    mesh = clay.overlapping(clay.humanoid_parts(height=3.4))
    giant = make_rig(HUMANOID, fit_skeleton(HUMANOID, mesh.vertices, mesh.faces, {}), "giant")
    clip = brought(file, giant)
    count = len(walking)
    back = replayed(giant, clip, count)
    posed = poses(back, count, [np.eye(4)] * count)
    assert posed[-1].root[1] - posed[0].root[1] == pytest.approx(-7.2, rel=0.02)
    assert clip.stride * rig.leg_length() == pytest.approx(3.6, rel=0.08)
    assert not clip.is_on_the_spot
    for leg in giant.legs:
        foot = places_of(back, posed)[:, giant.names().index(leg.end)]
        for first, last in clip.contacts[leg.end]:
            stands = foot[round(first * (count - 1)) : round(last * (count - 1)) + 1]
            assert np.ptp(stands, axis=0)[:2].max() < 0.02, "a foot that stands slides"


def test_a_walk_in_place_keeps_step_with_the_way_of_its_figure(tmp_path):
    rig, made, world = played("humanoid", "walk", frames=32.0, cycles=3, way_m=3.6)
    walking = [Pose(pose.turns, pose.root + at[:3, 3]) for pose, at in zip(made, world, strict=True)]
    base = fitted("humanoid")
    clip = brought(write_bvh(tmp_path / "walk.bvh", rig, walking, 30, names=names_in(rig)), base)
    back = replayed(base, clip, 97, is_in_place=True, is_cycle=True)
    way = np.repeat(np.eye(4)[None], 97, axis=0)
    way[:, 1, 3] = -np.linspace(0, 7.2, 97)
    posed = poses(back, 97, list(way))
    assert max(abs(pose.root[1]) for pose in posed) < 0.2
    hips = base.names().index("thigh_left")
    lift = places_of(back, posed)[:, base.names().index("shin_left"), 1] - places_of(back, posed)[:, hips, 1]
    middle = lift - (lift.min() + lift.max()) / 2
    swings = np.sum((middle[:-1] < 0) & (middle[1:] >= 0))
    assert 6 <= swings <= 8, "twice as far takes twice the 3.4 steps of this leg"


def test_a_clip_that_looks_aside_is_turned_ahead_and_a_stance_is_kept(tmp_path):
    rig, made, _ = played("humanoid", "idle", cycles=1)
    base = fitted("humanoid")
    for degrees, expected in ((120.0, 0.0), (12.0, 12.0)):
        turn = rotation_about(np.array([0.0, 0.0, 1.0]), np.radians(degrees))
        aside = [Pose(np.concatenate([turn[None] @ pose.turns[:1], pose.turns[1:]]), pose.root) for pose in made]
        clip = brought(write_bvh(tmp_path / "aside.bvh", rig, aside, 30, names=names_in(rig)), base)
        back = replayed(base, clip, len(made))
        turned = joints(base, poses(back, 1, [np.eye(4)])[0])[1][0] @ [1, 0, 0]
        assert np.degrees(np.arctan2(turned[1], turned[0])) == pytest.approx(expected, abs=3.0)


def test_a_repeated_clip_has_no_jump(tmp_path):
    rig, made, _ = played("humanoid", "wave", cycles=1)
    cut = made[10:40]
    base = fitted("humanoid")
    clip = brought(write_bvh(tmp_path / "wave.bvh", rig, cut, 30, names=names_in(rig)), base)
    play = Play("wave", 0.0, 99.0, 29.0, track=clip.track, is_cycle=True)
    back = Rig(**{**vars(base), "plays": (play,)})
    places = places_of(back, poses(back, 100, [np.eye(4)] * 100))
    steps = np.linalg.norm(np.diff(places, axis=0), axis=2).max(axis=1)
    assert steps.max() < 0.12, f"{steps.max():.2f} m from one frame to the next"


def test_a_fast_file_is_resampled(tmp_path):
    rig, made, _ = played("humanoid", "dance", frames=240.0, cycles=1)
    base = fitted("humanoid")
    clip = brought(write_bvh(tmp_path / "fast.bvh", rig, made, 240, names=names_in(rig)), base)
    assert clip.duration_s == pytest.approx(1.0, rel=1e-4)
    assert len(clip.track.turns) == 121


def test_bones_that_nobody_knows_are_named_by_the_spec(tmp_path):
    rig, made, _ = played("humanoid", "wave", cycles=1)
    odd = {name: f"bone_{index:02d}" for index, name in enumerate(rig.names())}
    data = read_bvh(write_bvh(tmp_path / "odd.bvh", rig, made, 30, names=odd))
    with pytest.raises(MotionFileError, match="none is known as a humanoid's"):
        map_bones(HUMANOID, data.names, {})
    with pytest.raises(MotionFileError, match="has no bone `nose`"):
        map_bones(HUMANOID, data.names, {"head": "nose"})
    clip = retarget(fitted("humanoid"), data, map_bones(HUMANOID, data.names, odd))
    assert set(clip.track.bones) == set(rig.names())


def test_a_skeleton_that_is_as_high_as_its_root_needs_its_axis():
    heads = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (2, 3, 1))
    data = MotionData(("body", "l", "r"), (-1, 0, 0), heads, heads, turns, np.stack([heads] * 2), 30.0)
    rows = {"body": 0, "wing_left": 1, "wing_right": 2}
    with pytest.raises(MotionFileError, match="which way the file's skeleton stands can't be told") as raised:
        file_axes(data, rows, "")
    assert "up: y" in raised.value.hint
    np.testing.assert_allclose(file_axes(data, rows, "y"), [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)
