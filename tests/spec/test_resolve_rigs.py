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


SCENE = """source: photo.jpg
output: {fps: 24, duration: 2s}
objects:
  hero: {mesh: {file: hero.fbx}, place: {at: [0, 5]}}
  ball: {mesh: {file: good.glb}, place: {at: [0, 5]}%s}
motion: {hero: %s}
"""


@pytest.fixture
def load_file_rig(tmp_path):
    project = make_project(tmp_path / "project")
    (project / "other").mkdir()
    for file in ("hero.fbx", "other/hero.fbx"):
        (project / file).write_bytes(b"Kaydara FBX Binary")

    def load(motion, ball=""):
        (project / "scene.yaml").write_text(SCENE % (ball, motion))
        return load_scene(project)

    return load


def test_a_rig_from_a_file_plays_built_in_clips_its_own_and_those_of_other_files(load_file_rig):
    loaded = load_file_rig("{rig: {file: hero.fbx}, clips: [walk, 'Armature|jig', {file: dance.bvh, up: y}]}")
    assert loaded.unavailable == ()
    rig = loaded.scene.rigs["hero"]
    walk, jig, dance = rig.clips
    assert (rig.preset, rig.has_skin, rig.file.name) == ("humanoid", True, "hero.fbx")
    assert (walk.is_captured, jig.is_own, jig.file_clip, jig.file.name) == (False, True, "Armature|jig", "hero.fbx")
    assert (dance.is_own, dance.is_captured, dance.file.name, dance.up) == (False, True, "dance.bvh", "y")


def test_a_clip_from_a_file_is_in_place_where_keys_move_its_figure(load_file_rig):
    keys = "keys: [{at: 1s, move: [1, 0, 0]}]"
    for motion, expected in (
        ("{rig: humanoid, clips: [{file: dance.bvh}]}", False),
        (f"{{rig: humanoid, {keys}, clips: [{{file: dance.bvh}}]}}", True),
        (f"{{rig: humanoid, {keys}, clips: [{{file: dance.bvh, in_place: false}}]}}", False),
    ):
        (clip,) = load_file_rig(motion).scene.rigs["hero"].clips
        assert clip.is_in_place == expected, motion


def test_a_hand_reaches_for_a_time_and_at_the_ends_of_the_clip_without_a_way_there(load_file_rig):
    rig = load_file_rig(
        "{rig: humanoid, reach: {hand_left: {object: ball, from: 1s, to: 1.5s, fade: 0.1s},"
        " hand_right: {object: ball, to: 1s}}}"
    ).scene.rigs["hero"]
    times = dict(rig.reach_times)
    assert times["hand_left"] == pytest.approx((24.0, 36.0, 2.4))
    start, end, fade = times["hand_right"]
    assert (start + fade, end) == (0.0, 24.0)


def test_an_object_hangs_on_a_bone_or_is_gripped_by_it(load_file_rig):
    for written, is_gripped in (("hero.hand_right", False), ("{to: hero.hand_right, grip: true}", True)):
        ball = load_file_rig("{rig: humanoid}", f", parent: {written}").scene.objects[1]
        assert (ball.parent, ball.parent_bone, ball.is_gripped) == ("hero", "hand_right", is_gripped)


@pytest.mark.parametrize(
    ("motion", "ball", "line", "message"),
    [
        ("{rig: {file: hero.fbx}, joints: {left_elbow: [0.4, 0.5]}}", "", 6, "a rig from a file has its joints"),
        ("{rig: {file: hero.fbx, bones: {nose: Nose}}}", "", 6, "there is no bone of a humanoid `nose`"),
        ("{rig: {file: good.glb}}", "", 6, "the mesh of `hero` is not that of its rig's file"),
        ("{rig: {file: other/hero.fbx}}", "", 6, "the mesh of `hero` is not that of its rig's file"),
        ("{rig: {file: gone.fbx}}", "", 6, "there is no file `gone.fbx`"),
        ("{rig: humanoid, clips: [{play: walk, up: y}]}", "", 6, "`up` is about a clip from a file"),
        ("{rig: humanoid, clips: [{file: dance.bvh, clip: a}]}", "", 6, "a .bvh file holds one clip"),
        ("{rig: humanoid, clips: [{file: dance.bvh, bones: {nose: a}}]}", "", 6, "no bone of a humanoid `nose`"),
        ("{rig: humanoid, clips: [{file: photo.jpg}]}", "", 6, "`photo.jpg` is not a motion clip"),
        ("{rig: humanoid}", ", parent: hero.hand_rigth", 5, "did you mean `hand_right`?"),
        ("{keys: []}", ", parent: hero.hand_right", 5, "`hero` has no rig, and so no bone `hand_right`"),
        ("{rig: humanoid}", ", parent: {to: hero, grip: true}", 5, "only a bone has a grip"),
        ("{rig: humanoid}", ", parent: hero.", 5, "`hero.` names no bone"),
        ("{rig: humanoid}", ", parent: ''", 5, "there is no object ``"),
        ("{rig: humanoid}", ", parent: nobody.hand_right", 5, "there is no object `nobody`"),
        (
            "{rig: humanoid, reach: {hand_left: ball}}",
            ", parent: hero.hand_right",
            6,
            "`hero` reaches for `ball`, which goes where `hero` goes",
        ),
        (
            "{rig: humanoid, reach: {hand_left: {object: ball, from: 1s, to: 0.5s}}}",
            "",
            6,
            "the hand reaches from frame 24 to 12",
        ),
    ],
)
def test_what_does_not_fit_a_file_or_a_bone_is_told_with_its_place(load_file_rig, motion, ball, line, message):
    with pytest.raises(SpecError) as raised:
        load_file_rig(motion, ball)
    assert any(message in str(problem) and problem.line == line for problem in raised.value.problems), raised.value


def test_a_copy_is_rigged_by_the_file_of_its_original_and_no_other(load_file_rig):
    copy = "}\n  twin: {copy: %s, place: {at: [1, 0]}, mesh: {file: hero.fbx}"
    loaded = load_file_rig("{rig: humanoid}, twin: {rig: {file: hero.fbx}}", copy % "hero")
    assert loaded.scene.rigs["twin"].file.name == "hero.fbx"
    with pytest.raises(SpecError, match="the mesh of `twin` is not that of its rig's file"):
        load_file_rig("{rig: humanoid}, twin: {rig: {file: hero.fbx}}", copy % "ball")


def test_a_hand_does_not_reach_for_what_is_removed(load_file_rig):
    gone = "}\n  cup: {segment: {box: [0.1, 0.1, 0.2, 0.2]}, remove: true"
    with pytest.raises(SpecError, match="`cup` is removed from the scene"):
        load_file_rig("{rig: humanoid, reach: {hand_left: cup}}", gone)
