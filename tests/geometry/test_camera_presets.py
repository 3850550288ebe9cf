"""Each preset's defining property, from the spec's words to the camera of every frame."""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
from project import make_project

from i2v3d.geometry.camera_path import PathKey, Surroundings, view_at
from i2v3d.geometry.camera_rig import CameraRig, Follow, Shake, late_point, rigged
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, level_camera_pose
from i2v3d.geometry.motion import rotation_about
from i2v3d.spec import load_scene

SIZE = Resolution(640, 360)
LENS = Intrinsics(600.0, 600.0, 320.0, 140.0, SIZE)  # the window's middle is not the lens axis
SOURCE = level_camera_pose(1.6, math.radians(-6))
HERO = np.array([0.6, 6.0, 0.9])
SPEC = (
    "source: photo.jpg\nseed: 4\noutput: {duration: 2s, fps: 15}\n"
    "objects:\n  hero: {segment: {box: [0.2, 0.2, 0.5, 0.9]}}\n"
)
LAST = 30


@pytest.fixture
def cameras_of(tmp_path):
    """From a camera section, and where the hero is at a frame, to the camera of every frame."""
    project = make_project(tmp_path / "project")

    def cameras(text: str, hero_at=lambda frame: HERO) -> list[Camera]:
        (project / "scene.yaml").write_text(f"{SPEC}camera: {text}\n")
        scene = load_scene(project).scene
        names = [field.name for field in dataclasses.fields(PathKey)]
        keys = [PathKey(**{name: getattr(key, name) for name in names}) for key in scene.camera_path]
        follow, shake = scene.camera_rig.follow, scene.camera_rig.shake
        rig = CameraRig(
            follow and Follow(**dataclasses.asdict(follow)),
            shake and Shake(**dataclasses.asdict(shake)),
        )
        made = []
        for frame in range(LAST + 1):
            around = Surroundings(
                SOURCE, LENS.rays(np.array([320.0, 180.0])), {"hero": hero_at(0)}, {"hero": hero_at(frame)}
            )
            view = view_at(keys, frame, around)
            view = rigged(view, rig, frame, fps=15, point_at=lambda _, moment: hero_at(moment))
            middle = np.array([320.0, 180.0])
            centre = middle + (np.array([LENS.centre_x_px, LENS.centre_y_px]) - middle) * view.zoom
            focal = LENS.focal_x_px * view.zoom
            made.append(Camera(Intrinsics(focal, focal, *centre, SIZE), view.world_from_camera))
        return made

    return cameras


def place(camera: Camera) -> np.ndarray:
    return camera.world_from_camera[:3, 3]


def turn(camera: Camera) -> np.ndarray:
    return camera.world_from_camera[:3, :3]


def far(camera: Camera, point: np.ndarray = HERO) -> float:
    return float(np.linalg.norm(place(camera) - point))


def height_px(camera: Camera, point: np.ndarray) -> float:
    """How high a 1 m bar, held parallel to the picture, is at this point."""
    bar = np.array([point - 0.5 * turn(camera)[:, 1], point + 0.5 * turn(camera)[:, 1]])
    return float(np.linalg.norm(np.diff(camera.project(bar)[0], axis=0)))


@pytest.mark.parametrize("move", ["orbit", "arc", "push_in", "dolly", "truck", "crane", "dolly_zoom"])
def test_every_preset_starts_at_the_source_view_and_moves_on_smoothly(cameras_of, move):
    cameras = cameras_of(f"{{preset: {move}}}")
    assert np.abs(cameras[0].world_from_camera - SOURCE).max() < 1e-12
    assert cameras[0].intrinsics == LENS
    steps = np.linalg.norm(np.diff([place(camera) for camera in cameras], axis=0), axis=1)
    assert steps.max() > 0.02
    assert np.abs(np.diff(steps)).max() < 0.16 * steps.max()


@pytest.mark.parametrize("text", ["{preset: orbit}", "{preset: {move: arc, amount: -50deg, rise: 12deg}}"])
def test_orbit_and_arc_keep_the_distance_and_the_place_in_the_picture(cameras_of, text):
    cameras = cameras_of(text)
    assert [far(camera) for camera in cameras] == pytest.approx([far(cameras[0])] * (LAST + 1))
    pixels = np.array([camera.project(HERO)[0] for camera in cameras])
    assert pixels == pytest.approx(np.tile(pixels[0], (LAST + 1, 1)), abs=1e-6)


def test_an_orbit_goes_all_the_way_round_evenly(cameras_of):
    cameras = cameras_of("{preset: orbit}")
    assert place(cameras[-1]) == pytest.approx(place(cameras[0]))
    angles = np.unwrap([math.atan2(*(place(camera) - HERO)[1::-1]) for camera in cameras])
    assert np.diff(angles) == pytest.approx(math.tau / LAST)


