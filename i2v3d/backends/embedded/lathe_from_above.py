"""A turned thing seen from above: a plate with a cup, bowl or pot on it, both round about upright axes.

From above, the outline of such a thing is the union of a wide circle near the ground and a smaller one higher up.
Both are fitted to the matte; the shape between them and the hollow inside are guessed. So when the thing turns
about its own axis its rims stay where they are and only the picture goes round, and it stands flat on its table.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage
from scipy.optimize import minimize

from i2v3d.artifacts.scene import MeshData
from i2v3d.backends.embedded.atlas import Layer, compacted, homogeneous_texcoords, layer_of, layered_atlas
from i2v3d.backends.embedded.outline import Canvas, Triangles, read_field
from i2v3d.backends.embedded.standing import Stand
from i2v3d.geometry.frames import Array, Camera, Resolution
from i2v3d.geometry.rasterise import draw_mesh

_PLATE_RIM_SHARE = 0.08
_FIT_PX = 200
_CIRCLE_SAMPLES = 64
_RINGS_PX = 5.0
_BASE_SHARE = 0.62
_LIP_SHARE = 0.88
_FLOOR_SHARE = 0.55
# What the matte shows within this share of the cup's radius beyond the body is level with what it touches (a rim
# that is not quite a circle); what reaches further (a spoon) is level with the plate.
_TOUCH_SHARE = 0.09
_CUP_OFFSETS = np.linspace(-0.15, 0.15, 7)
_CUP_RADII = np.linspace(0.25, 0.95, 22)
_CUP_HEIGHTS = np.linspace(0.1, 1.3, 19)
_SEARCH = {"maxiter": 400, "xatol": 1e-4, "fatol": 1e-5}
_PHOTO, _ROUND = range(2)


@dataclass(frozen=True)
class Dish:
    """Two circles in metres, object frame: the plate's rim at `plate_z_m`, the cup's at `cup_z_m`."""

    plate_x_m: float
    plate_y_m: float
    plate_radius_m: float
    cup_dx_m: float
    cup_radius_m: float
    cup_z_m: float

    @property
    def plate_z_m(self) -> float:
        """Height of the plate's rim over the table."""
        return min(_PLATE_RIM_SHARE * self.plate_radius_m, 0.5 * self.cup_z_m)


@dataclass(frozen=True)
class _Rings:
    """The profile: one circle a row, from the middle of the underside over the rims to the middle of the hollow."""

    centre_x_m: Array
    radius_m: Array
    z_m: Array


@dataclass(frozen=True)
class _Sight:
    """How far the source camera sees: the nearest depth (height, width) around each canvas pixel, and a tolerance."""

    nearest_m: Array
    slack_m: float

    def reaches(self, pixels: Array, depth_m: Array) -> Array:
        """Returns bool (...): whether points at these canvas pixels (..., 2) and depths are not hidden."""
        height, width = self.nearest_m.shape
        x = np.clip(pixels[..., 0], 0, width - 1).astype(np.int64)
        y = np.clip(pixels[..., 1], 0, height - 1).astype(np.int64)
        return np.asarray(depth_m <= self.nearest_m[y, x] + self.slack_m)


