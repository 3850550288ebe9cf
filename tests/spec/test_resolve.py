"""From a plain spec to resolved records: defaults, units, framing, times, keys."""

import math
import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.errors import SpecError
from i2v3d.geometry.resolution import Resolution
from i2v3d.spec import load_scene
from i2v3d.spec.resolved import Inflate, Lathe, MeshFile, Place

OBJECT = "objects:\n  rocket:\n    segment: {box: [0.60, 0.28, 0.66, 0.97]}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("resolve") / "project")


@pytest.fixture
def load(project, request):
    def load_text(text, **options):
        file = project / f"{request.node.name[:60]}.yaml"
        file.write_text(text)
        return load_scene(file, **options)

    return load_text


def scene_of(load, text):
    return load("source: photo.jpg\n" + text).scene


def test_the_smallest_spec_has_every_default(load):
    scene = scene_of(load, "")
    assert scene.output.size == Resolution(640, 426)
    assert (scene.output.fps, scene.output.frame_count) == (24.0, 61)
    assert scene.photo.size == Resolution(640, 427)
    assert scene.camera.fov_rad == pytest.approx(math.radians(50))
    assert scene.keyframing.frames == (0, 15, 30, 45, 60)
    assert (scene.profile, scene.seed, scene.objects) == ("draft", 1, ())
    assert [key.frame for key in scene.camera_path] == [0.0]
    assert scene.backends["render"] == "gl"


def test_an_empty_section_is_as_good_as_not_there(load):
    assert scene_of(load, "objects:\nmotion:\n  # later\n").objects == ()


@pytest.mark.parametrize(
    ("framing", "corner"), [("center", (0, 53)), ("top", (0, 0)), ("bottom", (0, 107)), ("left", (0, 53))]
)
def test_the_photo_covers_the_output_and_framing_picks_the_window(load, framing, corner):
    text = f"source: {{image: photo.jpg, framing: {framing}}}\noutput: {{size: [1024, 576]}}\n"
    photo = load(text).scene.photo
    assert photo.size == Resolution(1024, 683)
    assert (photo.window_left, photo.window_top) == corner


@pytest.mark.parametrize("focus", ["[0.5, 0.9]", "[320, 384]"])
def test_focus_centres_the_window_on_a_point_within_the_photo(load, focus):
    text = f"source: {{image: photo.jpg, focus: {focus}}}\noutput: {{size: 640x212}}\n"
    assert load(text).scene.photo.window_top == 427 - 212


def test_boxes_are_shares_or_pixels_of_the_original_photo(load):
    shares = scene_of(load, "output: {size: [1280, 854]}\n" + OBJECT).objects[0].prompts
    pixels = (
        scene_of(load, "output: {size: [1280, 854]}\nobjects: {rocket: {segment: [384, 119.56, 422.4, 414.19]}}\n")
        .objects[0]
        .prompts
    )
    assert shares.box == pytest.approx((768.0, 239.12, 844.8, 828.38))
    assert pixels.box == pytest.approx(shares.box)


def test_bands_scale_with_the_picture(load):
    prompts = scene_of(load, "output: {size: [512, 288]}\n" + OBJECT).objects[0].prompts
    assert (prompts.band_px, prompts.soft_px) == (4.0, 2.0)


def test_all_kinds_of_prompts_combine(load):
    prompts = (
        scene_of(
            load,
            "objects:\n  a:\n    segment:\n      box: [10, 10, 90, 90]\n"
            "      points: {include: [[50, 50]], exclude: [[5, 5]]}\n"
            "      polygon: [[10, 10], [90, 10], [50, 90]]\n      mask: mask.png\n",
        )
        .objects[0]
        .prompts
    )
    assert prompts.include_points == ((50.0, 50.0),)
    assert prompts.exclude_points == ((5.0, 5.0),)
    assert len(prompts.polygons) == 1
    assert prompts.mask_file.name == "mask.png"


def test_several_polygons_are_several(load):
    text = "objects: {a: {segment: {polygon: [[[1, 1], [9, 1], [5, 9]], [[20, 1], [29, 1], [25, 9]]]}}}\n"
    assert len(scene_of(load, text).objects[0].prompts.polygons) == 2


