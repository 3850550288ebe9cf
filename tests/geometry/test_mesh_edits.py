import numpy as np
import pytest
import trimesh

from i2v3d.artifacts.scene import MeshData
from i2v3d.geometry import mesh_edits
from i2v3d.geometry.mesh_checks import is_watertight, signed_volume_m3


@pytest.fixture
def post() -> MeshData:
    """A post of 1 x 1 x 4 m that stands on the origin, white."""
    box = trimesh.creation.box((1, 1, 4))
    vertices = (box.vertices + np.array([0, 0, 2])).astype(np.float32)
    texcoords = np.concatenate([vertices[:, [0, 2]], np.ones((len(vertices), 1))], axis=1).astype(np.float32)
    texture = np.full((4, 4, 4), 255, np.uint8)
    return MeshData(vertices, box.faces.astype(np.int32), texcoords, texture, np.full((4, 4), 255, np.uint8))


def test_splitting_keeps_the_surface_and_where_its_texture_is(post):
    fine = mesh_edits.subdivided(post)
    assert len(fine.faces) > 1000
    assert is_watertight(fine.vertices_m, fine.faces)
    assert signed_volume_m3(fine.vertices_m, fine.faces) == pytest.approx(4, rel=1e-5)
    np.testing.assert_allclose(fine.texcoords[:, :2], fine.vertices_m[:, [0, 2]], atol=1e-6)


def test_a_bend_by_a_right_angle_lays_the_top_sideways_and_keeps_the_volume(post):
    bent = mesh_edits.bent(mesh_edits.subdivided(post), np.pi / 2, None)
    radius = 4 / (np.pi / 2)
    assert bent.vertices_m[:, 0].max() == pytest.approx(radius, abs=0.02)  # the middle of the top, now facing right
    assert signed_volume_m3(bent.vertices_m, bent.faces) == pytest.approx(4, rel=0.01)
    assert bent.vertices_m[:, 2].min() == pytest.approx(0, abs=1e-6)


def test_a_twist_turns_the_top_and_not_the_base(post):
    twisted = mesh_edits.twisted(mesh_edits.subdivided(post), np.pi / 4, None)
    top = twisted.vertices_m[twisted.vertices_m[:, 2] > 3.999]
    base = twisted.vertices_m[twisted.vertices_m[:, 2] < 0.001]
    assert np.abs(top[:, :2]).max() == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert np.abs(base[:, :2]).max() == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("part", "top", "base"), [("top", 1.0, 0.5), ("bottom", 0.5, 1.0), (None, 1.0, 1.0)])
def test_only_the_named_part_grows(post, part, top, base):
    grown = mesh_edits.scaled(post, (2.0, 2.0, 1.0), part).vertices_m
    assert np.abs(grown[grown[:, 2] > 3, 0]).max() == pytest.approx(top)
    assert np.abs(grown[grown[:, 2] < 1, 0]).max() == pytest.approx(base)


def test_displacing_by_white_grows_a_ball_evenly_and_opens_no_seam():
    ball = trimesh.creation.icosphere(subdivisions=3, radius=1.0)
    zeros = np.zeros((4, 4), np.uint8)
    texcoords = np.ones_like(ball.vertices, np.float32)
    mesh = MeshData(ball.vertices.astype(np.float32), ball.faces, texcoords, np.zeros((4, 4, 4), np.uint8), zeros)
    grown = mesh_edits.displaced(mesh, np.ones((8, 16)), 0.25)
    np.testing.assert_allclose(np.linalg.norm(grown.vertices_m, axis=1), 1.25, atol=1e-3)
    assert is_watertight(grown.vertices_m, grown.faces)


def test_a_replacement_stands_where_the_old_one_stood_within_its_box(post):
    ball = trimesh.creation.icosphere(radius=3.0)
    mesh = MeshData(
        (ball.vertices + 7).astype(np.float32), ball.faces, np.ones_like(ball.vertices), post.texture, post.is_observed
    )
    fitted = mesh_edits.fitted(mesh, post).vertices_m
    assert fitted[:, 2].min() == pytest.approx(0, abs=1e-5)
    assert np.ptp(fitted[:, 0]) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose((fitted.min(axis=0) + fitted.max(axis=0))[:2], 0, atol=1e-5)


def test_a_tint_multiplies_light_and_leaves_alpha(post):
    tinted = mesh_edits.tinted(post, (1.0, 0.2159, 0.0)).texture
    assert tuple(tinted[0, 0]) == (255, 128, 0, 255)


def test_a_picture_covers_the_front_upright_and_is_not_of_the_photo(post):
    picture = np.zeros((8, 8, 4), np.uint8)
    painted = mesh_edits.painted(post, picture, np.array([0.0, -5.0, 1.0]))
    upper_left = painted.texcoords[(post.vertices_m[:, 0] < 0) & (post.vertices_m[:, 2] > 3)]
    np.testing.assert_allclose(upper_left[:, :2], 0, atol=1e-6)
    assert not painted.is_observed.any()