def lathe_from_above(canvas: Canvas, triangles: Triangles, stand: Stand, segments: int) -> MeshData:
    """Returns the thing and a sheet of what the matte shows beyond it, in the object's frame."""
    camera = stand.camera
    dish = fit_dish(canvas, camera)
    rings = _rings(dish, camera)
    grid = _grid(dish, rings, camera, max(segments, 128))
    faces = _grid_faces(*grid.shape[:2])
    pixels, depth = camera.project(grid)
    pixels = pixels - canvas.corner_px
    seen = draw_mesh(_plain(grid, faces), _canvas_camera(canvas, camera)).depth_m
    # On a level surface the depth of neighbouring pixels differs by about a pixel's size.
    slack = 0.03 * dish.plate_radius_m + 2 * float(np.median(depth)) / camera.intrinsics.focal_x_px
    sight = _Sight(ndimage.minimum_filter(np.where(np.isfinite(seen), seen, 1e9), 3), slack)
    is_seen = sight.reaches(pixels, depth)
    # A lone visible point among hidden ones is a chance of the tolerance.
    is_seen &= ndimage.uniform_filter(is_seen.astype(np.float32), 3, mode=("nearest", "wrap")) > 0.5
    layers = (layer_of(canvas), _unrolled(canvas, camera, grid, sight))
    count = grid.shape[0] * grid.shape[1]
    is_photo = is_seen.reshape(-1)[faces].all(axis=1) & _faces_camera(grid, faces, camera)
    sheet_px, sheet_level = _sheet(canvas, triangles, camera, seen, dish)
    sheet_m = _on_plane(camera, sheet_px + canvas.corner_px, sheet_level)
    sheet_depth = camera.project(sheet_m)[1]
    sheet_faces = np.arange(len(sheet_px)).reshape(-1, 3)
    vertices = np.concatenate([grid.reshape(-1, 3), grid.reshape(-1, 3), sheet_m])
    texcoords = np.concatenate(
        [
            homogeneous_texcoords(pixels.reshape(-1, 2), depth.reshape(-1), layers, _PHOTO),
            homogeneous_texcoords(_unrolled_px(grid.shape, canvas), np.ones(count), layers, _ROUND),
            homogeneous_texcoords(sheet_px, sheet_depth, layers, _PHOTO),
        ]
    )
    all_faces = np.concatenate([faces[is_photo], faces[~is_photo] + count, sheet_faces + 2 * count])
    return compacted(MeshData(vertices, all_faces, texcoords, *layered_atlas(layers)))


def fit_dish(canvas: Canvas, camera: Camera) -> Dish:
    """Returns the two circles whose union covers the matte best and whose upper one follows an edge."""
    factor = min(1.0, _FIT_PX / max(canvas.alpha.shape))
    small = cv2.resize(canvas.alpha, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) > 0.5
    rows, columns = np.nonzero(canvas.alpha > 0.5)
    lowest = np.array([np.median(columns[rows >= rows.max() - 2]), rows.max()]) + canvas.corner_px
    near = _on_plane(camera, lowest[None], 0.0)[0]
    scale = float(np.linalg.norm(near - camera.world_from_camera[:3, 3])) / camera.intrinsics.focal_x_px
    radius = 0.5 * float(np.ptp(columns)) * scale
    away = near[:2] - camera.world_from_camera[:2, 3]
    middle = near[:2] + away / max(float(np.linalg.norm(away)), 1e-9) * radius

    def loss(values: Array) -> float:
        return -_overlap(_dish(values, radius), canvas, camera, small, factor)

    start = np.array([middle[0] / radius, middle[1] / radius, 1.0, 0.0, 0.6, 0.5])
    simplex = np.vstack([start, start + np.diag([0.1, 0.1, 0.1, 0.05, 0.1, 0.15])])
    best = minimize(loss, start, method="Nelder-Mead", options={**_SEARCH, "initial_simplex": simplex})
    edges = _edge_strength(canvas)
    grid = np.stack(np.meshgrid(_CUP_OFFSETS, _CUP_RADII, _CUP_HEIGHTS, indexing="ij"), axis=-1).reshape(-1, 3)
    grid[:, 1:] *= best.x[2]
    starts = [np.concatenate([best.x[:3], cup]) for cup in grid]
    drawn = [_edge_share(_dish(values, radius), canvas, camera, edges) for values in starts]
    # The rim is an edge of the photo all round, and with it the two circles cover the matte.
    promising = [starts[index] for index in np.argsort(-np.array(drawn), kind="stable")[:40]]

    def rim_loss(values: Array) -> float:
        return 4 * loss(values) - _edge_share(_dish(values, radius), canvas, camera, edges)

    chosen = min(promising, key=rim_loss)
    simplex = np.vstack([chosen, chosen + np.diag([0.02, 0.02, 0.02, 0.03, 0.04, 0.05])])
    best = minimize(rim_loss, chosen, method="Nelder-Mead", options={**_SEARCH, "initial_simplex": simplex})
    return _dish(best.x, radius)