def test_push_in_goes_straight_at_its_object_without_turning(cameras_of):
    cameras = cameras_of("{preset: {move: push_in, amount: 40%}}")
    assert far(cameras[-1]) == pytest.approx(0.6 * far(cameras[0]))
    way = np.array([place(camera) - place(cameras[0]) for camera in cameras])
    assert np.linalg.norm(np.cross(way, HERO - place(cameras[0])), axis=1).max() < 1e-9
    assert all(np.array_equal(turn(camera), SOURCE[:3, :3]) for camera in cameras)


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("{preset: {move: truck, amount: 1.5m}}", (1.5, 0, 0)),
        ("{preset: {move: truck, amount: -1.5m}}", (-1.5, 0, 0)),
        ("{preset: {move: crane, amount: 80cm}}", (0, 0, 0.8)),
        ("{preset: {move: dolly, amount: 2m}}", (0, 2, 0)),
        ("{preset: {move: truck, amount: 20%}}", (0.2 * np.linalg.norm(HERO - SOURCE[:3, 3]), 0, 0)),
    ],
)
def test_truck_crane_and_dolly_go_level_and_keep_the_view_direction(cameras_of, text, way):
    cameras = cameras_of(text)
    assert place(cameras[-1]) - place(cameras[0]) == pytest.approx(way)
    assert all(np.array_equal(turn(camera), SOURCE[:3, :3]) for camera in cameras)


def test_a_truck_after_an_arc_goes_to_the_right_of_the_turned_camera(cameras_of):
    text = "{preset: [{move: arc, amount: 90deg, to: 1s}, {move: truck, amount: 1m}]}"
    cameras = cameras_of(text)
    assert place(cameras[-1]) - place(cameras[15]) == pytest.approx(turn(cameras[15])[:, 0], abs=1e-9)


@pytest.mark.parametrize("amount", ["40%", "70%", "-60%"])
def test_dolly_zoom_keeps_the_targets_size_and_place_while_the_background_breathes(cameras_of, amount):
    cameras = cameras_of(f"{{preset: {{move: dolly_zoom, amount: {amount}}}}}")
    sizes = np.array([height_px(camera, HERO) for camera in cameras])
    assert np.abs(sizes / sizes[0] - 1).max() < 1e-9
    pixels = np.array([camera.project(HERO)[0] for camera in cameras])
    assert np.abs(pixels - pixels[0]).max() < 1e-6
    behind = HERO + np.array([0.0, 10.0, 0.0])
    ratio = height_px(cameras[-1], behind) / height_px(cameras[0], behind)
    assert ratio > 1.3 if amount.startswith("-") else ratio < 0.8


def test_dolly_zoom_keeps_the_size_of_an_object_that_walks_away(cameras_of):
    def hero_at(frame: float) -> np.ndarray:
        return HERO + np.array([0.4, 1.5, 0.0]) * frame / LAST

    cameras = cameras_of("{preset: {move: dolly_zoom, amount: 30%}}", hero_at)
    sizes = np.array([height_px(camera, hero_at(frame)) for frame, camera in enumerate(cameras)])
    assert np.abs(sizes / sizes[0] - 1).max() < 0.005


def walk(frame: float) -> np.ndarray:
    """A steady walk of 1.5 m/s to the right."""
    return HERO + np.array([1.5, 0.0, 0.0]) * frame / 15


def test_follow_by_moving_is_exactly_its_lag_late_and_keeps_the_object_in_the_picture(cameras_of):
    cameras = cameras_of("{follow: {object: hero, lag: 0.3s}}", walk)
    late = place(cameras[-1]) - place(cameras[0])
    assert late == pytest.approx(walk(LAST - 0.3 * 15) - HERO, abs=0.01)
    pixels = np.array([camera.project(walk(frame))[0] for frame, camera in enumerate(cameras)])
    assert (pixels > 0).all()
    assert (pixels < (640, 360)).all()
    assert walk(LAST)[0] - HERO[0] == pytest.approx(3.0)  # without following it would be out of the picture
    assert not 0 < Camera(LENS, SOURCE).project(walk(LAST))[0][0] < 640
    assert all(np.array_equal(turn(camera), SOURCE[:3, :3]) for camera in cameras)


def test_follow_by_turning_stays_and_keeps_the_object_where_it_was_in_the_picture(cameras_of):
    cameras = cameras_of("{follow: {object: hero, lag: 0.2s, by: turning}}", walk)
    assert all(np.array_equal(place(camera), SOURCE[:3, 3]) for camera in cameras)
    start = cameras[0].project(HERO)[0]
    seen = cameras[-1].project(walk(LAST - 0.2 * 15))[0]
    assert seen == pytest.approx(start, abs=2.0)
    pixels = np.array([camera.project(walk(frame))[0] for frame, camera in enumerate(cameras)])
    assert (pixels > 0).all()
    assert (pixels < (640, 360)).all()


