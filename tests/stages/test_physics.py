"""Rigid bodies against what every schoolbook says, and against themselves: bytes."""

import dataclasses

import numpy as np
import pytest

from i2v3d.spec.resolved_physics import RigidBody
from tests import hand_made_scene as hand
from tests.stages.test_scene_edits import block, rest_at

pytestmark = pytest.mark.blender

FRAMES = 31
BALL, FLOOR = "card", hand.NASTY


def body(**changes):
    return RigidBody(**({"mass_kg": 1.0, "friction": 0.5, "bounce": 0.0, "velocity_m_s": (0.0,) * 3} | changes))


def fallen(folder, bodies, motion=None, *, size=(0.3, 0.3, 0.3), start=(0.0, 6.0, 0.6), parent=None):
    """Returns the state of every frame: a block at `start` and its copy at the side, 5 m up."""
    made = hand.scene(FRAMES)
    things = (made.objects[0], dataclasses.replace(made.objects[1], parent=parent))
    made = dataclasses.replace(
        made, objects=things, bodies=bodies, motion=motion or {}, camera_path=(hand.camera_key(0.0, look_at=BALL),)
    )
    rests = {BALL: rest_at(*start), FLOOR: rest_at(0.05, 6.0, 0.1)}
    layout = dataclasses.replace(hand.solved_layout(), objects=rests)
    outputs = hand.assembled(folder, made, layout, block(size))
    return outputs, np.stack([state.read_arrays()["transforms"] for state in outputs.states])


def free(**changes):
    return body(is_fixed=False, **changes)


def test_a_body_falls_as_it_should_and_comes_to_rest_on_the_ground(tmp_path):
    _, poses = fallen(tmp_path, {BALL: free(velocity_m_s=(0.4, 0.0, 0.0), friction=0.0)})
    time = np.arange(8) / 24
    drop = 0.6 - 9.81 * time**2 / 2
    np.testing.assert_allclose(poses[:8, 1, 2, 3], drop, atol=0.006)
    np.testing.assert_allclose(poses[:8, 1, 0, 3], 0.4 * time, atol=0.002)
    assert poses[-1, 1, 2, 3] == pytest.approx(0, abs=0.004), "the block rests on the ground, its base at zero"
    np.testing.assert_array_equal(poses[:, 2], np.broadcast_to(poses[0, 2], poses[:, 2].shape))


def test_a_small_body_lies_on_the_ground_as_a_large_one_does(tmp_path):
    _, poses = fallen(tmp_path, {BALL: free()}, size=(0.01, 0.01, 0.01), start=(0.3, 6.0, 0.05))
    assert poses[-1, 1, 2, 3] == pytest.approx(0, abs=1.5e-4)


def test_a_body_is_let_go_at_its_last_key_with_the_velocity_it_has(tmp_path):
    keys = (hand.motion_key(0.0, move_m=(0.0,) * 3), hand.motion_key(10.0, move_m=(0.0, 0.0, 1.0)))
    _, poses = fallen(tmp_path, {BALL: free()}, {BALL: keys})
    height = poses[:, 1, 2, 3] - 0.6
    np.testing.assert_allclose(height[:11], np.arange(11) / 10, atol=1e-3)
    time = np.arange(1, 8) / 24
    np.testing.assert_allclose(height[11:18], 1 + 2.4 * time - 9.81 * time**2 / 2, atol=0.12)
    assert height[12] > height[11] > 1.05, "it flies on upwards first"


def test_an_obstacle_stops_what_falls_on_it_and_stays(tmp_path):
    bodies = {BALL: free(), FLOOR: body(is_fixed=True)}
    _, poses = fallen(tmp_path, bodies, start=(0.05, 6.0, 0.8))
    assert poses[-1, 1, 2, 3] == pytest.approx(0.4, abs=0.01), "on top of the other block"
    np.testing.assert_array_equal(poses[0, 2], poses[-1, 2])


def test_what_hangs_on_a_falling_body_falls_with_it_and_the_camera_looks_after_it(tmp_path):
    outputs, poses = fallen(tmp_path, {BALL: free()}, parent=BALL)
    first, last = poses[0], poses[-1]
    expected = last[1] @ np.linalg.inv(first[1]) @ first[2]
    np.testing.assert_allclose(last[2], expected, atol=1e-5)
    aims = [state.read_arrays()["world_from_camera"][2, 2] for state in outputs.states]
    assert aims[-1] < aims[0] - 0.02


def test_the_same_fall_gives_the_same_bytes(tmp_path):
    bodies = {BALL: free(bounce=0.6, velocity_m_s=(0.1, -0.3, 0.2)), FLOOR: free(mass_kg=3.0)}
    first, poses = fallen(tmp_path / "first", bodies, start=(0.25, 6.0, 0.8))
    second, _ = fallen(tmp_path / "second", bodies, start=(0.25, 6.0, 0.8))
    assert np.abs(poses[-1, 1, :3, :3] - np.eye(3)).max() > 0.1, "it tumbles"
    for one, other in zip(first.states, second.states, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert first.glb.path.read_bytes() == second.glb.path.read_bytes()