def _edge_strength(canvas: Canvas) -> Array:
    """Returns float32 (height, width) in 0..1: 1 on the photo's strong edges and near them."""
    grey = cv2.GaussianBlur(cv2.cvtColor(canvas.colour, cv2.COLOR_RGB2LAB), (0, 0), 1.5).astype(np.float32)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)).max(axis=2)
    slope = np.maximum(
        slope, cv2.GaussianBlur(255 * np.hypot(*np.gradient(canvas.alpha)).astype(np.float32), (0, 0), 1)
    )
    strong = np.clip(slope / max(float(np.percentile(slope, 97)), 1e-6), 0, 1)
    return cv2.GaussianBlur(cv2.dilate(strong, np.ones((3, 3), np.uint8)), (0, 0), 1.0)


def _edge_share(dish: Dish, canvas: Canvas, camera: Camera, edges: Array) -> float:
    pixels, depth = camera.project(_circle(dish, "cup", 1.0))
    if (depth <= 0).any():
        return 0.0
    at = pixels - canvas.corner_px
    is_on_canvas = ((at >= 0) & (at < np.array(edges.shape[::-1]))).all(axis=1)
    return float((read_field(edges, at) * is_on_canvas).mean())


def _dish(values: Array, unit_m: float) -> Dish:
    x, y, plate, dx, cup, z = (float(value) * unit_m for value in values)
    return Dish(x, y, max(plate, 0.1 * unit_m), dx, max(cup, 0.05 * unit_m), max(z, 0.02 * unit_m))


def _circle(dish: Dish, which: str, share: float) -> Array:
    angle = np.linspace(0, 2 * np.pi, _CIRCLE_SAMPLES, endpoint=False)
    is_cup = which == "cup"
    radius = share * (dish.cup_radius_m if is_cup else dish.plate_radius_m)
    x = dish.plate_x_m + (dish.cup_dx_m if is_cup else 0.0) + radius * np.cos(angle)
    z = np.full_like(angle, dish.cup_z_m if is_cup else dish.plate_z_m)
    return np.stack([x, dish.plate_y_m + radius * np.sin(angle), z], axis=1)


def _overlap(dish: Dish, canvas: Canvas, camera: Camera, is_thing: Array, factor: float) -> float:
    union = np.zeros(is_thing.shape, np.uint8)
    for which in ("plate", "cup"):
        pixels, depth = camera.project(_circle(dish, which, 1.0))
        if (depth <= 0).any():
            return 0.0
        at = (pixels - canvas.corner_px) * factor - 0.5
        cv2.fillPoly(union, [np.round(np.clip(at, -2000, 2000) * 64).astype(np.int32)], (1,), shift=6)
    shared = np.count_nonzero((union > 0) & is_thing)
    return shared / np.count_nonzero((union > 0) | is_thing)


