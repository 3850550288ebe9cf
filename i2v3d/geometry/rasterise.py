"""A small z-buffer in numpy: one mesh, one camera, exact texture projection and blended soft edges.

The renderers of the `render` stage draw the clip; this one draws the views that travel with a mesh, and
tests measure meshes with it without a GL context. Faces seen from behind are not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.artifacts.scene import MeshData, View
from i2v3d.geometry.frames import Array, Camera, Resolution, transform_points

# Fragments kept in memory at once; one is about 60 bytes.
_FRAGMENTS_PER_CHUNK = 2_000_000
_NEAR_M = 1e-4


@dataclass(frozen=True)
class MeshPicture:
    """A mesh as a camera sees it.

    Attributes:
        colour: float32 (height, width, 4), sRGB 0..1 with straight alpha.
        depth_m: float32 (height, width), z-depth of the nearest texel with alpha >= 0.5, +inf without one.
        is_observed: bool (height, width), True where that texel was seen in the photo.
    """

    colour: Array
    depth_m: Array
    is_observed: Array


@dataclass(frozen=True)
class _Fragments:
    pixel: Array
    depth_m: Array
    texel: Array

    def taken(self, order: Array) -> _Fragments:
        return _Fragments(self.pixel[order], self.depth_m[order], self.texel[order])


def draw_mesh(mesh: MeshData, camera: Camera) -> MeshPicture:
    """Returns the mesh seen by a camera that is given in the mesh's own frame.

    Fragments of one pixel are blended in depth order, so that soft texture edges need no sorted faces.
    """
    resolution = camera.intrinsics.resolution
    fragments = _fragments(mesh, camera)
    fragments = fragments.taken(np.lexsort((fragments.depth_m, fragments.pixel)))
    texels = _sample(mesh.texture, fragments.texel)
    observed = _sample(mesh.is_observed[..., None], fragments.texel)[:, 0] > 0.5
    count = resolution.width * resolution.height
    colour, seen_through = np.zeros((count, 3), np.float32), np.ones(count, np.float32)
    depth, is_observed = np.full(count, np.inf, np.float32), np.zeros(count, bool)
    for chosen in _layers(fragments.pixel):
        pixel, alpha = fragments.pixel[chosen], texels[chosen, 3]
        colour[pixel] += (seen_through[pixel] * alpha)[:, None] * texels[chosen, :3]
        seen_through[pixel] *= 1 - alpha
        is_first = (alpha >= 0.5) & np.isinf(depth[pixel])
        depth[pixel[is_first]] = fragments.depth_m[chosen][is_first]
        is_observed[pixel[is_first]] = observed[chosen][is_first]
    alpha = 1 - seen_through
    straight = colour / np.maximum(alpha, 1e-6)[:, None]
    return MeshPicture(
        np.concatenate([straight, alpha[:, None]], axis=1).reshape(*resolution.shape, 4),
        depth.reshape(resolution.shape),
        is_observed.reshape(resolution.shape),
    )


def draw_view(mesh: MeshData, camera: Camera, samples: int) -> View:
    """Returns what the camera sees with `samples` x `samples` samples a pixel."""
    intrinsics = camera.intrinsics
    height, width = intrinsics.resolution.shape
    fine = type(intrinsics)(
        intrinsics.focal_x_px * samples,
        intrinsics.focal_y_px * samples,
        intrinsics.centre_x_px * samples,
        intrinsics.centre_y_px * samples,
        Resolution(width * samples, height * samples),
    )
    picture = draw_mesh(mesh, Camera(fine, camera.world_from_camera))
    weighted = np.concatenate([picture.colour[..., :3] * picture.colour[..., 3:], picture.colour[..., 3:]], axis=2)
    mean = weighted.reshape(height, samples, width, samples, 4).mean(axis=(1, 3))
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
    observed = picture.is_observed.reshape(height, samples, width, samples).mean(axis=(1, 3)) >= 0.5
    return View((mean.clip(0, 1) * 255).round().astype(np.uint8), np.where(observed, 255, 0).astype(np.uint8), camera)


@dataclass(frozen=True)
class _Drawn:
    """Triangles that face the camera: image corners, the pixels to look at, and what is interpolated."""

    corners_px: Array
    first_px: Array
    sides_px: Array
    inverse_depth: Array
    texcoords: Array


def _fragments(mesh: MeshData, camera: Camera) -> _Fragments:
    """Returns one entry per covered pixel centre and front-facing triangle."""
    drawn = _drawn(mesh, camera)
    sizes = drawn.sides_px[:, 0] * drawn.sides_px[:, 1]
    parts = [_covered(part, sizes[part], drawn, camera.intrinsics.resolution.width) for part in _chunks(sizes)]
    if not parts:
        return _Fragments(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 2)))
    return _Fragments(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _drawn(mesh: MeshData, camera: Camera) -> _Drawn:
    points = transform_points(camera.camera_from_world, mesh.vertices_m.astype(np.float64))
    depth = np.maximum(points[:, 2], _NEAR_M)
    corners = ((points @ camera.intrinsics.matrix.T)[:, :2] / depth[:, None])[mesh.faces]
    edge_1, edge_2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # Rows grow downwards, so a face that is counter-clockwise to the eye has a negative area here.
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    is_drawn = (area < -1e-12) & (points[mesh.faces, 2] > _NEAR_M).all(axis=1)
    faces, corners = mesh.faces[is_drawn], corners[is_drawn]
    size = np.array(camera.intrinsics.resolution.shape[::-1])
    first = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, size).astype(np.int64)
    stop = np.clip(np.floor(corners.max(axis=1) - 0.5) + 1, 0, size).astype(np.int64)
    texcoords = mesh.texcoords[faces].astype(np.float64)
    return _Drawn(corners, first, np.maximum(stop - first, 0), 1 / depth[faces], texcoords)


def _chunks(sizes: Array) -> list[Array]:
    """Returns index arrays over the non-empty triangles, each with a bounded number of pixels."""
    wanted = np.flatnonzero(sizes > 0)
    if not len(wanted):
        return []
    chunk = np.cumsum(sizes[wanted]) // _FRAGMENTS_PER_CHUNK
    return np.split(wanted, np.flatnonzero(np.diff(chunk)) + 1)


def _covered(part: Array, sizes: Array, drawn: _Drawn, width: int) -> tuple[Array, Array, Array]:
    """Returns pixel, depth and texture place of every pixel centre inside these triangles."""
    triangle = np.repeat(part, sizes)
    offset = np.arange(len(triangle)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    column = drawn.first_px[triangle, 0] + offset % drawn.sides_px[triangle, 0]
    row = drawn.first_px[triangle, 1] + offset // drawn.sides_px[triangle, 0]
    corners = drawn.corners_px[triangle]
    centre = np.stack([column + 0.5, row + 0.5], axis=1) - corners[:, 0]
    edge_1, edge_2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    share_1 = (centre[:, 0] * edge_2[:, 1] - centre[:, 1] * edge_2[:, 0]) / area
    share_2 = (edge_1[:, 0] * centre[:, 1] - edge_1[:, 1] * centre[:, 0]) / area
    share = np.stack([1 - share_1 - share_2, share_1, share_2], axis=1)
    inside = (share >= -1e-9).all(axis=1)
    triangle, pixel = triangle[inside], (row * width + column)[inside]
    weight = share[inside] * drawn.inverse_depth[triangle]
    depth = 1 / weight.sum(axis=1)
    homogeneous = np.einsum("nk,nkc->nc", weight, drawn.texcoords[triangle])
    return pixel, depth.astype(np.float32), homogeneous[:, :2] / homogeneous[:, 2:]


def _sample(texture: Array, texel: Array) -> Array:
    """Returns float32 (fragments, channels) in 0..1, read bilinearly; alpha weighs nothing here."""
    height, width = texture.shape[:2]
    x = np.clip(texel[:, 0] * width - 0.5, 0, width - 1)
    y = np.clip(texel[:, 1] * height - 0.5, 0, height - 1)
    left, top = np.minimum(x.astype(np.int64), max(width - 2, 0)), np.minimum(y.astype(np.int64), max(height - 2, 0))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    along, down = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    upper = texture[top, left] * (1 - along) + texture[top, right] * along
    lower = texture[bottom, left] * (1 - along) + texture[bottom, right] * along
    return np.asarray((upper * (1 - down) + lower * down) / 255, np.float32)


def _layers(pixel: Array) -> list[Array]:
    """Returns, for fragments sorted by pixel and depth, the nearest of each pixel, then the second, ..."""
    if not len(pixel):
        return []
    is_start = np.concatenate([[True], np.diff(pixel) != 0])
    starts = np.flatnonzero(is_start)
    rank = np.arange(len(pixel)) - starts[np.cumsum(is_start) - 1]
    return [np.flatnonzero(rank == layer) for layer in range(int(rank.max()) + 1)]