@pytest.mark.parametrize(
    ("mesh", "shape"),
    [
        ("lathe", Lathe(64)),
        ("{lathe: {segments: 32}}", Lathe(32)),
        ("inflate", Inflate(0.6, "mirror")),
        ("{inflate: {thickness: 0.3, back: smooth}}", Inflate(0.3, "smooth")),
    ],
)
def test_mesh_forms_are_words_or_mappings(load, mesh, shape):
    assert scene_of(load, OBJECT + f"    mesh: {mesh}\n").objects[0].shape == shape


def test_a_copy_shares_the_shape_and_stands_relative_to_the_original(load):
    scene = scene_of(load, OBJECT + "    mesh: lathe\n  twin: {copy: rocket, place: {at: [40m, 0, 0], turn: 90deg}}\n")
    twin = scene.objects[1]
    assert (twin.copy_of, twin.shape, twin.prompts) == ("rocket", Lathe(64), None)
    assert twin.place == Place((40.0, 0.0, 0.0), True, pytest.approx(math.pi / 2))


def test_a_copy_of_a_copy_names_the_original(load):
    scene = scene_of(load, OBJECT + "  b: {copy: c, place: {at: [1, 0]}}\n  c: {copy: rocket, place: {at: [2, 0]}}\n")
    assert [thing.copy_of for thing in scene.objects] == [None, "rocket", "rocket"]


def test_an_added_object_stands_on_the_ground(load, project):
    scene = scene_of(
        load, "objects: {flag: {mesh: {file: good.glb}, place: {on: ground, at: [5m, 30m]}, height: 3m}}\n"
    )
    (flag,) = scene.objects
    assert flag.shape == MeshFile(project.resolve() / "good.glb")
    assert flag.place == Place((5.0, 30.0, 0.0), False, 0.0)


def test_an_object_name_is_only_a_name(load):
    name = '"); import os'
    scene = scene_of(load, f"objects: {{'{name}': {{segment: [0.1, 0.1, 0.5, 0.5]}}}}\n")
    assert scene.objects[0].name == name
    with pytest.raises(SpecError, match="unknown key `heigth`"):
        scene_of(load, f"objects: {{'{name}': {{segment: [0.1, 0.1, 0.5, 0.5], heigth: 3}}}}\n")


def test_a_distance_means_that_the_object_does_not_stand(load):
    assert not scene_of(load, OBJECT + "    distance: 2m\n").objects[0].is_standing


def test_a_key_without_channels_holds_what_was_before(load):
    keys = scene_of(
        load, OBJECT + "motion:\n  rocket:\n    - {at: 0.5s}\n    - {at: 1s, move: [0, 0, 6]}\n    - {at: 1.5s}\n"
    ).motion["rocket"]
    assert [(key.frame, key.move_m[2]) for key in keys] == [(12.0, 0.0), (24.0, 6.0), (36.0, 6.0)]


def test_a_motion_that_starts_later_starts_from_rest_at_frame_0(load):
    keys = scene_of(load, OBJECT + "motion:\n  rocket: [{at: 100%, axis: z, angle: 720deg, scale: 2}]\n").motion[
        "rocket"
    ]
    assert [(key.frame, key.angle_rad, key.scale) for key in keys] == [
        (0.0, 0.0, (1.0, 1.0, 1.0)),
        (60.0, pytest.approx(4 * math.pi), (2.0, 2.0, 2.0)),
    ]
    assert all(key.axis == (0.0, 0.0, 1.0) for key in keys)


def test_a_channel_left_out_in_between_is_not_keyed_there(load):
    keys = scene_of(
        load,
        OBJECT + "motion:\n  rocket:\n    - {at: 0, move: [0, 0, 0]}\n    - {at: 12, rotate: [0, 0, 90deg]}\n"
        "    - {at: 24, move: [0, 0, 4]}\n",
    ).motion["rocket"]
    assert keys[1].move_m is None
    assert keys[0].rotate_rad == (0.0, 0.0, 0.0)


