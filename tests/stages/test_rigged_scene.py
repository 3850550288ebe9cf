"""A rigged scene from script to pictures: the card bends at a hinge, and both renderers draw it alike."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from i2v3d.spec import resolved
from tests import hand_made_scene as hand

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "scripts" / "rigged_scene.py.txt"


def rigged(frame_count=4) -> resolved.Scene:
    """The hand-made scene, its card and the copy of it bending at a hinge."""
    turn = hand.motion_key(frame_count - 1.0, rotate_rad=(0.0, 0.1, 0.2), ease="in_out_sine")
    clip = resolved.RigClip("open", 0.0, frame_count - 1.0, None, 10.0, False, False)
    rig = resolved.RigMotion("hinge", (("hinge", (130.0, 90.0)),), (clip,), (("base", (turn,)),), (), True)
    still = resolved.RigMotion("hinge", (), (), (), (), True)
    return dataclasses.replace(hand.scene(frame_count), rigs={"card": rig, hand.NASTY: still})


def test_the_script_of_a_rigged_scene_is_as_reviewed(tmp_path):
    """After a wanted change: I2V3D_UPDATE_GOLDEN=1, then review the difference as code."""
    text = (hand.write_script(tmp_path / "script", rigged()).path / "scene.py").read_text()
    if os.environ.get("I2V3D_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rigged")


@pytest.fixture(scope="module")
def outputs(folder):
    return hand.assembled(folder / "first", rigged())


@pytest.mark.blender
@pytest.mark.slow
def test_deforming_vertices_are_in_the_cache_and_the_unposed_rig_changes_nothing(outputs):
    rest = hand.card_mesh().vertices_m
    for frame, state in enumerate(outputs.states):
        arrays = state.read_arrays()
        pose = arrays["transforms"][2]  # of the copy, whose rig plays nothing
        still = rest @ pose[:3, :3].T + pose[:3, 3]
        assert np.abs(arrays["vertices_3"] - still).max() < 1e-5, frame
        pose = arrays["transforms"][1]
        moved = np.abs(arrays["vertices_2"] - (rest @ pose[:3, :3].T + pose[:3, 3])).max()
        assert moved < 1e-5 if frame == 0 else moved > 0.02, f"frame {frame}: {moved}"


@pytest.mark.blender
@pytest.mark.slow
def test_a_rigged_scene_gives_the_same_bytes_twice(folder, outputs):
    again = hand.assembled(folder / "second", rigged())
    for state, other in zip(outputs.states, again.states, strict=True):
        assert state.path.read_bytes() == other.path.read_bytes()


@pytest.mark.blender
@pytest.mark.slow
def test_armatures_and_actions_have_names_that_an_artist_finds(folder, outputs):
    code = (
        f"import bpy; bpy.ops.wm.open_mainfile(filepath={str(outputs.blend.path)!r});"
        "rig = bpy.data.objects['card rig'];"
        "print('--'); print(rig.type, rig.animation_data.action.name, [bone.name for bone in rig.data.bones],"
        "rig.parent.name, rig.parent.animation_data.action.name,"
        "bpy.data.objects['card mesh'].modifiers[0].object.name)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = "ARMATURE card pose ['base', 'flap'] card card motion card rig"
    assert run.stdout.split("--\n")[-1].strip() == expected


@pytest.mark.blender
@pytest.mark.slow
def test_both_renderers_draw_the_bent_card_alike(folder, outputs):
    from i2v3d.backends.embedded.render_cycles import CyclesRenderer
    from i2v3d.backends.embedded.render_gl import GlRenderer

    made = rigged()
    pictures = [
        hand.rendered(folder / name, made, outputs, backend, 2)
        for name, backend in (("gl", GlRenderer()), ("cycles", CyclesRenderer()))
    ]
    first, second = (picture.passes.read() for picture in pictures)
    assert (first.ids == second.ids).mean() >= 0.999
    same = (first.ids == second.ids) & (first.ids > 0)
    assert (first.ids == 2).sum() > 200
    assert np.quantile(np.abs(first.depth_m - second.depth_m)[same], 0.999) <= 1e-4 * 14
    for name in ("flow_forward_px", "flow_backward_px"):
        ours, theirs = getattr(first, name), getattr(second, name)
        on_card = same & (first.ids == 2)
        assert np.quantile(np.abs(ours - theirs)[on_card], 0.99) <= 0.01, name
        assert np.ptp(ours[on_card], axis=0).max() > 0.5, "the card bends, so its flow differs over it"
    assert (first.is_observed == second.is_observed)[same].mean() >= 0.999
