"""Typed files: what is written is read back, equal values give equal bytes, bad files are named."""

import hashlib

import numpy as np
import pytest

from i2v3d.artifacts.images import CutOut, Frames, Image, Matte
from i2v3d.artifacts.scene import (
    FrameState,
    Layout,
    Mesh,
    MeshData,
    ObjectRest,
    SolvedLayout,
    View,
    Views,
)
from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, level_camera_pose

RNG = np.random.default_rng(0)
CAMERA = Camera(Intrinsics.from_fov(0.7, Resolution(64, 48)), level_camera_pose(1.6, 0.1))


def _digest(path):
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files if file.is_file()]


def _mesh():
    return MeshData(
        vertices_m=RNG.normal(size=(5, 3)).astype(np.float32),
        faces=np.array([[0, 1, 2], [2, 3, 4]], np.int32),
        texcoords=np.ones((5, 3), np.float32),
        texture=RNG.integers(0, 255, (8, 6, 4), dtype=np.uint8),
        is_observed=np.full((8, 6), 255, np.uint8),
    )


@pytest.mark.parametrize(
    ("artifact", "shape"), [(Image, (4, 6, 3)), (CutOut, (4, 6, 4)), (Matte, (4, 6))], ids=lambda p: str(p)
)
def test_a_picture_is_read_back_exactly(tmp_path, artifact, shape):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    picture = artifact(tmp_path / "picture.png")
    picture.write(pixels)
    picture.check()
    np.testing.assert_array_equal(picture.read(), pixels)


def test_a_picture_of_the_wrong_mode_is_refused(tmp_path):
    Matte(tmp_path / "a.png").write(np.zeros((4, 4), np.uint8))
    with pytest.raises(ArtifactError, match="a L picture where RGB was promised"):
        Image(tmp_path / "a.png").check()


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ArtifactError, match="not a picture"):
        Image(tmp_path / "a.png").check()


def test_a_layout_is_read_back_exactly(tmp_path):
    rest = ObjectRest(np.eye(4), 1.0, float("nan"), 12.5)
    solved = SolvedLayout(CAMERA, 300.25, 2.0, {"layout": "dome", "far_m": 100.0}, {'a "strange" name': rest})
    Layout(tmp_path / "layout.json").write(solved)
    back = Layout(tmp_path / "layout.json").read()
    np.testing.assert_array_equal(back.camera.world_from_camera, CAMERA.world_from_camera)
    assert back.camera.intrinsics == CAMERA.intrinsics
    assert np.isnan(back.objects['a "strange" name'].contact_y_px)
    assert back.background == {"layout": "dome", "far_m": 100.0}


def test_a_mesh_is_read_back_exactly_and_its_bytes_repeat(tmp_path):
    mesh = _mesh()
    Mesh(tmp_path / "one").write(mesh)
    Mesh(tmp_path / "two").write(mesh)
    back = Mesh(tmp_path / "one")
    back.check()
    np.testing.assert_array_equal(back.read().vertices_m, mesh.vertices_m)
    np.testing.assert_array_equal(back.read().texture, mesh.texture)
    assert _digest(tmp_path / "one") == _digest(tmp_path / "two")


def test_a_mesh_with_a_face_to_nowhere_is_refused(tmp_path):
    mesh = _mesh()
    Mesh(tmp_path / "bad").write(
        MeshData(mesh.vertices_m, mesh.faces + 3, mesh.texcoords, mesh.texture, mesh.is_observed)
    )
    with pytest.raises(ArtifactError, match="a face names a vertex that does not exist"):
        Mesh(tmp_path / "bad").check()


def test_views_keep_their_cameras(tmp_path):
    view = View(np.zeros((48, 64, 4), np.uint8), np.zeros((48, 64), np.uint8), CAMERA)
    Views(tmp_path / "views").write((view, view))
    back = Views(tmp_path / "views").read()
    assert len(back) == 2
    assert back[1].camera.intrinsics == CAMERA.intrinsics


def test_a_frame_state_without_its_camera_is_refused(tmp_path):
    state = FrameState(tmp_path / "000000.npz")
    state.write_arrays({"transforms": np.eye(4)[None]})
    with pytest.raises(ArtifactError, match="lacks image_from_camera, world_from_camera"):
        state.check()


def test_an_empty_sequence_is_refused(tmp_path):
    (tmp_path / "frames").mkdir()
    with pytest.raises(ArtifactError, match="an empty sequence"):
        Frames(tmp_path / "frames").check()


def test_a_sequence_lists_its_items_in_order(tmp_path):
    (tmp_path / "frames").mkdir()
    frames = Frames(tmp_path / "frames")
    for index in (2, 0, 1):
        frames.item(index).write(np.full((2, 2, 3), index, np.uint8))
    assert [int(item.read()[0, 0, 0]) for item in frames] == [0, 1, 2]
