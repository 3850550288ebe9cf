import dataclasses

import numpy as np
import pytest

from i2v3d.artifacts.scene import Mesh, MeshData
from i2v3d.backends.embedded.atlas import compacted
from i2v3d.backends.embedded.meshing import ShapeMesher
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Camera, invert_rigid
from i2v3d.geometry.mesh_checks import find_mesh_faults, is_watertight, signed_volume_m3
from i2v3d.geometry.rasterise import draw_mesh
from i2v3d.spec.resolved import Box, Card, Inflate, Lathe
from tests.meshing_scenes import coloured, compare_with_photo, disc, layout_with, rectangle, source_camera_of

MIRROR = Inflate(0.6, "mirror")
STANDING = layout_with((80.0, 100.0))
BALL = coloured(disc((80, 70), 30))
POST = coloured(rectangle(70, 30, 90, 100))
SHAPES = {
    "inflate": (MIRROR, BALL),
    "smooth": (Inflate(0.6, "smooth"), BALL),
    "lathe": (Lathe(32), POST),
    "card": (Card(), BALL),
    "box": (Box(None), POST),
}


def lift(shape, cut_out, layout=STANDING) -> MeshData:
    return ShapeMesher().lift(cut_out, layout, "thing", shape)


def body_of(mesh: MeshData) -> MeshData:
    """The closed part of a mesh: without the fringe, whose faces come last and hang on open edges."""
    for count in range(len(mesh.faces), 0, -1):
        if is_watertight(mesh.vertices_m, mesh.faces[:count]):
            return compacted(dataclasses.replace(mesh, faces=mesh.faces[:count]))
    raise AssertionError("no closed part")


def turned(mesh: MeshData, angle_rad: float) -> MeshData:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return dataclasses.replace(mesh, vertices_m=mesh.vertices_m @ turn.T)


@pytest.mark.parametrize("name", SHAPES)
def test_the_source_view_shows_the_photo(name):
    shape, cut_out = SHAPES[name]
    error, overlap = compare_with_photo(lift(shape, cut_out), STANDING, cut_out)
    limit = 4.0 if name == "lathe" else 0.6  # the outermost pixel of a turned body is replaced on purpose
    assert error <= limit, f"mean abs error {error:.2f}"
    assert overlap >= 0.98, f"silhouette IoU {overlap:.4f}"


@pytest.mark.parametrize("name", SHAPES)
def test_the_mesh_is_sound_and_its_artifact_checks(name, tmp_path):
    mesh = lift(*SHAPES[name])
    assert find_mesh_faults(mesh.vertices_m, mesh.faces) == ()
    artifact = Mesh(tmp_path / "mesh")
    artifact.write(mesh)
    artifact.check()


@pytest.mark.parametrize("name", SHAPES)
def test_the_body_is_closed_and_faces_outwards(name):
    body = body_of(lift(*SHAPES[name]))
    assert len(body.faces) > 100
    assert signed_volume_m3(body.vertices_m, body.faces) > 0


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_cut_out_gives_the_same_mesh(name):
    first, second = lift(*SHAPES[name]), lift(*SHAPES[name])
    for field in dataclasses.fields(MeshData):
        assert np.array_equal(getattr(first, field.name), getattr(second, field.name)), field.name


@pytest.mark.parametrize("name", SHAPES)
def test_only_seen_texels_count_as_observed(name):
    shape, cut_out = SHAPES[name]
    mesh = lift(shape, cut_out)
    seen = draw_mesh(mesh, source_camera_of(STANDING)).is_observed
    is_thing = cut_out[..., 3] > 127
    assert (seen & is_thing).sum() / is_thing.sum() >= 0.97
    assert not (seen & ~is_thing).any()
    behind = turned(mesh, np.pi)
    assert draw_mesh(behind, source_camera_of(STANDING)).is_observed.mean() < 0.02


def test_a_ball_is_as_thick_as_asked():
    mesh = body_of(lift(MIRROR, BALL))
    width, depth, _ = np.ptp(mesh.vertices_m, axis=0)
    assert depth / width == pytest.approx(0.6, rel=0.12)


