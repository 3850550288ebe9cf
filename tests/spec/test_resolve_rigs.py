import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.errors import SpecError
from i2v3d.rigs.script import lay_out_clips
from i2v3d.spec import load_scene

HEAD = "source: photo.jpg\noutput: {fps: 24, duration: 2s}\nobjects:\n  hero: {segment: {box: [0.1, 0.1, 0.6, 0.9]}}\n"


@pytest.fixture
def load(tmp_path):
    project = make_project(tmp_path / "project")

    def load(motion):
        (project / "scene.yaml").write_text(f"{HEAD}motion: {{hero: {motion}}}\n")
        return load_scene(project)

    return load


def rig_of(load, motion):
    return load(motion).scene.rigs["hero"]


@pytest.mark.parametrize(
    ("motion", "message"),
    [
        ("{clips: [walk]}", "`clips` needs a rig"),
        ("{rig: humanoid, clips: [wlak]}", "did you mean `walk`?"),
        ("{rig: hinge, clips: [walk]}", "there is no hinge clip `walk`"),
        ("{rig: humanoid, bones: {haed: [{at: 0s}]}}", "did you mean `head`?"),
        ("{rig: humanoid, bones: {head: [{at: 0s, move: [0, 0, 1]}]}}", "`move` has no effect on a bone"),
        ("{rig: humanoid, joints: {left_elbwo: [0.4, 0.5]}}", "did you mean `left_elbow`?"),
        ("{rig: humanoid, joints: {left_elbow: [1.4, 0.5]}}", "a joint leaves the picture"),
        ("{rig: humanoid, reach: {head: {point: [0, 1, 1]}}}", "`head` can't reach for anything"),
        ("{rig: quadruped, reach: {head: {point: [0, 1, 1]}}}", "a quadruped has no arms"),
        ("{rig: humanoid, clips: [{play: walk, speed: 0}]}", "a speed must be above 0"),
        ("{rig: humanoid, clips: [{play: walk, from: 1s, to: 0.5s}]}", "is not after the start of the clip"),
    ],
)
def test_what_a_rig_does_not_have_is_told_with_its_place(load, motion, message):
    with pytest.raises(SpecError) as raised:
        load(motion)
    assert any(message in str(problem) and problem.line == 5 for problem in raised.value.problems), raised.value


def test_a_turn_beyond_a_joints_limit_is_a_warning(load):
    (warning,) = load("{rig: humanoid, bones: {head: [{at: 1s, rotate: [0, 0, 120deg]}]}}").warnings
    assert "120 deg about z is more than a `head` turns" in str(warning)


def test_joints_are_in_pixels_of_the_prepared_photo(load):
    loaded = load("{rig: humanoid, joints: {left_elbow: [0.5, 0.25]}}")
    size = loaded.scene.photo.size
    assert loaded.scene.rigs["hero"].joints == (("left_elbow", (0.5 * size.width, 0.25 * size.height)),)


def test_a_cycle_repeats_until_its_end_and_the_next_clip_takes_over_without_a_gap(load):
    rig = rig_of(load, "{rig: humanoid, clips: [{play: walk, to: 1s}, {play: idle, from: 1s, to: 2s}]}")
    walk, idle = lay_out_clips(rig, fps=24, frame_count=49)
    assert (walk.start, idle.start) == (0, 24)
    assert walk.end == idle.start + idle.fade_in
    assert walk.fade_out == 0
    assert walk.fade_in == 0, "a clip at the very start needs no blending"


def test_a_clip_that_ends_elsewhere_is_held_and_one_that_comes_back_ends(load):
    rig = rig_of(load, "{rig: humanoid, clips: [sit, {play: nod, additive: true, speed: 2}]}")
    sit, nod = lay_out_clips(rig, fps=24, frame_count=49)
    assert sit.end == 48
    assert nod.end == pytest.approx(1.6 * 24 / 2)
    assert nod.is_additive


def test_a_rig_without_clips_is_at_rest(load):
    assert lay_out_clips(rig_of(load, "{rig: humanoid}"), fps=24, frame_count=49) == ()