def _rings(dish: Dish, camera: Camera) -> _Rings:
    """Returns the profile, finely divided: underside, plate, outside of the cup, lip, hollow."""
    plate, cup, rim, top = dish.plate_radius_m, dish.cup_radius_m, dish.plate_z_m, dish.cup_z_m
    base = min(_BASE_SHARE * cup, 0.8 * plate)
    well = 0.4 * rim
    up = np.linspace(0, 1, 9)
    wall = np.stack([base + (cup - base) * np.sqrt(1 - (1 - up) ** 2), well + (top - well) * up, np.ones(9)], axis=1)
    floor = top * (1 - _FLOOR_SHARE)
    hollow = np.stack(
        [cup * (_LIP_SHARE - 0.2 * up**1.5), top - (top - floor) * np.sqrt(1 - (1 - up) ** 2), np.ones(9)], axis=1
    )
    corners = np.concatenate(
        [
            [[1e-6 * plate, 0, 0], [0.55 * plate, 0, 0], [plate, rim, 0], [0.985 * plate, rim, 0]],
            [[min(1.3 * base, 0.9 * plate), well, 0.5]],
            wall,
            hollow,
            [[1e-6 * plate, floor, 1]],
        ]
    )
    middle = np.array([dish.plate_x_m, dish.plate_y_m, 0.5 * top])
    metre_px = camera.intrinsics.focal_x_px / float(np.linalg.norm(middle - camera.world_from_camera[:3, 3]))
    length = np.linalg.norm(np.diff(corners[:, :2], axis=0), axis=1) * metre_px
    pieces = [
        np.linspace(start, stop, max(1, round(size / _RINGS_PX)), endpoint=False)
        for start, stop, size in zip(corners[:-1], corners[1:], length, strict=True)
    ]
    profile = np.concatenate([*pieces, corners[-1:]])
    return _Rings(dish.plate_x_m + dish.cup_dx_m * profile[:, 2], profile[:, 0], profile[:, 1])


def _grid(dish: Dish, rings: _Rings, camera: Camera, segments: int) -> Array:
    """Returns (rings, segments + 1, 3) points; the first and last column are one line, away from the camera."""
    behind = np.arctan2(
        dish.plate_y_m - camera.world_from_camera[1, 3], dish.plate_x_m - camera.world_from_camera[0, 3]
    )
    angle = behind + np.linspace(0, 2 * np.pi, segments + 1)
    cos, sin = np.cos(angle), np.sin(angle)
    cos[-1], sin[-1] = cos[0], sin[0]
    x = rings.centre_x_m[:, None] + rings.radius_m[:, None] * cos
    y = dish.plate_y_m + rings.radius_m[:, None] * sin
    return np.stack([x, y, np.broadcast_to(rings.z_m[:, None], x.shape)], axis=-1)


