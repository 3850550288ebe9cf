import json

import numpy as np
import pytest
import trimesh
from PIL import Image

from i2v3d.backends.embedded import mesh_files
from i2v3d.backends.embedded.mesh_files import load_mesh_file
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Camera, Resolution
from i2v3d.geometry.mesh_checks import find_mesh_faults
from i2v3d.geometry.orbit_views import orbit_camera
from i2v3d.geometry.rasterise import draw_mesh


def front_view(vertices_m) -> Camera:
    return orbit_camera(vertices_m, -np.pi / 2, 0.0, fov_rad=0.05, size=Resolution(60, 60))


def tall_box(**visual) -> trimesh.Trimesh:
    """A Y-up box 1 x 3 x 2 (width, height, depth) that does not stand on the ground."""
    box = trimesh.creation.box((1, 3, 2))
    box.apply_translation([5, 7, 9])
    for name, value in visual.items():
        setattr(box.visual, name, value)
    return box


def test_a_gltf_is_turned_upright_with_its_base_centred_at_the_origin(tmp_path):
    tall_box().export(tmp_path / "box.glb")
    mesh = load_mesh_file(tmp_path / "box.glb")
    np.testing.assert_allclose(np.ptp(mesh.vertices_m, axis=0), [1, 2, 3], atol=1e-5)
    np.testing.assert_allclose(mesh.vertices_m.min(axis=0), [-0.5, -1, 0], atol=1e-5)
    assert find_mesh_faults(mesh.vertices_m, mesh.faces) == ()


@pytest.mark.parametrize("kind", ["ply", "stl"])
def test_formats_without_an_up_axis_are_read_as_z_up(kind, tmp_path):
    tall_box().export(tmp_path / f"box.{kind}")
    np.testing.assert_allclose(
        np.ptp(load_mesh_file(tmp_path / f"box.{kind}").vertices_m, axis=0), [1, 3, 2], atol=1e-5
    )


def test_an_obj_without_materials_is_read(tmp_path):
    tall_box().export(tmp_path / "box.obj", include_texture=False, include_color=False)
    np.testing.assert_allclose(np.ptp(load_mesh_file(tmp_path / "box.obj").vertices_m, axis=0), [1, 2, 3], atol=1e-5)


def test_vertex_colours_are_kept_and_run_into_each_other(tmp_path):
    colours = np.zeros((8, 4), np.uint8)
    box = trimesh.creation.box((1, 1, 1))
    colours[:, 0] = np.where(box.vertices[:, 2] > 0, 250, 10)
    colours[:, 3] = 255
    box.visual.vertex_colors = colours
    box.export(tmp_path / "box.ply")
    mesh = load_mesh_file(tmp_path / "box.ply")
    column = draw_mesh(mesh, front_view(mesh.vertices_m)).colour[:, 30]
    seen = column[column[:, 3] > 0.5, 0] * 255
    assert seen[1] > 230
    assert seen[-2] < 30
    assert abs(seen[len(seen) // 2] - 130) < 25


def test_a_texture_comes_out_the_right_way_up(tmp_path):
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:16] = (255, 0, 0)
    picture[16:] = (0, 0, 255)
    quad = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    quad.visual = trimesh.visual.TextureVisuals(
        uv=[[0, 0], [1, 0], [1, 1], [0, 1]],
        material=trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture)),
    )
    quad.export(tmp_path / "quad.glb")
    mesh = load_mesh_file(tmp_path / "quad.glb")
    column = draw_mesh(mesh, front_view(mesh.vertices_m)).colour[:, 30]
    seen = column[column[:, 3] > 0.5]
    assert seen[2, 0] > 0.9
    assert seen[2, 2] < 0.1
    assert seen[-3, 2] > 0.9


def textured_quad(colour, repeats: float, size_px: int) -> trimesh.Trimesh:
    """An upright quad whose picture has this colour above and black below, `repeats` times each way."""
    picture = np.zeros((size_px, size_px, 3), np.uint8)
    picture[: size_px // 2] = colour
    quad = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    quad.visual = trimesh.visual.TextureVisuals(
        uv=np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * repeats,
        material=trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture)),
    )
    return quad


