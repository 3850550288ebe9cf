"""What hangs on a bone is in focus, lags and flies where the bone takes it, and not where it rests."""

import dataclasses

import numpy as np
import pytest

from i2v3d.geometry.frames import transform_points
from i2v3d.spec.resolved_physics import DepthOfField, FocusKey, Pinned, SoftBody
from tests import hand_made_scene as hand
from tests.stages.test_bone_parents import FRAMES, expected, hung
from tests.stages.test_cloth import cloth


def hanging():
    """A scene whose second thing hangs on a bone of the first and turns, but keeps its size."""
    made = hung()
    turns = (hand.motion_key(FRAMES - 1.0, rotate_rad=(0.0, 0.3, 0.9)),)
    return dataclasses.replace(made, motion={**made.motion, hand.NASTY: turns})


def states_of(folder, made):
    return [state.read_arrays() for state in hand.assembled(folder, made).states]


def placed():
    """Returns the world places (frames, n, 3) of the hung thing, stiff."""
    return np.array([transform_points(pose, hand.card_mesh().vertices_m) for pose in expected(hanging())])


@pytest.mark.blender
@pytest.mark.slow
def test_the_focus_goes_with_the_bone(tmp_path):
    lens = DepthOfField(0.01, (FocusKey(0.0, hand.NASTY, "linear"),))
    states = states_of(tmp_path, dataclasses.replace(hanging(), depth_of_field=lens))
    for arrays, points in zip(states, placed(), strict=True):
        depths = transform_points(np.linalg.inv(arrays["world_from_camera"]), points)[:, 2]
        assert arrays["depth_of_field"][0] == pytest.approx((depths.min() + np.median(depths)) / 2, rel=1e-4)


@pytest.mark.blender
@pytest.mark.slow
def test_the_focus_goes_with_a_figure_that_its_clip_carries(tmp_path):
    lens = DepthOfField(0.01, (FocusKey(0.0, "card", "linear"),))
    made = dataclasses.replace(hung(), depth_of_field=lens, camera_path=(), motion={})
    rig = dataclasses.replace(made.rigs["card"], clips=(), bones=(("base", (leaning(0.0), leaning(FRAMES - 1.0))),))
    states = states_of(tmp_path, dataclasses.replace(made, rigs={"card": rig}))
    depths = [
        transform_points(np.linalg.inv(arrays["world_from_camera"]), arrays["vertices_2"])[:, 2] for arrays in states
    ]
    seen = [(depth.min() + np.median(depth)) / 2 for depth in depths]
    assert seen[0] - seen[-1] > 0.05
    np.testing.assert_allclose([arrays["depth_of_field"][0] for arrays in states], seen, rtol=1e-4)


def leaning(frame):
    return hand.motion_key(frame, rotate_rad=(0.1 * frame, 0.0, 0.0))


@pytest.mark.blender
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cloth", "soft"])
def test_what_is_held_goes_with_the_bone_and_the_rest_lags(tmp_path, kind):
    held = Pinned("top", 0.5, None)
    body = cloth(pinned=held) if kind == "cloth" else SoftBody(held, 1.0, 0.2)
    states = states_of(tmp_path, dataclasses.replace(hanging(), deforming={hand.NASTY: body}))
    points = hand.card_mesh().vertices_m
    is_held = points[:, 2] > points[:, 2].min() + 0.55 * np.ptp(points[:, 2])
    stiff = placed()
    assert np.abs(stiff[-1] - stiff[0])[is_held].max() > 0.3
    for frame, arrays in enumerate(states):
        assert np.abs(arrays["vertices_3"] - stiff[frame])[is_held].max() < 3e-3, frame
    assert np.abs(states[-1]["vertices_3"] - stiff[-1])[~is_held].max() > 0.02, f"frame {FRAMES - 1}"