def _grid_faces(rows: int, columns: int) -> Array:
    """Returns faces that are counter-clockwise from outside; rows go up and inwards, columns counter-clockwise."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)])


def _plain(grid: Array, faces: Array) -> MeshData:
    white = np.full((2, 2, 4), 255, np.uint8)
    texcoords = np.broadcast_to([0.5, 0.5, 1.0], (grid.shape[0] * grid.shape[1], 3))
    return MeshData(grid.reshape(-1, 3), faces, texcoords, white, white[..., 0])


def _canvas_camera(canvas: Canvas, camera: Camera) -> Camera:
    height, width = canvas.alpha.shape
    window = camera.intrinsics.window(canvas.left_px, canvas.top_px, Resolution(width, height))
    return Camera(window, camera.world_from_camera)


def _faces_camera(grid: Array, faces: Array, camera: Camera) -> Array:
    corner = grid.reshape(-1, 3)[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return np.einsum("nc,nc->n", normal, camera.world_from_camera[:3, 3] - corner[:, 0]) > 0


def _unrolled_px(shape: tuple[int, ...], canvas: Canvas) -> Array:
    """Returns canvas pixels (points, 2) of the grid unrolled over the canvas: angle to the right, profile down."""
    height, width = canvas.alpha.shape
    column = 0.5 + np.arange(shape[1]) / (shape[1] - 1) * (width - 1)
    row = 0.5 + np.arange(shape[0]) / (shape[0] - 1) * (height - 1)
    return np.stack(np.broadcast_arrays(column[None], row[:, None]), axis=-1).reshape(-1, 2)


def _unrolled(canvas: Canvas, camera: Camera, grid: Array, sight: _Sight) -> Layer:
    """Returns the surface by angle and profile, gaps filled round the axis.

    It is transparent where the matte is: nothing of the thing was where the photo shows something else.
    """
    height, width = canvas.alpha.shape
    column = np.linspace(0, grid.shape[1] - 1, width, dtype=np.float32)
    row = np.linspace(0, grid.shape[0] - 1, height, dtype=np.float32)
    columns, rows = np.meshgrid(column, row)
    places = cv2.remap(grid.astype(np.float32), columns, rows, cv2.INTER_LINEAR)
    pixels, depth = camera.project(places.astype(np.float64))
    at = (pixels - canvas.corner_px).astype(np.float32)
    colour = cv2.remap(
        canvas.colour, at[..., 0] - 0.5, at[..., 1] - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    solid = cv2.remap(canvas.alpha, at[..., 0] - 0.5, at[..., 1] - 0.5, cv2.INTER_LINEAR)
    is_known = sight.reaches(at, depth) & (solid > 0.95)
    # Gaps are filled from a little further in: next to what hides a surface, the hider's colour bleeds over.
    is_shown = ndimage.binary_erosion(is_known, border_value=1)
    is_known = ndimage.binary_erosion(is_known, iterations=4, border_value=1)
    filled = np.zeros((height, width, 3), np.float32)
    has_row = is_known.mean(axis=1) > 0.05
    for row in np.flatnonzero(has_row):
        known = np.flatnonzero(is_known[row])
        for channel in range(3):
            filled[row, :, channel] = np.interp(
                np.arange(width), known, colour[row, known, channel].astype(np.float32), period=width
            )
    if has_row.any():
        nearest = ndimage.distance_transform_edt(~has_row, return_distances=False, return_indices=True)[0]
        filled = filled[nearest]
    else:
        filled[:] = canvas.colour[canvas.alpha > 0.5].mean(axis=0)
    filled = np.where(is_shown[..., None], colour, cv2.GaussianBlur(filled, (0, 0), 0.8))
    return Layer(
        filled.clip(0, 255).round().astype(np.uint8),
        (solid * 255).round().astype(np.uint8),
        np.zeros((height, width), bool),
    )


def _sheet(canvas: Canvas, triangles: Triangles, camera: Camera, seen: Array, dish: Dish) -> tuple[Array, Array]:
    """Returns canvas pixels (3 a face, 2) and levels in metres of what the matte shows beyond the body.

    Every face is level and has corners of its own: where the sheet steps from cup to plate it may tear when
    the thing turns, which is better than a stretched flap.
    """
    is_body = np.isfinite(seen)
    rays = camera.intrinsics.rays(_pixel_centres(canvas)) @ camera.world_from_camera[:3, :3].T
    height_map = camera.world_from_camera[2, 3] + np.where(is_body, seen, 0) * rays[..., 2]
    gap, nearest = ndimage.distance_transform_edt(~is_body, return_indices=True)
    rim = camera.project(_circle(dish, "cup", 1.0))[0]
    touch = max(3, round(_TOUCH_SHARE * float(np.ptp(rim[:, 0])) / 2))
    far = ndimage.binary_dilation((gap > touch) & (canvas.alpha > 0.2), iterations=touch)
    level = np.where(far, dish.plate_z_m, height_map[nearest[0], nearest[1]])
    inner = ndimage.binary_erosion(is_body, iterations=3).astype(np.float32)
    is_hidden = read_field(inner, triangles.points_px) > 0.99
    faces = np.concatenate([triangles.body, triangles.fringe])
    faces = faces[~is_hidden[faces].all(axis=1)]
    middle_level = read_field(level, triangles.points_px[faces].mean(axis=1))
    return triangles.points_px[faces].reshape(-1, 2), np.repeat(middle_level, 3)


def _pixel_centres(canvas: Canvas) -> Array:
    height, width = canvas.alpha.shape
    x, y = np.meshgrid(np.arange(width) + 0.5 + canvas.left_px, np.arange(height) + 0.5 + canvas.top_px)
    return np.stack([x, y], axis=-1)


def _on_plane(camera: Camera, photo_px: Array, z_m: Array | float) -> Array:
    """Returns the points (n, 3) where rays through photo pixels meet a level plane."""
    rays = camera.intrinsics.rays(photo_px) @ camera.world_from_camera[:3, :3].T
    eye = camera.world_from_camera[:3, 3]
    return eye + rays * ((z_m - eye[2]) / rays[..., 2])[..., None]