def test_pictures_that_are_too_large_together_are_shrunk_to_one_texture(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_files, "MAX_TEXTURE_PX", 128)
    scene = trimesh.Scene()
    for index, (colour, repeats) in enumerate((((255, 0, 0), 1), ((0, 255, 0), 4), ((0, 0, 255), 1))):
        place = trimesh.transformations.translation_matrix([2 * index, 0, 0])
        scene.add_geometry(textured_quad(colour, repeats, 128), transform=place)
    scene.export(tmp_path / "three.glb")
    mesh = load_mesh_file(tmp_path / "three.glb")
    assert max(mesh.texture.shape[:2]) <= 128
    seen = draw_mesh(mesh, front_view(mesh.vertices_m)).colour
    rows, columns = np.nonzero(seen[..., 3] > 0.5)
    third = (columns.max() + 1 - columns.min()) / 5
    for index in range(3):
        part = slice(int(columns.min() + 2 * index * third + 3), int(columns.min() + (2 * index + 1) * third - 3))
        shown = seen[rows.min() : rows.max(), part, :3].mean(axis=(0, 1))
        assert shown[index] == pytest.approx(0.5, abs=0.1), "half of it is coloured, half is black"
        assert np.delete(shown, index).max() < 0.02


def test_several_parts_and_their_places_become_one_mesh(tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((1, 1, 1)), transform=trimesh.transformations.translation_matrix([0, 2, 0]))
    scene.add_geometry(trimesh.creation.box((1, 1, 1)))
    scene.export(tmp_path / "two.glb")
    mesh = load_mesh_file(tmp_path / "two.glb")
    assert len(mesh.faces) == 24
    assert np.ptp(mesh.vertices_m[:, 2]) == pytest.approx(3.0)


def test_the_same_file_gives_the_same_mesh(tmp_path):
    tall_box().export(tmp_path / "box.glb")
    first, second = load_mesh_file(tmp_path / "box.glb"), load_mesh_file(tmp_path / "box.glb")
    assert np.array_equal(first.vertices_m, second.vertices_m)
    assert np.array_equal(first.texture, second.texture)


@pytest.mark.parametrize("content", [b"", b"this is no mesh", b"glTF" + bytes(40)])
def test_a_glb_that_is_not_one_is_named_with_what_to_do(content, tmp_path):
    (tmp_path / "flag.glb").write_bytes(content)
    with pytest.raises(StageError, match=r"flag\.glb") as caught:
        load_mesh_file(tmp_path / "flag.glb")
    assert "export" in caught.value.hint


def test_an_unknown_type_lists_the_known_ones(tmp_path):
    (tmp_path / "flag.fbx").write_bytes(b"x")
    with pytest.raises(StageError, match=r"flag\.fbx: unknown mesh type") as caught:
        load_mesh_file(tmp_path / "flag.fbx")
    assert "glb, gltf, obj, ply, stl" in caught.value.hint


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StageError, match=r"none\.glb: no such file"):
        load_mesh_file(tmp_path / "none.glb")


def test_a_gltf_that_names_another_file_is_refused(tmp_path):
    document = {
        "asset": {"version": "2.0"},
        "buffers": [{"uri": "../secret.bin", "byteLength": 36}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
    }
    (tmp_path / "flag.gltf").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(StageError, match=r"flag\.gltf: names other files \(\.\./secret\.bin\)"):
        load_mesh_file(tmp_path / "flag.gltf")


def test_too_many_faces_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_files, "MAX_FACES", 11)
    tall_box().export(tmp_path / "box.glb")
    with pytest.raises(StageError, match="more than 11 faces"):
        load_mesh_file(tmp_path / "box.glb")


def test_a_too_large_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_files, "MAX_FILE_BYTES", 10)
    tall_box().export(tmp_path / "box.glb")
    with pytest.raises(StageError, match="over the limit"):
        load_mesh_file(tmp_path / "box.glb")


def test_a_file_without_triangles_is_refused(tmp_path):
    trimesh.PointCloud([[0, 0, 0], [1, 1, 1]]).export(tmp_path / "points.ply")
    with pytest.raises(StageError, match="no triangle"):
        load_mesh_file(tmp_path / "points.ply")


def test_faces_near_each_other_have_their_colours_near_each_other_in_the_texture(tmp_path):
    """A far view mixes texels of neighbours: those of a red half must not lie among those of a blue one."""
    ball = trimesh.creation.icosphere(5)
    colours = np.where(ball.triangles_center[:, :1] > 0, [[200, 0, 0, 255]], [[0, 0, 200, 255]]).astype(np.uint8)
    ball.visual.face_colors = colours
    ball.export(tmp_path / "ball.glb")
    texture = load_mesh_file(tmp_path / "ball.glb").texture.astype(int)
    is_red = texture[..., 0] > 100
    assert (is_red[:, 1:] != is_red[:, :-1]).mean() < 0.03
    assert (texture[..., 3] == 255).all()