def test_camera_keys_inherit_and_start_at_the_source_view(load):
    path = scene_of(
        load,
        OBJECT + "camera:\n  - {at: 1s, orbit: {around: rocket, azimuth: 15deg}, zoom: 0.9}\n"
        "  - {at: 2s, dolly: 1m, ease: in_out}\n",
    ).camera_path
    assert [key.frame for key in path] == [0.0, 24.0, 48.0]
    assert [key.zoom for key in path] == [1.0, 0.9, 0.9]
    assert [key.orbit_around for key in path] == ["rocket"] * 3
    assert path[2].orbit_azimuth_rad == pytest.approx(math.radians(15))
    assert path[2].ease == "in_out_sine"


def test_the_only_object_is_the_centre_of_an_orbit(load):
    path = scene_of(load, OBJECT + "camera: [{at: 1s, orbit: {azimuth: 15deg}}]\n").camera_path
    assert path[-1].orbit_around == "rocket"


@pytest.mark.parametrize(
    ("duration", "fps", "count"), [("2.5s", 24, 61), ("60f", 24, 61), (1, 30, 31), ("2.52s", 24, 61)]
)
def test_a_clip_has_one_frame_more_than_intervals(load, duration, fps, count):
    scene = scene_of(load, f"output: {{duration: {duration}, fps: {fps}}}\n")
    assert scene.output.frame_count == count


def test_a_key_at_the_declared_end_lies_on_the_last_frame(load):
    path = scene_of(load, "output: {duration: 2.52s}\ncamera: [{at: 2.52s, dolly: 1m}]\n").camera_path
    assert path[-1].frame == 60.0


def test_keyframes_end_with_the_last_frame(load):
    scene = scene_of(load, "output: {duration: 40f}\nkeyframes: {every: 15}\n")
    assert scene.keyframing.frames == (0, 15, 30, 40)


def test_horizon_comes_from_the_cameras_pitch(load):
    text = "source: {image: photo.jpg, camera: {pitch: 0, fov: 90deg}}\n"
    assert load(text).scene.background.horizon_y_px == pytest.approx(427 / 2)
    down = load(text.replace("pitch: 0", "pitch: -45deg")).scene.background.horizon_y_px
    assert down == pytest.approx(427 / 2 - 320)


def test_contact_shadows_are_filled_only_under_what_stands(load):
    assert scene_of(load, OBJECT).background.shadow_grow_px == round(0.03 * 427)
    assert scene_of(load, OBJECT + "    stands: false\n").background.shadow_grow_px == 0
    assert scene_of(load, OBJECT + "background: {shadow: 10px}\n").background.shadow_grow_px == 10


@pytest.mark.parametrize(("layout", "kind"), [("table", "plane"), ("sky_dome", "dome")])
def test_layout_words_have_other_spellings(load, layout, kind):
    assert scene_of(load, f"background: {layout}\n").background.layout == kind


def test_a_room_needs_its_back_wall(load):
    spec = "background: {layout: room, back_wall: [0.3, 0.2, 0.7, 0.6]}\n"
    assert scene_of(load, spec).background.layout == "room"
    with pytest.raises(SpecError, match="a room is solved from its back wall, and none is given"):
        scene_of(load, "background: room\n")


def test_a_depth_file_is_a_layout(load, project):
    import numpy as np

    np.save(project / "depth.npy", np.ones((4, 4), np.float32))
    background = scene_of(
        load, "background: {layout: {depth: {file: depth.npy, kind: inverse, near: 2m}}}\n"
    ).background
    assert (background.layout, background.depth_kind, background.near_m) == ("depth", "inverse", 2.0)
    assert background.depth_file.name == "depth.npy"


UNAVAILABLE = {
    "backends: {segment: sam2}": "backends.segment: backend `sam2` of stage segment is not available yet",
    "background: dust3r": "background: the layout model `dust3r` is not available yet",
    "background: {layout: {views: [photo.jpg]}}": "background.layout.views: layouts from several photos are not",
}


@pytest.mark.parametrize("text", UNAVAILABLE, ids=lambda text: text.split(":")[0])
def test_what_is_not_possible_yet_is_checked_and_named_with_its_line(load, text):
    loaded = load(f"source: photo.jpg\n{OBJECT}{text}\n")
    said = [str(problem) for problem in loaded.unavailable]
    assert any("yaml:5:" in line and UNAVAILABLE[text] in line for line in said), said
    assert all(problem.severity == "warning" for problem in loaded.unavailable)


