"""An object that hangs on a bone: Blender puts it where arithmetic says, and the camera knows where that is."""

import dataclasses

import numpy as np
import pytest

from i2v3d.geometry.frames import transform_points
from i2v3d.geometry.motion import object_motion, world_from_object_at
from i2v3d.geometry.rig import Rig
from i2v3d.geometry.rig_pose import bone_transforms, poses
from i2v3d.rigs.fit import fit_skeleton, make_rig
from i2v3d.rigs.presets import PRESETS
from i2v3d.rigs.script import grip, lay_out_clips
from tests import hand_made_scene as hand
from tests.stages.test_rigged_scene import rigged

FRAMES = 4


def hung(*, is_gripped=False):
    made = rigged(FRAMES)
    carrier, thing = made.objects
    thing = dataclasses.replace(thing, parent="card", parent_bone="flap", is_gripped=is_gripped)
    # It has motion of its own too, and the camera looks at it.
    camera = (hand.camera_key(0.0, look_at=hand.NASTY),)
    rigs = {"card": dataclasses.replace(made.rigs["card"], joints=())}
    return dataclasses.replace(made, objects=(carrier, thing), rigs=rigs, camera_path=camera)


def expected(made, *, is_gripped=False):
    """Returns where the hung object is (frames, 4, 4)."""
    rests, card = hand.solved_layout().objects, hand.card_mesh()
    skeleton = fit_skeleton(PRESETS["hinge"], card.vertices_m, card.faces, {})
    motion = made.rigs["card"]
    keys = {bone: tuple(object_motion(given)["rotate_rad"]) for bone, given in motion.bones}
    plays = lay_out_clips(motion, fps=24.0, frame_count=FRAMES)
    rig = Rig(**{**vars(make_rig(PRESETS["hinge"], skeleton, "card")), "plays": plays, "keys": keys})

    def pose(name, frame, motion):
        return world_from_object_at(motion, frame, rest=rests[name].world_from_object, scale=rests[name].scale)

    carried = [pose("card", frame, object_motion(made.motion["card"])) for frame in range(FRAMES)]
    index = rig.names().index("flap")
    bones = [bone_transforms(rig, one)[index] for one in poses(rig, FRAMES, carried)]
    rest = pose("card", 0, {})
    attach = grip(rig, "flap", rest, rests[hand.NASTY].world_from_object[:3, 3]) if is_gripped else np.eye(4)
    own = object_motion(made.motion[hand.NASTY])
    return [
        carried[frame] @ bones[frame] @ np.linalg.inv(rest) @ attach @ pose(hand.NASTY, frame, own)
        for frame in range(FRAMES)
    ]


@pytest.mark.blender
@pytest.mark.slow
@pytest.mark.parametrize("is_gripped", [False, True])
def test_it_goes_where_the_bone_goes_and_the_camera_looks_there(tmp_path, is_gripped):
    made = hung(is_gripped=is_gripped)
    outputs = hand.assembled(tmp_path / "scene", made)
    points = hand.card_mesh().vertices_m.astype(np.float64)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    wanted = expected(made, is_gripped=is_gripped)
    ways = [np.linalg.norm(pose[:3, 3] - wanted[0][:3, 3]) for pose in wanted]
    assert ways[-1] > 0.3
    for frame, state in enumerate(outputs.states):
        arrays = state.read_arrays()
        assert np.abs(arrays["transforms"][2] - wanted[frame]).max() < 2e-5, frame
        seen = transform_points(np.linalg.inv(arrays["world_from_camera"]), transform_points(wanted[frame], centre))
        pixel = arrays["image_from_camera"] @ seen
        assert np.allclose(pixel[:2] / pixel[2], (hand.SIZE.width / 2, hand.SIZE.height / 2), atol=0.05), frame


def test_a_grip_puts_the_pivot_into_the_middle_of_the_bone():
    (rest, *_) = expected(hung(is_gripped=True), is_gripped=True)
    card = hand.card_mesh()
    skeleton = fit_skeleton(PRESETS["hinge"], card.vertices_m, card.faces, {})
    middle = (np.array(skeleton.joints["hinge"]) + skeleton.joints["tip"]) / 2
    assert np.allclose(rest[:3, 3], middle + hand.card_place(), atol=1e-6)
