"""Files that are steps of one motion: corners are followed, and faces that change are refused by file and count."""

import numpy as np
import pytest
import trimesh

from i2v3d.backends.embedded.mesh_files import load_mesh_file
from i2v3d.backends.embedded.mesh_sequences import load_mesh_sequence
from i2v3d.errors import StageError
from i2v3d.geometry.mesh_checks import find_mesh_faults

STEPS = 4


def ball(step):
    """A ball that is stretched along z, leans to x, and is written with all its vertices apart by some formats."""
    mesh = trimesh.creation.icosphere(1)
    mesh.vertices = mesh.vertices * [1, 1, 1 + step] + [0.2 * step, 0, 0] + 5.0
    return mesh


def written(folder, kind, steps=STEPS, make=ball):
    files = [folder / f"step_{step:02d}.{kind}" for step in range(steps)]
    for step, file in enumerate(files):
        make(step).export(file)
    return files


@pytest.mark.parametrize("kind", ["obj", "ply", "stl", "glb"])
def test_every_format_is_followed_corner_by_corner_in_the_axes_of_the_first_file(tmp_path, kind):
    files = written(tmp_path, kind)
    mesh, places = load_mesh_sequence(files)
    assert places.shape == (STEPS, 42, 3)
    assert places.dtype == np.float32
    assert find_mesh_faults(mesh.vertices_m, mesh.faces) == ()
    np.testing.assert_allclose(places[0], mesh.vertices_m, atol=1e-5)
    up, side = (1, 0) if kind in ("obj", "glb") else (2, 0)  # Y is up in those two: z of the file goes forwards
    extents = np.ptp(places, axis=1)
    long_axis = 1 if up == 1 else 2
    np.testing.assert_allclose(extents[:, long_axis] / extents[0, long_axis], 1 + np.arange(STEPS), rtol=1e-4)
    np.testing.assert_allclose(
        places[:, :, side].mean(axis=1) - places[0, :, side].mean(), 0.2 * np.arange(STEPS), atol=1e-4
    )
    alone = load_mesh_file(files[0])
    np.testing.assert_allclose(places[0][mesh.faces], alone.vertices_m[alone.faces], atol=1e-6)


def test_corners_that_part_later_are_different_vertices_from_the_start(tmp_path):
    def halves(step):
        left = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 0, 1]], [[0, 1, 2]], process=False)
        right = trimesh.Trimesh([[0, 0, 0], [1, 0, 1], [0, 0, 1]], [[0, 1, 2]], process=False)
        right.apply_translation([-0.5 * step, 0, 0])
        return trimesh.util.concatenate([left, right])

    mesh, places = load_mesh_sequence(written(tmp_path, "ply", make=halves))
    assert len(load_mesh_file(tmp_path / "step_00.ply").vertices_m) == 4
    assert places.shape[1] == 6
    np.testing.assert_allclose(np.ptp(places[:, :, 0], axis=1), [1.0, 1.5, 2.0, 2.5], atol=1e-6)
    assert mesh.texcoords.shape == (6, 3)


def test_the_first_files_colours_are_kept(tmp_path):
    def coloured(step):
        mesh = ball(step)
        mesh.visual.vertex_colors = np.tile([[200 - 50 * step, 40, 10, 255]], (len(mesh.vertices), 1))
        return mesh

    mesh, _ = load_mesh_sequence(written(tmp_path, "ply", make=coloured))
    assert (mesh.texture[..., :3] == [200, 40, 10]).all()


def test_other_faces_are_refused_by_file_and_count(tmp_path):
    files = written(tmp_path, "obj")
    trimesh.creation.icosphere(2).export(files[2])
    with pytest.raises(StageError, match=r"step_02\.obj: it has 320 faces and step_00\.obj has 80") as caught:
        load_mesh_sequence(files)
    assert "remesh with constant topology" in caught.value.hint


def coloured_ball(step):
    mesh = ball(step)
    mesh.visual.vertex_colors = np.random.default_rng(2).integers(0, 255, (len(mesh.vertices), 4), np.uint8)
    return mesh


@pytest.mark.parametrize("make", [ball, coloured_ball])
def test_as_many_faces_in_another_order_are_refused(tmp_path, make):
    files = written(tmp_path, "ply", make=make)
    mixed = ball(1)
    mixed.faces = mixed.faces[np.random.default_rng(1).permutation(len(mixed.faces))]
    mixed.export(files[1])
    with pytest.raises(StageError, match=r"step_01\.ply: it has as many faces as step_00\.ply, but they join other"):
        load_mesh_sequence(files)


def test_a_face_that_opens_later_is_refused(tmp_path):
    def opening(step):
        far = [1, 0, 1] if step else [2, 0, 0]
        return trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 0, 1], far], [[0, 1, 2], [0, 1, 3]], process=False)

    with pytest.raises(StageError, match=r"step_01\.stl: 1 of its faces have no area in step_00\.stl"):
        load_mesh_sequence(written(tmp_path, "stl", make=opening))


def test_a_file_that_is_none_is_named(tmp_path):
    files = written(tmp_path, "glb")
    files[3].write_bytes(b"glTF nothing")
    with pytest.raises(StageError, match=r"step_03\.glb: can't be read"):
        load_mesh_sequence(files)
