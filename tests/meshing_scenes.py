"""Small made-up objects with a camera and a place, for the tests of meshing."""

from __future__ import annotations

import numpy as np

from i2v3d.artifacts.scene import MeshData, ObjectRest, SolvedLayout
from i2v3d.geometry.frames import Array, Camera, Intrinsics, Resolution, level_camera_pose
from i2v3d.geometry.rasterise import draw_mesh

SIZE = Resolution(160, 120)


def layout_with(contact_px: tuple[float, float], *, pitch_rad: float = 0.0, height_m: float = 1.6) -> SolvedLayout:
    """Returns a layout whose only object `thing` stands where the ray through `contact_px` meets the ground."""
    pose = level_camera_pose(height_m, pitch_rad)
    camera = Camera(Intrinsics.from_fov(np.radians(45), SIZE), pose)
    ray = pose[:3, :3] @ camera.intrinsics.rays(np.array(contact_px))
    depth = float(-height_m / ray[2])
    world_from_object = np.eye(4)
    world_from_object[:3, 3] = pose[:3, 3] + ray * depth
    rest = ObjectRest(world_from_object, 1.0, contact_px[1], depth)
    return SolvedLayout(camera, 60.0, 1.0, {}, {"thing": rest})


def coloured(alpha: Array) -> Array:
    """Returns a cut-out uint8 (height, width, 4) with a smooth coloured pattern under this alpha (0..1)."""
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]]
    colour = np.stack([128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), 60 + x % 120], axis=-1)
    return np.dstack([colour, alpha * 255]).clip(0, 255).round().astype(np.uint8)


def disc(centre: tuple[float, float], radius: float, soft_px: float = 2.0) -> Array:
    """Returns alpha (height, width) of a disc with a soft edge."""
    y, x = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    return np.clip((radius - np.hypot(x - centre[0], y - centre[1])) / soft_px + 0.5, 0, 1)


def rectangle(left: int, top: int, right: int, bottom: int) -> Array:
    """Returns hard alpha (height, width) of a rectangle."""
    alpha = np.zeros(SIZE.shape)
    alpha[top:bottom, left:right] = 1
    return alpha


def source_camera_of(layout: SolvedLayout) -> Camera:
    """Returns the layout's camera in the frame of `thing`."""
    moved = np.array(layout.camera.world_from_camera)
    moved[:3, 3] -= layout.objects["thing"].world_from_object[:3, 3]
    return Camera(layout.camera.intrinsics, moved)


def compare_with_photo(mesh: MeshData, layout: SolvedLayout, cut_out: Array) -> tuple[float, float]:
    """Returns the mean absolute colour difference (of 255) inside alpha > 0.9, and the silhouettes' IoU."""
    drawn = draw_mesh(mesh, source_camera_of(layout)).colour
    alpha = cut_out[..., 3] / 255
    error = np.abs(drawn[..., :3] * drawn[..., 3:] * 255 - cut_out[..., :3])[alpha > 0.9].mean()
    ours, theirs = drawn[..., 3] >= 0.5, alpha >= 0.5
    return float(error), float((ours & theirs).sum() / (ours | theirs).sum())