def test_a_lathe_is_as_deep_as_wide():
    mesh = body_of(lift(Lathe(32), POST))
    width, depth, _ = np.ptp(mesh.vertices_m, axis=0)
    assert depth / width == pytest.approx(1.0, rel=0.02)


def test_a_box_takes_its_depth_in_metres_and_stays_on_the_ground():
    mesh = body_of(lift(Box(0.5), POST))
    assert np.ptp(mesh.vertices_m[:, 1]) == pytest.approx(0.5, rel=0.02)
    assert mesh.vertices_m[:, 2].min() == pytest.approx(0.0, abs=0.05)


def test_the_sides_of_a_box_seen_from_above_its_top_run_straight_back():
    cut_out = coloured(rectangle(60, 75, 100, 100))  # its top is below the horizon
    body = body_of(lift(Box(1.0), cut_out)).vertices_m
    is_back = body[:, 1] > body[:, 1].max() - 0.05
    front, back = (np.ptp(body[part, 0]) for part in (body[:, 1] < body[:, 1].min() + 0.05, is_back))
    assert back == pytest.approx(front, rel=0.02)
    assert body[is_back, 2].max() < body[:, 2].max() - 0.05, "the back's top is lower, hidden by the front's"


def test_a_card_is_flat():
    mesh = lift(Card(), BALL)
    assert np.ptp(mesh.vertices_m[:, 1]) < 0.01 * np.ptp(mesh.vertices_m[:, 0])


def test_a_smooth_back_has_no_picture_on_it():
    spot = BALL.copy()
    spot[60:80, 70:90, :3] = 255  # a mark in the middle, away from the rim
    spot[..., :3][spot[..., :3] < 255] = 40
    camera = source_camera_of(STANDING)
    marks = {
        back: draw_mesh(turned(lift(Inflate(0.6, back), spot), np.pi), camera).colour.max(axis=(0, 1))[0]
        for back in ("mirror", "smooth")
    }
    assert marks["mirror"] > 0.9
    assert marks["smooth"] < 0.3


def test_no_background_colour_shows_at_the_rim_of_a_turned_thing():
    cut_out = coloured(disc((80, 70), 30))
    cut_out[..., :3] = (200, 40, 40)
    cut_out[..., :3][cut_out[..., 3] == 0] = (0, 255, 0)
    for angle in (-0.5, 0.5, 2.5):
        drawn = draw_mesh(turned(lift(MIRROR, cut_out), angle), source_camera_of(STANDING)).colour
        visible = drawn[drawn[..., 3] > 0.05]
        assert visible[:, 1].max() < 60 / 255


def test_a_thing_cut_by_the_frame_goes_on_beyond_it():
    cut_out = coloured(rectangle(0, 40, 70, 120))
    mesh = lift(MIRROR, cut_out)
    pixels, _ = source_camera_of(STANDING).project(mesh.vertices_m)
    assert pixels[:, 0].min() < -10
    assert pixels[:, 1].max() > 130
    at_frame = (np.abs(pixels[:, 0]) < 4) & (np.abs(pixels[:, 1] - 90) < 15)
    # The relief is not pulled to nothing where the frame cuts: front and back stay apart.
    assert np.ptp(mesh.vertices_m[at_frame, 1]) > 0.5 * np.ptp(mesh.vertices_m[:, 1])


def test_a_thing_that_fills_the_photo_still_gets_a_body():
    cut_out = coloured(np.ones((120, 160)))
    mesh = lift(MIRROR, cut_out)
    assert find_mesh_faults(mesh.vertices_m, mesh.faces) == ()
    error, overlap = compare_with_photo(mesh, STANDING, cut_out)
    assert error <= 0.6
    assert overlap == 1.0