@pytest.mark.parametrize("edit", ["mesh: instantmesh"])
def test_edits_of_objects_are_named_as_not_possible_yet(load, edit):
    loaded = load(f"source: photo.jpg\n{OBJECT}    {edit}\n")
    assert [problem.line for problem in loaded.unavailable] == [5]


def test_edits_are_resolved_with_their_units(load):
    edits = "    material: {tint: '#ff8000'}\n    shape: {part: top, twist: 20deg, scale: [1, 1, 2]}\n"
    (thing,) = scene_of(load, OBJECT + edits).objects
    assert thing.edits.tint == pytest.approx((1.0, 0.2159, 0.0), abs=1e-4)
    assert thing.edits.twist_rad == pytest.approx(math.radians(20))
    assert (thing.edits.part, thing.edits.scale) == ("top", (1.0, 1.0, 2.0))


def test_a_copy_with_edits_has_a_mesh_of_its_own_and_its_copies_share_that(load):
    copies = "  red: {copy: rocket, material: {tint: '#ff0000'}}\n  third: {copy: red}\n  plain: {copy: rocket}\n"
    things = scene_of(load, OBJECT + copies).objects
    assert [thing.mesh_owner for thing in things] == ["rocket", "red", "red", "rocket"]


def test_a_removed_object_is_not_drawn(load):
    scene = scene_of(load, OBJECT + "    remove: true\n  twin: {copy: rocket}\n")
    assert [thing.name for thing in scene.drawn] == ["twin"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("    parent: rocket\n", "objects hang on each other in a circle: `rocket` -> `rocket`"),
        ("  twin: {copy: rocket, place: {on: twin}}\n", "`twin` can't stand on itself"),
        ("  twin: {copy: rocket, remove: true}\n", "only what is in the photo can be taken out of it"),
        ("    remove: true\nmotion: {rocket: [{at: 1s, move: [0, 0, 1]}]}\n", "`rocket` is removed from the scene"),
        ("    remove: true\ncamera: [{at: 1s, look_at: rocket}]\n", "`rocket` is removed from the scene"),
        ("    replace: rocket\n", "the replacements go in a circle: `rocket` -> `rocket`"),
        ("    material: {tint: reddish}\n", "`reddish` is not a colour"),
        ("    shape: {scale: [1, 0, 1]}\n", "a size factor must be above 0"),
    ],
)
def test_an_edit_that_can_not_be_is_told(load, text, said):
    with pytest.raises(SpecError) as caught:
        scene_of(load, OBJECT + text)
    assert any(said in str(problem) for problem in caught.value.problems), caught.value.problems


def test_a_rigid_body_has_the_photos_units(load):
    bodies = scene_of(load, OBJECT + "simulate: {rocket: {rigid: {mass: 4g, velocity: [0, 10cm, 0]}}}\n").bodies
    assert bodies["rocket"].mass_kg == pytest.approx(0.004)
    assert bodies["rocket"].velocity_m_s == (0.0, pytest.approx(0.1), 0.0)
    assert not bodies["rocket"].is_fixed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("motion: {rocket: [{at: 1s, scale: 2}]}\nsimulate: {rocket: rigid}\n", "changes its size"),
        (
            "motion: {rocket: [{at: 1s, move: [1, 0, 0]}]}\nsimulate: {rocket: {rigid: {velocity: [1, 0, 0]}}}\n",
            "`rocket` has keys, which give it its velocity",
        ),
        ("  twin: {copy: rocket, parent: rocket}\nsimulate: {twin: rigid}\n", "can't hang on `rocket`"),
    ],
)
def test_what_a_rigid_body_can_not_do_is_told(load, text, said):
    with pytest.raises(SpecError) as caught:
        scene_of(load, OBJECT + text)
    assert any(said in str(problem) for problem in caught.value.problems), caught.value.problems


def test_a_stage_may_take_another_backend(load):
    scene = scene_of(load, "backends: {render: cycles}\n")
    assert scene.backends["render"] == "cycles"
    assert load("source: photo.jpg\nbackends: {render: cycles}\n").unavailable == ()


