"""The camera section: presets become keys, lenses become zooms and angles, what can't be is told with its line."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.cli.cameras import CAMERA_FORMATS
from i2v3d.errors import SpecError
from i2v3d.spec import load_scene
from i2v3d.spec.model.camera import FILE_FORMATS, PRESETS
from i2v3d.spec.resolve_camera import SOURCE_VIEW
from i2v3d.spec.resolved import CameraFollow, CameraShake, CameraThrough

HEAD = "output: {duration: 2s, fps: 10}\nobjects:\n  hero: {segment: {box: [0.2, 0.2, 0.5, 0.9]}}\n"
TWO = HEAD + "  other: {segment: {box: [0.6, 0.2, 0.9, 0.9]}}\n"


@pytest.fixture
def load(tmp_path):
    project = make_project(tmp_path / "project")

    def loaded(text: str, head: str = HEAD):
        (project / "scene.yaml").write_text("source: photo.jpg\n" * ("source:" not in text) + head + text)
        return load_scene(project)

    return loaded


def problems(load, text: str, head: str = HEAD) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(text, head)
    return [f"{problem.path}: {problem.message}; {problem.hint}" for problem in caught.value.problems]


@pytest.mark.parametrize("move", PRESETS)
def test_every_preset_alone_goes_from_the_source_view_to_its_end_about_the_only_object(load, move):
    first, last = load(f"camera: {{preset: {move}}}\n").scene.camera_path
    assert (first.frame, last.frame) == (0.0, 20.0)
    assert replace(first, orbit_around=None, keep_size=None, travel_per=None) == SOURCE_VIEW
    assert "hero" in (last.orbit_around, last.keep_size, last.travel_per)
    assert last.ease == ("linear" if move == "orbit" else "in_out_sine")


def test_amounts_take_the_units_of_their_move(load):
    def last(text: str):
        return load(f"camera: {{preset: {text}}}\n").scene.camera_path[-1]

    assert last("{move: arc, amount: -20deg, rise: 5deg}").orbit_azimuth_rad == pytest.approx(math.radians(-20))
    assert last("{move: arc, amount: 20}").orbit_azimuth_rad == pytest.approx(math.radians(20))
    assert last("{move: push_in, amount: 25%}").orbit_distance == pytest.approx(0.75)
    truck = last("{move: truck, amount: 1.5m}")
    assert (truck.travel, truck.travel_per) == ((1.5, 0, 0), None)
    assert last("{move: truck, amount: 2}").travel == (2, 0, 0)
    crane = last("{move: crane, amount: 10%}")
    assert (crane.travel, crane.travel_per) == ((0, 0.1, 0), "hero")
    zoom = last("{move: dolly_zoom, around: [0, 5m, 1m], amount: -50%}")
    assert (zoom.approach, zoom.keep_size) == (-0.5, (0, 5, 1))


def test_moves_follow_one_another(load):
    text = "camera:\n  preset:\n    - {move: arc, to: 0.5s}\n    - {move: push_in, from: 1s, ease: linear}\n"
    keys = load(text).scene.camera_path
    assert [key.frame for key in keys] == [0, 5, 10, 20]
    assert [key.orbit_distance for key in keys] == [1, 1, 1, 0.7]
    assert len({key.orbit_azimuth_rad for key in keys[1:]}) == 1
    assert {key.orbit_around for key in keys} == {"hero"}


def test_what_a_preset_can_not_be_is_told_with_what_would_be_right(load):
    def only(text: str, head: str = HEAD) -> str:
        (problem,) = problems(load, text, head)
        return problem

    assert "did you mean `dolly_zoom`?" in only("camera: {preset: dollyzoom}\n")
    assert "camera.preset.amount: a length is no amount of `arc`; give it as `30deg`" in only(
        "camera: {preset: {move: arc, amount: 2m}}\n"
    )
    assert "needs something that it is about; name it: `around: hero`" in only("camera: {preset: arc}\n", TWO)
    assert load("camera: {preset: {move: crane, amount: 1m}}\n", TWO).scene.camera_path[-1].travel == (0, 1, 0)
    assert "there is no object `hreo`; did you mean `hero`?" in only("camera: {preset: {move: arc, around: hreo}}\n")
    assert "camera.preset[1]: the move would be from frame 20 to frame 20" in only("camera: {preset: [arc, push_in]}\n")
    assert "keeps one size on the whole path" in only("camera: {preset: [{move: arc, to: 1s}, dolly_zoom]}\n")
    assert "too far" in only("camera: {preset: {move: push_in, amount: 100%}}\n")
    assert "has no rise" in only("camera: {preset: {move: truck, rise: 3deg}}\n")
    assert "are about `hero` and about `other`" in only(
        "camera: {preset: [{move: arc, around: hero, to: 1s}, {move: arc, around: other}]}\n", TWO
    )
    mixed = "camera: {preset: [{move: truck, amount: 1m, to: 1s}, {move: crane, amount: 10%}]}\n"
    assert "mix metres and shares" in only(mixed)
    assert "both `keys` and `preset`" in only("camera: {keys: [{at: 1s, zoom: 2}], preset: arc}\n")


def test_a_lens_in_millimetres_gives_the_angle_of_view_and_the_zoom(load):
    text = "source: {image: photo.jpg, camera: {lens: {focal: 35mm, sensor: 36mm}}}\n"
    scene = load(text + "camera: [{at: 2s, lens: 70mm}]\n").scene
    assert math.degrees(scene.camera.fov_rad) == pytest.approx(54.43, abs=0.01)  # the classic 35 mm lens
    assert scene.camera_path[-1].zoom == pytest.approx(2.0)
    small = load(text.replace("36mm", "13.2mm").replace("35mm", "8.8mm") + "camera: [{at: 2s, lens: 4.4mm}]\n").scene
    assert small.camera_path[-1].zoom == pytest.approx(0.5)
    by_angle = load("source: {image: photo.jpg, camera: {fov: 90deg}}\ncamera: [{at: 2s, lens: 36mm}]\n").scene
    assert by_angle.camera_path[-1].zoom == pytest.approx(2.0)  # 90 degrees on 36 mm are 18 mm


def test_lens_mistakes_are_told(load):
    (both,) = problems(load, "source: {image: photo.jpg, camera: {fov: 40deg, lens: 35mm}}\n")
    assert "both `fov` and `lens`" in both
    (bare,) = problems(load, "camera: [{at: 1s, lens: 35}]\n")
    assert "for example `35mm`" in bare
    (twice,) = problems(load, "camera: [{at: 1s, lens: 35mm, zoom: 2}]\n")
    assert "both `zoom` and `lens`" in twice
    (sensor,) = problems(load, "camera: [{at: 1s, lens: {focal: 35mm, sensor: 24mm}}]\n")
    assert "source.camera.lens" in sensor


def test_follow_and_handheld_go_on_top_of_anything(load):
    scene = load(
        "seed: 7\ncamera: {preset: arc, follow: {object: hero, lag: 0.5s, by: turning}, handheld: 50%}\n"
    ).scene
    assert scene.camera_rig.follow == CameraFollow("hero", 0.5, "turning")
    assert scene.camera_rig.shake == CameraShake(0.5, 1.5, 7)
    assert len(scene.camera_path) == 2
    (problem,) = problems(load, "camera: {follow: herro}\n")
    assert "did you mean `hero`?" in problem


def test_through_views_means_the_only_object_or_is_refused(load):
    assert load("camera: {through: views}\n").scene.camera_rig.through == CameraThrough("hero")
    assert load("camera: {through: other}\n", TWO).scene.camera_rig.through == CameraThrough("other")
    (problem,) = problems(load, "camera: {through: views}\n", TWO)
    assert "the background has one view, that of the photo" in problem


def test_depth_of_field_is_off_and_may_say_so(load):
    assert not load("camera: {depth_of_field: off}\n").unavailable
    assert load("camera: {depth_of_field: off}\n").scene.depth_of_field is None


def test_depth_of_field_takes_the_aperture_of_the_real_lens(load):
    source = "source: {image: photo.jpg, camera: {lens: {focal: 40mm, sensor: 24mm}}}\n"
    lens = load(source + "camera: {depth_of_field: {f_stop: 4}}\n").scene.depth_of_field
    assert lens.aperture_m == pytest.approx(0.01)
    assert [(key.frame, key.on) for key in lens.focus] == [(0.0, "hero")]


@pytest.mark.parametrize(("written", "on"), [("hero", "hero"), ("2.5m", 2.5), ("3", 3.0), ("[0, 4m, 1]", (0, 4, 1))])
def test_a_focus_is_an_object_a_distance_or_a_point(load, written, on):
    focus = load(f"camera: {{depth_of_field: {{focus: {written}}}}}\n").scene.depth_of_field.focus
    assert [(key.frame, key.on) for key in focus] == [(0.0, on)]


def test_a_focus_is_pulled_by_keys(load):
    text = "camera: {depth_of_field: {focus: [{at: 0.5s, on: hero}, {at: 1s, on: 4m, ease: in_out}]}}\n"
    focus = load(text).scene.depth_of_field.focus
    assert [(key.frame, key.on, key.ease) for key in focus] == [(5.0, "hero", "linear"), (10.0, 4.0, "in_out_sine")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("camera: {depth_of_field: {f_stop: 4}}\n", "nothing says what is sharp"),
        ("camera: {depth_of_field: {focus: []}}\n", "nothing says what is sharp"),
        ("camera: {depth_of_field: {focus: heroo}}\n", "there is no object `heroo`"),
        ("camera: {depth_of_field: {focus: -1m}}\n", "a focus at -1 m is not before the camera"),
        ("camera: {depth_of_field: {focus: [{at: 1s, on: hero}, {at: 0s, on: other}]}}\n", "is before the key above"),
    ],
)
def test_a_focus_on_nothing_is_told(load, text, said):
    with pytest.raises(SpecError) as caught:
        load(text, head=TWO)
    assert any(said in str(problem) for problem in caught.value.problems), caught.value.problems


def test_a_path_file_is_found_and_its_format_guessed(load, tmp_path):
    project = tmp_path / "project"
    (project / "path.json").write_text('{"frames": [{"transform_matrix": []}]}')
    found = load("camera: {file: path.json}\n").scene.camera_rig.file
    assert (found.format, found.is_relative, found.scale) == ("opengl", True, 1.0)
    (project / "images.txt").write_text("# none\n")
    (project / "cameras.txt").write_text("# none\n")
    model = load("camera: {file: {path: images.txt, relative: false, scale: 0.1}}\n").scene.camera_rig.file
    assert model.format == "colmap"
    assert model.lens_file == (project / "cameras.txt").resolve()
    assert not model.is_relative
    (missing,) = problems(load, "camera: {file: pth.json}\n")
    assert "did you mean `path.json`?" in missing
    (wrong,) = problems(load, "camera: {file: {path: cameras.txt, format: colmap}}\n")
    assert "`images.txt` is named" in wrong
    (both,) = problems(load, "camera: {file: path.json, through: views}\n")
    assert "both `through` and `file`" in both


def test_the_formats_of_the_language_are_those_that_are_read():
    from i2v3d.geometry.camera_files import NAMES

    assert FILE_FORMATS == NAMES
    assert FILE_FORMATS == CAMERA_FORMATS


def test_a_flight_through_views_may_go_part_of_the_way(load):
    assert load("camera: {through: {views: hero, reach: 40%}}\n").scene.camera_rig.through == CameraThrough("hero", 0.4)
    (problem,) = problems(load, "camera: {through: {views: hero, reach: 0}}\n")
    assert "0.01" in problem