def test_a_leaning_post_keeps_its_lean():
    rows = np.arange(120)
    alpha = np.zeros((120, 160))
    for row in rows[30:100]:
        left = 60 + round((100 - row) * 0.2)
        alpha[row, left : left + 20] = 1
    mesh = body_of(lift(Lathe(32), coloured(alpha)))
    along = np.linalg.svd(mesh.vertices_m - mesh.vertices_m.mean(axis=0), full_matrices=False)[2][0]
    assert along[0] / along[2] == pytest.approx(0.2, abs=0.01)


def test_what_is_not_round_about_the_axis_stays_a_flat_sheet():
    alpha = rectangle(70, 30, 90, 100) + rectangle(90, 60, 100, 70)
    mesh = lift(Lathe(32), coloured(alpha))
    body = body_of(mesh)
    assert np.ptp(body.vertices_m[:, 1]) < 1.3 * 20 / 160 * np.ptp(body.vertices_m[:, 2]) * 160 / 70
    _, overlap = compare_with_photo(mesh, STANDING, coloured(alpha))
    assert overlap >= 0.98


def test_a_bowl_seen_from_above_turns_in_place():
    layout = layout_with((80.0, 100.0), pitch_rad=-0.95, height_m=0.5)
    camera = source_camera_of(layout)
    angle = np.linspace(0, 2 * np.pi, 200)
    ring = np.stack([0.1 * np.cos(angle), 0.1 + 0.1 * np.sin(angle), np.full(200, 0.01)], axis=1)
    outline = camera.project(ring)[0]
    import cv2

    alpha = np.zeros((120, 160), np.uint8)
    cv2.fillPoly(alpha, [np.round(outline).astype(np.int32)], 1)
    cut_out = coloured(alpha.astype(float))
    mesh = lift(Lathe(48), cut_out, layout)
    _, overlap = compare_with_photo(mesh, layout, cut_out)
    assert overlap >= 0.97
    centre = np.eye(4)
    centre[:3, 3] = (0, 0.1, 0)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]]
    moved = Camera(camera.intrinsics, centre @ turn @ invert_rigid(centre) @ camera.world_from_camera)
    after = draw_mesh(mesh, moved).colour[..., 3] > 0.5
    assert (after & (alpha > 0)).sum() / (after | (alpha > 0)).sum() > 0.93


def test_an_empty_cut_out_is_refused():
    with pytest.raises(StageError, match="empty"):
        lift(MIRROR, coloured(np.zeros((120, 160))))


def test_a_matte_without_a_solid_part_points_to_card():
    with pytest.raises(StageError, match="no solid part") as caught:
        lift(MIRROR, coloured(0.6 * disc((80, 70), 30)))
    assert "card" in caught.value.hint


@pytest.mark.parametrize("alpha", [rectangle(78, 20, 81, 100), 0.7 * disc((80, 70), 30)], ids=["rope", "smoke"])
def test_a_card_shows_what_has_no_solid_part(alpha):
    cut_out = coloured(alpha)
    mesh = lift(Card(), cut_out)
    assert not find_mesh_faults(mesh.vertices_m, mesh.faces)
    drawn = draw_mesh(mesh, source_camera_of(STANDING)).colour * 255
    assert np.abs(drawn[..., 3] - cut_out[..., 3]).mean() < 0.2
    assert np.abs(drawn[..., :3] - cut_out[..., :3])[cut_out[..., 3] > 100].mean() < 1.0


def test_the_last_bits_of_a_processor_do_not_reach_the_mesh():
    rng = np.random.default_rng(3)
    vertices, texcoords = rng.normal(size=(300, 3)) * 70, rng.normal(size=(300, 3))
    vertices[:, 1] *= 1e-5  # near zero, float32 shows what is far below the last bit of the largest
    texcoords[:, 1] *= 1e-5
    faces = np.arange(300).reshape(100, 3)
    texture = np.zeros((2, 2, 4), np.uint8)
    first, second = (
        compacted(MeshData(vertices + error, faces, texcoords + error, texture, texture[..., 0]))
        for error in (0.0, 1e-12)
    )
    assert np.array_equal(first.vertices_m, second.vertices_m)
    assert np.array_equal(first.texcoords, second.texcoords)
    np.testing.assert_allclose(first.vertices_m, vertices, atol=1e-4)