def test_what_generative_backends_read_is_resolved(load):
    scene = scene_of(
        load, "guidance: {strength: [{at: 0s, value: 1}, {at: 2s, value: 0.4}], features: off}\ncustomize: off\n"
    )
    guidance = scene.generation.guidance
    assert guidance.strengths_at(24, ()) == pytest.approx((0.7, 0.7))
    assert guidance.strengths_at(60, ()) == (0.4, 0.4)
    assert guidance.features is None
    assert scene.generation.customization is None
    assert scene.generation.keyframes.steps == 50


def test_the_strength_of_an_object_multiplies_that_of_the_scene(load):
    scene = scene_of(load, OBJECT + "guidance: {strength: 0.5, objects: {rocket: 0.5}}\n")
    assert scene.generation.guidance.strengths_at(0, ("other", "rocket")) == (0.5, 0.5, 0.5, 0.25)


def test_models_are_pinned_repositories_until_the_spec_says_otherwise(load):
    pinned = scene_of(load, "").generation.model("sdxl")
    assert (pinned.repo, len(pinned.revision), pinned.folder) == ("stabilityai/stable-diffusion-xl-base-1.0", 40, None)
    other = scene_of(load, "models: {sdxl: someone/their-sdxl@v2}\n").generation.model("sdxl")
    assert (other.repo, other.revision) == ("someone/their-sdxl", "v2")
    with pytest.raises(SpecError) as caught:
        scene_of(load, "models: {sdxl: ./weights}\n")
    assert "there is no folder `./weights`" in str(caught.value.problems[0])


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "I;16", "L", "LA", "P"])
def test_unusual_pictures_are_left_to_the_prepare_stage(load, project, mode):
    suffix = {"CMYK": "jpg"}.get(mode, "png")
    Image.new(mode, (100, 80)).save(project / f"odd_{mode.replace(';', '')}.{suffix}")
    assert load(f"source: odd_{mode.replace(';', '')}.{suffix}\n").scene.photo.size == Resolution(100, 80)


def test_exif_turns_the_size_and_gives_the_field_of_view(load, project):
    picture = Image.new("RGB", (300, 200))
    exif = picture.getexif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 28
    picture.save(project / "turned.jpg", exif=exif)
    scene = load("source: turned.jpg\n").scene
    assert scene.photo.size == Resolution(200, 300)
    # 28 mm on the 24 mm side of a 36 x 24 frame.
    assert scene.camera.fov_rad == pytest.approx(2 * math.atan(12 / 28), rel=1e-3)
    declared = load("source: {image: turned.jpg, camera: {fov: 30deg}}\n").scene
    assert declared.camera.fov_rad == pytest.approx(math.radians(30))


def test_a_picture_bomb_is_refused_by_its_header(load):
    with pytest.raises(SpecError, match="the photo has more than 50 megapixels"):
        load("source: vast.png\n")


def test_a_link_out_of_the_folder_is_refused_unless_allowed(load, project, tmp_path):
    Image.new("RGB", (100, 80)).save(tmp_path / "elsewhere.png")
    (project / "link.png").unlink(missing_ok=True)
    (project / "link.png").symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(SpecError, match="leads out of the spec's folder"):
        load("source: link.png\n")
    assert load("source: link.png\n", allow_paths=(tmp_path,)).scene.photo.size == Resolution(100, 80)


def test_a_picture_may_be_a_link_to_where_files_have_no_suffixes(load, project):
    (project / "photo.jpg").rename(project / "4f2a")
    (project / "photo.jpg").symlink_to("4f2a")
    assert load("source: photo.jpg\n").scene.photo.file.name == "4f2a"


def test_positions_point_at_values_and_at_what_holds_them(load, project):
    loaded = load("source: photo.jpg\n" + OBJECT + "camera:\n  - {at: 1s, zoom: 2}\n")
    assert loaded.position("camera[0].zoom")[1:] == (6, 20)
    assert loaded.position("objects.rocket.height")[1:] == (4, 5)
    assert loaded.position("guidance.depth") is None


