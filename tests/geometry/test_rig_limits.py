import numpy as np
import pytest

from i2v3d.geometry.motion import rotation_from_euler
from i2v3d.geometry.rig_curves import quaternion
from i2v3d.geometry.rig_limits import JointLimits, excess_of, find_overbent
from i2v3d.geometry.rig_pose import turns_from_standing
from i2v3d.rigs.clips_others import CLIPS
from tests.rigs.test_clips import played

ELBOW = ((-150.0, 5.0), (-60.0, 60.0), (-90.0, 90.0))


def turned(*degrees):
    return rotation_from_euler(np.radians(degrees))


def test_a_turn_within_limits_has_no_excess_whatever_its_angles_are_called():
    random = np.random.default_rng(0)
    for _ in range(300):
        limits = tuple(tuple(sorted(random.uniform(-180, 180, 2))) for _ in range(3))
        angles = [random.uniform(low, high) for low, high in limits]
        assert excess_of(turned(*angles), limits).beyond_deg < 1e-6, (limits, angles)


@pytest.mark.parametrize("y", [90.0, -90.0])
def test_at_the_pole_any_share_of_the_other_two_will_do(y):
    assert excess_of(turned(40, y, -30), ((-180, 180), (-95, 95), (-180, 180))).beyond_deg < 1e-3


def test_an_elbow_bent_backwards_is_found_with_its_frame_angle_and_limit():
    turns = [np.array([quaternion(turned(x, 0, 0))]) for x in (-20, 0, 40, 20)]
    rig = JointLimits("hero", 2, ("forearm_left",), (ELBOW,))
    (found,) = find_overbent([rig], [{"bone_turns_2": one} for one in turns])
    assert found.frame == 2
    assert "`forearm_left` of `hero` is turned 40 deg about x in frame 2, beyond its limit of 5" in found.message


def test_a_bone_without_limits_and_one_a_little_beyond_them_are_left_alone():
    turns = np.array([quaternion(turned(170, 0, 0)), quaternion(turned(12, 0, 0))])
    rig = JointLimits("hero", 2, ("wheel", "forearm_left"), (None, ELBOW))
    assert find_overbent([rig], [{"bone_turns_2": turns}]) == []


@pytest.mark.parametrize(("preset", "name"), [(rig, clip) for rig, clips in CLIPS.items() for clip in clips])
def test_no_built_in_clip_is_beyond_the_limits_of_its_rig(preset, name):
    rig, made, _ = played(preset, name, cycles=1)
    limits = tuple(bone.limits_deg for bone in rig.bones)
    states = [{"bone_turns_2": np.array([quaternion(one) for one in turns_from_standing(rig, pose)])} for pose in made]
    assert find_overbent([JointLimits("it", 2, rig.names(), limits)], states[::6]) == []
