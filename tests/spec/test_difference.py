"""What differs between two specs, and where both say it."""

import pytest
from PIL import Image

from i2v3d.spec import load_scene
from i2v3d.spec.difference import scene_differences

SPEC = """\
i2v3d: 1
name: shot
source: photo.png
output: {size: [128, 96], fps: 24, duration: 2s}
objects:
  cup:
    segment: {box: [0.2, 0.2, 0.6, 0.8]}
    mesh: card
    height: 120cm
motion:
  cup:
    - {at: 0.5s}
    - {at: 2s, move: [0, 0, 1m]}
camera:
  - {at: 0s}
  - {at: 2s, zoom: 1.2}
"""


@pytest.fixture
def differ(tmp_path):
    Image.new("RGB", (128, 96), (90, 120, 160)).save(tmp_path / "photo.png")

    def differences(old, new):
        loaded = []
        for name, text in (("old.yaml", old), ("new.yaml", new)):
            (tmp_path / name).write_text(text)
            loaded.append(load_scene(tmp_path / name))
        return scene_differences(*loaded)

    return differences


def told(differences):
    return [(one.kind, one.path, one.old, one.new) for one in differences]


def test_comments_layout_units_and_defaults_written_out_are_no_difference(differ):
    new = SPEC.replace("0.5s", "12").replace("120cm", "1.2m").replace("{at: 2s, zoom: 1.2}", "{at: 100%, zoom: 1.20}")
    new = "# a comment\ndescription: another note\n" + new.replace("fps: 24, ", "") + "seed: 1\nprofile: draft\n"
    assert told(differ(SPEC, new)) == []


def test_a_changed_field_is_told_with_both_places(differ):
    (one,) = differ(SPEC, SPEC.replace("zoom: 1.2", "zoom: 1.5"))
    assert (one.kind, one.path, one.old, one.new) == ("changed", "camera[1].zoom", "1.2", "1.5")
    assert (one.old_place[0].name, *one.old_place[1:]) == ("old.yaml", 16, 14)
    assert one.new_place[0].name == "new.yaml"


def test_a_field_that_was_a_default_says_so(differ):
    assert told(differ(SPEC, SPEC + "seed: 7\n")) == [("changed", "seed", "1 (default)", "7")]
    assert told(differ(SPEC + "seed: 7\n", SPEC)) == [("changed", "seed", "7", "1 (default)")]


def test_a_field_that_has_no_default_is_none(differ):
    new = SPEC.replace("zoom: 1.2", "zoom: 1.2, look_at: cup")
    assert told(differ(SPEC, new)) == [("changed", "camera[1].look_at", "(none)", "cup")]
    assert told(differ(new, SPEC)) == [("changed", "camera[1].look_at", "cup", "(none)")]


def test_objects_come_and_go_as_a_whole(differ):
    new = SPEC.replace("motion:", "  twin: {copy: cup, place: {at: [1m, 0, 0]}}\nmotion:", 1)
    twin = "{copy: cup, place: {at: [1m, 0, 0]}}"
    assert told(differ(SPEC, new)) == [("added", "objects.twin", "", twin)]
    assert told(differ(new, SPEC)) == [("removed", "objects.twin", twin, "")]


def test_keys_of_a_path_belong_together_by_their_time(differ):
    new = SPEC.replace("  - {at: 2s, zoom", "  - {at: 24, zoom: 1.1}\n  - {at: 2s, zoom")
    assert told(differ(SPEC, new)) == [("added", "camera[1]", "", "{at: 24, zoom: 1.1}")]
    assert told(differ(new, SPEC)) == [("removed", "camera[1]", "{at: 24, zoom: 1.1}", "")]


def test_a_key_that_only_moved_is_one_change(differ):
    assert told(differ(SPEC, SPEC.replace("at: 0.5s", "at: 1s"))) == [("changed", "motion.cup[0].at", "0.5s", "1s")]


def test_equal_texts_that_mean_two_times_are_told_apart(differ):
    old, new = (
        SPEC.replace("{at: 2s, zoom", "{at: 50%, zoom").replace("duration: 2s", f"duration: {d}") for d in ("2s", "3s")
    )
    (duration, zoom) = told(differ(old, new))
    assert duration == ("changed", "output.duration", "2s", "3s")
    assert zoom[:2] == ("changed", "camera[1].at")
    assert zoom[2] != zoom[3]
    assert zoom[2].startswith("50% (")


def test_another_rate_moves_keys_given_as_frames_only(differ):
    paths = [
        one.path for one in differ(SPEC.replace("0.5s", "12"), SPEC.replace("0.5s", "12").replace("fps: 24", "fps: 12"))
    ]
    assert paths == ["output.fps", "motion.cup[0].at"]


def test_a_short_form_against_a_long_one_is_told_by_its_field(differ):
    paths = [one.path for one in differ(SPEC, SPEC.replace("mesh: card", "mesh: {inflate: {thickness: 0.6}}"))]
    assert paths
    assert all(path.startswith("objects.cup.mesh") for path in paths)


def test_every_field_of_the_whole_language_equals_itself():
    from pathlib import Path

    for spec in sorted((Path(__file__).resolve().parents[2] / "specs").glob("*/scene.yaml")):
        loaded = load_scene(spec)
        assert scene_differences(loaded, loaded) == ()