def test_follow_without_lag_copies_the_motion_and_with_lag_smooths_a_jerk(cameras_of):
    def jump(frame: float) -> np.ndarray:
        return HERO + np.array([0.5 if frame >= 10 else 0.0, 0.0, 0.0])

    at_once = [place(camera)[0] for camera in cameras_of("{follow: {object: hero, lag: 0s}}", jump)]
    late = [place(camera)[0] for camera in cameras_of("{follow: {object: hero, lag: 0.4s}}", jump)]
    assert max(np.diff(at_once)) == pytest.approx(0.5)
    assert 0 < max(np.diff(late)) < 0.15
    assert (np.diff(late) >= -1e-12).all()
    assert late[-1] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("lag_s", [0.1, 0.5, 2.0])
def test_the_lag_is_the_mean_age_of_what_is_followed(lag_s):
    follow = Follow("hero", lag_s)
    point = late_point(follow, 1000.0, 15.0, lambda _, frame: np.array([frame, 0.0, 0.0]))
    assert (1000.0 - point[0]) / 15.0 == pytest.approx(lag_s)


def test_handheld_repeats_for_a_seed_and_differs_for_another(cameras_of):
    first = cameras_of("{handheld: 1.0}")
    again = cameras_of("{handheld: 1.0}")
    assert all(np.array_equal(a.world_from_camera, b.world_from_camera) for a, b in zip(first, again, strict=True))
    still = view_at((), 0, Surroundings(SOURCE, LENS.rays(np.array([320.0, 180.0])), {}, {}))
    other = rigged(still, CameraRig(shake=Shake(seed=5)), 20, fps=15, point_at=lambda *_: HERO)
    assert np.abs(other.world_from_camera - first[20].world_from_camera).max() > 1e-4


def test_handheld_is_small_smooth_and_starts_from_the_view_as_it_is():
    still = view_at((), 0, Surroundings(SOURCE, LENS.rays(np.array([320.0, 180.0])), {}, {}))
    for seed in range(20):
        rig = CameraRig(shake=Shake(amount=1.0, frequency_hz=1.5, seed=seed))
        poses = [
            rigged(still, rig, frame / 4, fps=24, point_at=lambda *_: HERO).world_from_camera for frame in range(960)
        ]
        assert np.array_equal(poses[0], SOURCE)
        pixels = np.array([Camera(LENS, pose).project(HERO)[0] for pose in poses])
        assert 1.0 < np.abs(pixels - pixels[0]).max() < 9.0
        # In quarters of a frame: no step of half a pixel, and no jerk between two of them.
        assert np.abs(np.diff(pixels, axis=0)).max() < 0.5
        assert np.abs(np.diff(pixels, n=2, axis=0)).max() < 0.1


def test_a_hand_twice_as_strong_swings_twice_as_far():
    def offset(amount: float) -> np.ndarray:
        still = view_at((), 0, Surroundings(SOURCE, LENS.rays(np.array([320.0, 180.0])), {}, {}))
        view = rigged(still, CameraRig(shake=Shake(amount, 1.5, 3)), 7, fps=24, point_at=lambda *_: HERO)
        return view.world_from_camera[:3, 3] - SOURCE[:3, 3]

    assert offset(2.0) == pytest.approx(2 * offset(1.0))


def test_a_rolled_camera_stays_rolled_while_it_follows_by_turning():
    rolled = SOURCE.copy()
    rolled[:3, :3] = rolled[:3, :3] @ rotation_about(np.array([0.0, 0.0, 1.0]), 0.3)
    still = dataclasses.replace(view_at((), 0, Surroundings(rolled, np.array([0.0, 0, 1]), {}, {})))
    rig = CameraRig(follow=Follow("hero", 0.0, "turning"))
    seen = rigged(still, rig, 10, fps=15, point_at=lambda _, frame: walk(frame)).world_from_camera
    before, after = Camera(LENS, rolled).project(HERO)[0], Camera(LENS, seen).project(walk(10))[0]
    assert after == pytest.approx(before, abs=1e-6)


def test_a_camera_that_would_pass_what_it_keeps_in_size_is_refused():
    keys = (PathKey(0.0, keep_size="hero"), PathKey(10.0, keep_size="hero", dolly_m=9.0))
    around = Surroundings(SOURCE, np.array([0.0, 0.0, 1.0]), {"hero": HERO}, {"hero": HERO})
    with pytest.raises(ValueError, match="'hero', whose size it is to keep"):
        view_at(keys, 10, around)
