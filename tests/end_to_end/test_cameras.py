"""Cameras as a user meets them: presets, files and the `cameras` commands on a whole small scene."""

import copy
import json

import numpy as np
import pytest

from i2v3d.geometry.camera_files import read_cameras, write_cameras
from tests.end_to_end.scenes import SPEC, i2v3d, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.blender]


def built_cameras(folder, camera, *, name: str = "small"):
    spec = {**copy.deepcopy(SPEC), "camera": camera, "name": name}
    file = write_spec(folder, spec)
    run = i2v3d("build", file, "--only", "assemble")
    return json.loads((folder / "out" / name / "cameras.json").read_text())["frames"], run.stdout


def poses(frames):
    return np.array([frame["opencv"]["world_from_camera"] for frame in frames])


def lenses(frames):
    return np.array([frame["opencv"]["image_from_camera"] for frame in frames])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cameras")


@pytest.fixture(scope="module")
def original(folder):
    """A path with everything at once."""
    camera = {"preset": {"move": "dolly_zoom", "amount": "20%"}, "follow": "rocket", "handheld": 2}
    return built_cameras(folder, camera)[0]


def test_a_dolly_zoom_that_follows_and_shakes_is_built(original):
    assert poses(original)[0][:3, 3] == pytest.approx([0, 0, 1.6], abs=1e-3)
    assert poses(original)[-1][1, 3] > 30  # it goes 20 % of some 220 m
    assert poses(original)[-1][2, 3] > 3  # and up after the rocket
    assert lenses(original)[-1][0, 0] / lenses(original)[0][0, 0] == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("form", ["opencv", "opengl", "colmap", "realestate10k", "unreal", "glb", "blend"])
def test_an_exported_path_given_back_to_the_spec_is_the_same_path(folder, original, form):
    write_spec(
        folder,
        {
            **copy.deepcopy(SPEC),
            "camera": {"preset": {"move": "dolly_zoom", "amount": "20%"}, "follow": "rocket", "handheld": 2},
        },
    )
    run = i2v3d("cameras", "export", folder / "scene.yaml", "--format", form, "--out", folder / "paths" / form)
    assert "9 cameras at 24 a second" in run.stdout
    names = {"colmap": "images.txt", "realestate10k": "realestate10k.txt", "unreal": "unreal_cameras.json"}
    names |= {"opencv": "cameras.json", "opengl": "transforms.json", "glb": "cameras.glb", "blend": "cameras.blend"}
    path = {"path": f"paths/{form}/{names[form]}", "relative": False}
    frames, _ = built_cameras(folder, {"file": path}, name=f"from_{form}")
    reach = np.abs(poses(original)[:, :3, 3]).max()
    assert np.abs(poses(frames)[:, :3, :3] - poses(original)[:, :3, :3]).max() < 1e-6
    assert np.abs(poses(frames)[:, :3, 3] - poses(original)[:, :3, 3]).max() < 2e-6 * reach
    assert lenses(frames) == pytest.approx(lenses(original), rel=1e-5, abs=1e-3)


def test_an_import_is_a_cameras_json_that_a_spec_takes_relative_to_its_photo(folder, original):
    run = i2v3d(
        "cameras", "import", folder / "out" / "small" / "scene.glb", "--camera", "Camera", "--out", folder / "in"
    )
    assert "read as glb" in run.stdout
    half = {"path": "in/cameras.json", "scale": 0.5}
    frames, _ = built_cameras(folder, {"file": half}, name="half")
    way, whole = (poses(given)[:, :3, 3] - poses(given)[0, :3, 3] for given in (frames, original))
    assert way == pytest.approx(whole / 2, abs=1e-3 * np.abs(whole).max())


def test_another_path_rebuilds_no_mesh_and_an_unchanged_one_nothing(folder):
    camera = {"through": "rocket"}
    frames, first = built_cameras(folder, camera, name="sweep")
    steps = np.linalg.norm(np.diff(poses(frames)[:, :3, 3], axis=0), axis=1)
    assert steps.max() > 1
    assert "\n3 steps run" in first  # camera_track, scene_script, assemble
    assert "\n0 steps run" in built_cameras(folder, camera, name="sweep")[1]
    write_cameras(folder, "colmap", read_cameras(folder / "out" / "sweep" / "cameras.json", "opencv"))
    built_cameras(folder, {"file": "images.txt"}, name="edited")
    lenses_file = folder / "cameras.txt"
    lenses_file.write_text(lenses_file.read_text().replace("1 PINHOLE 192", "1 PINHOLE 194"))
    assert "\n3 steps run" in built_cameras(folder, {"file": "images.txt"}, name="edited")[1]


def test_a_file_that_is_no_path_is_told_at_its_place_in_the_spec(folder):
    (folder / "broken.json").write_text('{"frames": [{"world_from_camera": [[1, 2], [3, 4]]}]}')
    write_spec(folder, {**copy.deepcopy(SPEC), "camera": {"file": "broken.json"}})
    run = i2v3d("build", folder / "scene.yaml", "--only", "assemble", check=False)
    assert run.returncode == 1
    text = run.stdout + run.stderr
    assert "frame 0: a matrix of shape (2, 2), not 4x4" in text
    assert "camera.file" in text
