import numpy as np
import pytest

from i2v3d.geometry.rig_curves import rotations_of
from i2v3d.geometry.rig_pose import joints
from i2v3d.geometry.rig_skin import checked_pose
from i2v3d.rigs.bvh import read_bvh
from i2v3d.rigs.motion_data import MotionFileError
from tests.rigs.bvh_files import Y_UP, names_in, write_bvh
from tests.rigs.test_clips import fitted

ARM = """HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Arm
  {
    OFFSET 10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 20 0 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 90 0 0 0 0 0 0 0
5 95 0 90 0 0 90 0 0
"""


def read(tmp_path, text):
    file = tmp_path / "arm.bvh"
    file.write_text(text)
    return read_bvh(file)


def test_a_small_file_is_read_as_worked_out_by_hand(tmp_path):
    data = read(tmp_path, ARM)
    assert (data.names, data.parents, data.fps) == (("Hips", "Arm"), (-1, 0), 25.0)
    assert data.heads.tolist() == [[0, 90, 0], [10, 90, 0]]
    assert data.tails[1].tolist() == [30, 90, 0]
    assert data.duration_s() == pytest.approx(0.04)
    # The hips turn by 90 degrees about z, so the arm is above them; its own turn comes on top.
    assert np.allclose(data.places[1], [[5, 95, 0], [5, 105, 0]])
    turns = rotations_of(data.turns[1])
    assert np.allclose(turns[0] @ [1, 0, 0], [0, 1, 0])
    assert np.allclose(turns[1] @ [1, 0, 0], [-1, 0, 0])


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YXZ", "ZYX", "XZY", "YZX"])
def test_turns_are_read_in_the_order_of_the_channels(tmp_path, order):
    rig = fitted("humanoid")
    pose = checked_pose(rig, {"hips": (10, 20, 130), "upper_arm_left": (40, -60, 15), "head": (5, 10, -20)})
    data = read_bvh(write_bvh(tmp_path / "pose.bvh", rig, [pose, pose], 30, order=order))
    places, turns = joints(rig, pose)
    rows = [data.names.index(name) for name in rig.names()]
    assert np.allclose(data.places[1][rows] / 100, places @ Y_UP.T, atol=1e-5)
    assert np.allclose(rotations_of(data.turns[1][rows]), Y_UP @ turns @ Y_UP.T, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HEIRARCHY", "arm.bvh:1: expected `HIERARCHY`, found `HEIRARCHY`"),
        ("OFFSET 0 90 0", "OFFSET 0 up 0", "arm.bvh:4: expected an offset, found `up`"),
        ("Xposition", "Wposition", "arm.bvh:5: there is no channel `Wposition`"),
        ("CHANNELS 6", "CHANNELS 600", "arm.bvh:5: 600 can't be the number of channels"),
        ("JOINT Arm", "JOINT Hips", "arm.bvh:6: two joints are called `Hips`"),
        ("JOINT Arm", "ROOT Arm", "arm.bvh:6: `ROOT` can't stand here"),
        ("Frames: 2", "Frames: two", "arm.bvh:17: expected the number of frames, found `two`"),
        ("Frames: 2", "Frames: 0", "arm.bvh:17: 0 can't be the number of frames"),
        ("Frames: 2", "Frames: 3", "arm.bvh:20: there are 2 frames, and `Frames:` says 3"),
        ("Time: 0.04", "Time: 0", "arm.bvh:18: a frame of 0 s is no rate of a motion"),
        ("0 90 0 0 0 0 0 0 0", "0 90 0 0 0 0 0 0", "arm.bvh:19: this frame has 8 numbers, and the joints have 9"),
        ("5 95 0", "5 nan 0", "arm.bvh:20: there is something in this frame that is no number"),
        ("5 95 0", "5 x 0", "arm.bvh:20: there is something in this frame that is no number"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path, old, new, message):
    with pytest.raises(MotionFileError) as raised:
        read(tmp_path, ARM.replace(old, new, 1))
    assert message in raised.value.message


@pytest.mark.parametrize("length", range(0, len(ARM) - 20, 37))
def test_a_file_that_is_cut_off_is_refused_with_a_line(tmp_path, length):
    with pytest.raises(MotionFileError, match=r"arm\.bvh:\d+: "):
        read(tmp_path, ARM[:length])


def test_names_of_both_styles_are_those_of_a_humanoid(tmp_path):
    from i2v3d.rigs.bone_names import map_bones
    from i2v3d.rigs.presets import HUMANOID

    rig = fitted("humanoid")
    for style in ("mixamo", "mixamo_plain", "cmu"):
        names = names_in(rig, style)
        assert map_bones(HUMANOID, tuple(names.values()), {}) == names, style