def test_windows_of_keyframes_overlap_by_less_than_their_size(load):
    assert scene_of(load, "keyframes: {window: 1}").generation.keyframes.overlap == 0
    assert scene_of(load, "keyframes: {window: 3, overlap: 2}").generation.keyframes.overlap == 2
    with pytest.raises(SpecError) as raised:
        scene_of(load, "keyframes: {window: 3, overlap: 3}")
    (problem,) = raised.value.problems
    assert problem.path == "keyframes.overlap"
    assert problem.message == "windows of 3 keyframes can't overlap by 3"
    assert problem.hint == "give less than the window, 3"


def test_a_cloth_has_a_mesh_of_its_own_cut_as_finely_as_asked(load):
    text = OBJECT + "  flag: {copy: rocket}\nsimulate: {flag: {cloth: {pinned: left, wind: [2, 0, 0], mass: 150g}}}\n"
    scene = scene_of(load, text)
    body = scene.deforming["flag"]
    assert (body.pinned.side, body.mass_kg_m2, body.settle_s) == ("left", pytest.approx(0.15), 0.0)
    rocket, flag = scene.objects
    assert rocket.edits is None
    assert (flag.mesh_owner, flag.edits.detail.cells, flag.edits.detail.kind) == ("flag", 32, "cloth")


def test_a_cloth_keeps_its_gusts_when_another_object_is_added_and_not_with_another_seed(load):
    simulate = "simulate: {rocket: cloth, flag: cloth}\n"
    objects = OBJECT + "  flag: {copy: rocket}\n"
    before = scene_of(load, objects + simulate).deforming
    more = objects.replace("objects:\n", "objects:\n  cup: {segment: {box: [0.1, 0.1, 0.2, 0.2]}, distance: 3m}\n")
    assert more != objects
    assert scene_of(load, more + simulate).deforming == before
    other = scene_of(load, "seed: 8\n" + objects + simulate).deforming
    assert len({body.seed for body in (*before.values(), *other.values())}) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "motion: {rocket: [{at: 1s, move: [1, 0, 0]}]}\nsimulate: {rocket: {cloth: {pinned: none}}}\n",
            "`rocket` is simulated and keyed at once: nothing of it is pinned",
        ),
        ("motion: {rocket: [{at: 1s, scale: 2}]}\nsimulate: {rocket: cloth}\n", "changes its size"),
        (
            "  flag: {copy: rocket, parent: rocket}\nmotion: {rocket: [{at: 1s, scale: 2}]}\nsimulate: {flag: cloth}\n",
            "leave out `scale` in the motion of `rocket`",
        ),
        ("motion: {rocket: {rig: humanoid}}\nsimulate: {rocket: soft}\n", "`rocket` has a rig"),
        ("simulate: {rocket: {cloth: {collide: [rocket]}}}\n", "no obstacle for itself"),
        ("simulate: {rocket: {cloth: {collide: [table]}}}\n", "there is no object `table`"),
        ("simulate: {rocket: {soft: {pinned: none}}}\n", "a soft body moves by what is held of it"),
        ("simulate: {rocket: {cloth: {pinned: {box: [[1, 0, 0], [0, 1, 1]]}}}}\n", "the low and the high corner"),
        ("simulate: {rocket: {cloth: {pinned: lft}}}\n", "`lft` is not known here"),
        ("simulate: {other: cloth}\n", "there is no object `other`"),
    ],
)
def test_what_a_cloth_or_a_soft_body_can_not_do_is_told(load, text, said):
    with pytest.raises(SpecError) as caught:
        scene_of(load, OBJECT + text)
    assert any(said in str(problem) for problem in caught.value.problems), caught.value.problems


def test_a_cloth_on_what_changes_its_size_is_refused(load):
    head = "source: photo.jpg\n" + OBJECT + "  flag: {copy: rocket}\nmotion: {rocket: [{at: 1s, scale: 2}]}\n"
    (problem,) = load(head + "simulate: {flag: {cloth: {collide: [rocket]}}}\n").unavailable
    assert "a cloth on what changes its size is not available yet" in str(problem)


def test_an_mp4_is_written_whatever_else_is_wanted(load):
    assert scene_of(load, OBJECT).output.formats == ("mp4",)
    assert scene_of(load, "output: {formats: [gif, png, gif]}\n" + OBJECT).output.formats == ("mp4", "gif", "png")
