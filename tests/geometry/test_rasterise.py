import numpy as np
import pytest

from i2v3d.artifacts.scene import MeshData
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, level_camera_pose
from i2v3d.geometry.rasterise import draw_mesh, draw_view

CAMERA = Camera(Intrinsics.from_fov(np.radians(50), Resolution(64, 48)), level_camera_pose(0.0, 0.0))


def square(depth_m: float, half_m: float, texture: np.ndarray, *, is_reversed: bool = False) -> MeshData:
    corners = np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]]) * half_m + [0, depth_m, 0]
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    texcoords = np.array([[0, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 1]], float)
    return MeshData(
        corners.astype(np.float32),
        faces[:, ::-1] if is_reversed else faces,
        texcoords,
        texture,
        np.full(texture.shape[:2], 255, np.uint8),
    )


def plain(colour: tuple[int, int, int], alpha: int) -> np.ndarray:
    return np.full((2, 2, 4), (*colour, alpha), np.uint8)


def joined(*meshes: MeshData) -> MeshData:
    """One mesh of several squares whose plain textures lie side by side."""
    count = len(meshes)
    texcoords = [np.array([[(i + 0.5) / count, 0.5, 1.0]] * 4) for i in range(count)]
    return MeshData(
        np.concatenate([mesh.vertices_m for mesh in meshes]),
        np.concatenate([mesh.faces + 4 * i for i, mesh in enumerate(meshes)]),
        np.concatenate(texcoords),
        np.concatenate([mesh.texture for mesh in meshes], axis=1),
        np.concatenate([mesh.is_observed for mesh in meshes], axis=1),
    )


def test_depth_is_the_planes_z_depth_and_infinite_beside_it():
    picture = draw_mesh(square(3.0, 0.5, plain((9, 9, 9), 255)), CAMERA)
    is_hit = np.isfinite(picture.depth_m)
    assert 0 < is_hit.sum() < is_hit.size
    np.testing.assert_allclose(picture.depth_m[is_hit], 3.0, atol=1e-5)


def test_a_face_seen_from_behind_is_not_drawn():
    assert draw_mesh(square(3.0, 0.5, plain((9, 9, 9), 255), is_reversed=True), CAMERA).colour[..., 3].max() == 0


def test_the_nearer_of_two_squares_hides_the_other_in_any_order():
    near, far = square(2.0, 0.2, plain((255, 0, 0), 255)), square(4.0, 0.9, plain((0, 255, 0), 255))
    for order in ((near, far), (far, near)):
        middle = draw_mesh(joined(*order), CAMERA).colour[24, 32]
        np.testing.assert_allclose(middle, [1, 0, 0, 1], atol=1e-6)


def test_half_transparent_layers_blend_nearest_over_farthest():
    near, far = square(2.0, 0.2, plain((255, 0, 0), 128)), square(4.0, 0.9, plain((0, 255, 0), 255))
    middle = draw_mesh(joined(far, near), CAMERA).colour[24, 32]
    share = 128 / 255
    np.testing.assert_allclose(middle, [share, 1 - share, 0, 1], atol=1e-6)


def test_homogeneous_texcoords_show_the_photo_unchanged_on_a_slanted_face():
    size = CAMERA.intrinsics.resolution
    rng = np.random.default_rng(0)
    photo = np.dstack([rng.integers(0, 255, (*size.shape, 3)), np.full(size.shape, 255)]).astype(np.uint8)
    pixels = np.array([[4.0, 5], [60, 3], [58, 44], [6, 40]])
    depth = np.array([2.0, 5.0, 9.0, 3.0])
    rays = CAMERA.intrinsics.rays(pixels) @ CAMERA.world_from_camera[:3, :3].T
    texcoords = np.column_stack([pixels / [size.width, size.height], np.ones(4)]) * depth[:, None]
    faces = np.array([[0, 2, 1], [0, 3, 2]])
    mesh = MeshData((rays * depth[:, None]).astype(np.float32), faces, texcoords, photo, np.zeros(size.shape, np.uint8))
    drawn = draw_mesh(mesh, CAMERA).colour
    is_hit = drawn[..., 3] > 0.5
    assert is_hit.sum() > 1500
    np.testing.assert_allclose(drawn[is_hit][:, :3] * 255, photo[is_hit][:, :3], atol=0.5)


def test_many_samples_soften_an_edge_to_its_covered_share():
    picture = draw_view(square(3.0, 0.5, plain((200, 200, 200), 255)), CAMERA, 4).colour
    alpha = picture[..., 3]
    assert ((alpha > 0) & (alpha < 255)).any()
    covered_px = (2 * 0.5 / 3.0 * CAMERA.intrinsics.focal_x_px) ** 2
    assert alpha.sum() / 255 == pytest.approx(covered_px, rel=0.02)


def test_nothing_in_view_gives_an_empty_picture():
    assert draw_mesh(square(-3.0, 0.5, plain((9, 9, 9), 255)), CAMERA).colour.max() == 0
