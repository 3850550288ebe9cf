"""Frames that change with keys of the camera and of motion."""

from dataclasses import replace
from pathlib import Path

import pytest

from i2v3d.plan.changed_frames import changed_frames, is_outside
from i2v3d.spec import load_scene

SPEC = Path(__file__).resolve().parents[2] / "specs" / "rocket" / "scene.yaml"
CAMERA = "camera=[{at: 0s},{at: 1s, zoom: %s},{at: 2s, tilt: %sdeg},{at: 2.5s, zoom: %s}]"


def scene(*overrides):
    return load_scene(SPEC, overrides=overrides).scene


def test_a_change_reaches_from_the_equal_key_before_to_the_equal_key_after():
    base = scene(CAMERA % (1.1, 1, 1.2))
    assert changed_frames(base, base) == (0, -1)
    assert changed_frames(base, scene(CAMERA % (1.1, 1, 1.3))) == (49, 60)
    assert changed_frames(base, scene("camera=[{at: 0s},{at: 1s, zoom: 1.1},{at: 2s, tilt: 1deg},{at: 2.5s}]")) == (
        49,
        60,
    )


def test_an_edit_of_the_first_key_changes_the_first_frame():
    base = "camera=[{at: 0s, zoom: %s},{at: 2.5s, zoom: 2}]"
    assert changed_frames(scene(base % 1.1), scene(base % 1.2))[0] == 0


def test_a_channel_of_motion_that_is_not_keyed_nearby_reaches_further():
    move = (
        "motion.rocket=[{at: 0s, move: [0, 0, 0], scale: 1},{at: 1s, scale: 1},{at: 2.5s, move: [0, 0, %sm], scale: 1}]"
    )
    # `move` is not keyed at 1 s, so it is interpolated from 0 s on.
    assert changed_frames(scene(move % 10), scene(move % 11)) == (1, 60)


@pytest.mark.parametrize(
    "override",
    ["objects.rocket.height=60m", "output.fps=12", "seed=2", "camera={handheld: 1}", "simulate.rocket=rigid"],
)
def test_what_is_not_a_key_may_change_any_frame(override):
    assert changed_frames(scene(), scene(override)) is None
    assert changed_frames(scene("camera={handheld: 1}"), replace(scene("camera={handheld: 1}"), camera_path=())) is None


def test_slices_lie_outside_when_they_hold_no_changed_frame():
    assert is_outside(0, 13, (13, 20))
    assert not is_outside(0, 14, (13, 20))
    assert is_outside(21, 24, (13, 20))
    assert not is_outside(20, None, (13, 20))
    assert not is_outside(None, None, (13, 20))
    assert is_outside(None, None, (0, -1))
