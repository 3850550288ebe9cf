"""Camera paths through real .blend files, and the scene's own exports read back."""

import subprocess
import sys

import numpy as np
import pytest

from i2v3d.blender.camera_paths import read_any, write_any
from i2v3d.errors import BlenderError
from i2v3d.geometry.camera_files.path import CameraFileError, CameraPath
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution
from i2v3d.geometry.motion import rotation_from_euler

pytestmark = pytest.mark.blender


def random_path(seed: int, count: int = 10) -> CameraPath:
    chance = np.random.default_rng(seed)
    cameras = []
    for _ in range(count):
        pose = np.eye(4)
        pose[:3, :3] = rotation_from_euler(chance.uniform(-np.pi, np.pi, 3))
        pose[:3, 3] = chance.normal(0, 5, 3)
        focal = chance.uniform(300, 2500)
        cameras.append(Camera(Intrinsics(focal, focal, *chance.uniform(100, 500, 2), Resolution(640, 360)), pose))
    return CameraPath(tuple(cameras), tuple(index / 24 for index in range(count)))


def test_a_random_path_comes_back_from_a_blend_within_a_millionth(tmp_path):
    path = random_path(0)
    back = read_any(write_any(tmp_path, "blend", path), "blend")
    assert back.fps == pytest.approx(24)
    for a, b in zip(path.cameras, back.cameras, strict=True):
        reach = np.linalg.norm(a.world_from_camera[:3, 3])
        assert np.linalg.norm(a.world_from_camera[:3, 3] - b.world_from_camera[:3, 3]) <= 1e-6 * reach
        assert np.abs(a.world_from_camera[:3, :3] - b.world_from_camera[:3, :3]).max() <= 1e-6
        assert b.intrinsics.focal_x_px == pytest.approx(a.intrinsics.focal_x_px, rel=1e-6)
        assert b.intrinsics.focal_y_px == pytest.approx(a.intrinsics.focal_y_px, rel=1e-6)
        assert b.intrinsics.centre_x_px == pytest.approx(a.intrinsics.centre_x_px, abs=1e-6 * 640)
        assert b.intrinsics.centre_y_px == pytest.approx(a.intrinsics.centre_y_px, abs=1e-6 * 640)


MADE_BY_HAND = """
import sys
import bpy
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.frame_start, scene.frame_end, scene.render.fps = 1, 3, 12
scene.render.resolution_x, scene.render.resolution_y = 400, 300
for name, height in (("Main", 1.6), ("Other", 5.0)):
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    camera.location, camera.rotation_euler = (0, 0, height), (1.5707963267948966, 0, 0)  # looks along +Y
    camera.data.lens, camera.data.sensor_width = 18.0, 36.0  # 90 degrees
    scene.collection.objects.link(camera)
    scene.camera = scene.camera or camera
scene.objects["Main"].keyframe_insert("location", frame=1)
scene.objects["Main"].location.y = 2
scene.objects["Main"].keyframe_insert("location", frame=3)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[1])
bpy.ops.export_scene.gltf(filepath=sys.argv[1] + ".glb", export_format="GLB", export_cameras=True,
                          export_animation_mode="SCENE", export_yup=True)
"""


@pytest.fixture(scope="module")
def artists_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artist")
    (folder / "make.py").write_text(MADE_BY_HAND)
    file = folder / "artist.blend"
    subprocess.run([sys.executable, str(folder / "make.py"), str(file)], check=True, capture_output=True)
    return file


def test_a_blend_made_by_hand_is_read_as_blender_shows_it(artists_file):
    path = read_any(artists_file, "blend")
    assert path.fps == pytest.approx(12)
    assert [camera.world_from_camera[1, 3] for camera in path.cameras] == pytest.approx([0, 1, 2], abs=1e-6)
    first = path.cameras[0]
    assert first.world_from_camera[:3, :3] == pytest.approx(np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]), abs=1e-6)
    assert first.intrinsics.matrix == pytest.approx(np.array([[200, 0, 200], [0, 200, 150], [0, 0, 1]]), abs=1e-3)
    assert read_any(artists_file, "blend", "Other").cameras[0].world_from_camera[2, 3] == pytest.approx(5)


def test_blenders_own_glb_gives_the_same_cameras_as_its_blend(artists_file):
    blend = read_any(artists_file, "blend")
    glb = read_any(artists_file.with_name("artist.blend.glb"), "glb", "Main")
    assert len(glb.cameras) == len(blend.cameras)
    for a, b in zip(glb.cameras, blend.cameras, strict=True):
        assert a.world_from_camera == pytest.approx(b.world_from_camera, abs=1e-6)


def test_a_camera_that_is_not_there_is_named_with_those_that_are(artists_file):
    with pytest.raises(BlenderError, match=r"no camera 'Third'; it has: Main, Other"):
        read_any(artists_file, "blend", "Third")


def test_a_file_that_is_no_blend_is_an_error_of_ours(tmp_path):
    file = tmp_path / "not.blend"
    file.write_bytes(b"BLENDER-v500 and nothing more")
    with pytest.raises((BlenderError, CameraFileError)):
        read_any(file, "blend")
