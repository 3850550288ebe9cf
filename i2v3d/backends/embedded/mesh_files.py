"""A mesh of the user's from a file, brought into our conventions: Z up, base at the origin, one texture.

Files are untrusted: size and face limits are checked, nothing but geometry and pictures is read, and a file that
is not what its suffix says gives an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.artifacts.scene import MeshData
from i2v3d.backends.embedded.atlas import compacted
from i2v3d.errors import StageError
from i2v3d.geometry.frames import WORLD_FROM_YUP, Array, transform_points

FILE_TYPES = ("glb", "gltf", "obj", "ply", "stl")
MAX_FILE_BYTES = 512 * 2**20
MAX_FACES = 2_000_000
MAX_TEXTURE_PX = 8192
# glTF says Y is up; the other formats say nothing and are mostly written Z up (STL, PLY) or Y up (OBJ).
_Y_UP = ("glb", "gltf", "obj")
# A face's colours are baked into a block this wide, its corners at texel centres; beyond this many faces, one texel.
_BLOCK = 4
_MAX_BLOCKS = 250_000
# Faces near each other in space have blocks near each other: what a far view mixes is alike.
_CELL_BITS = 12
_GREY = (200, 200, 200, 255)


@dataclass(frozen=True)
class _Part:
    """One material's share of a file: corners (faces, 3, 3) m, uv (faces, 3, 2) in texels of its own picture.

    `may_shrink`: False for a picture that holds a few texels of each face, which would run into each other.
    """

    corners: Array
    texels: Array
    picture: Array
    may_shrink: bool = False

    def halved(self) -> _Part:
        """Returns the part with a picture of half the size."""
        height, width = self.picture.shape[:2]
        small = _resized(self.picture, width // 2, height // 2)
        return replace(self, texels=self.texels * [width // 2 / width, height // 2 / height], picture=small)


class _OtherFiles(Mapping[str, bytes]):
    """Stands in for the folder of a mesh file and gives nothing: what is read must be in the step's key."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> bytes:
        self.asked.add(str(name))
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def load_mesh_file(file: Path) -> MeshData:
    """Returns the mesh in the file's own units, its base centred at the origin, Z up.

    Raises:
        StageError: The file is missing, too large, of an unknown type, not what its suffix says, or empty.
    """
    kind = file.suffix.lower().lstrip(".")
    scene = _read(file, kind)
    parts = [part for geometry in _geometries(scene, file) if (part := _part(geometry)) is not None]
    if not parts:
        raise StageError(f"{file.name}: there is no triangle in it", hint="export the object as a triangle mesh")
    return _joined(parts, is_y_up=kind in _Y_UP)


def _read(file: Path, kind: str) -> Any:  # Any: a trimesh scene
    import trimesh

    if kind not in FILE_TYPES:
        raise StageError(f"{file.name}: unknown mesh type `.{kind}`", hint=f"give one of {', '.join(FILE_TYPES)}")
    if not file.is_file():
        raise StageError(f"{file.name}: no such file")
    size = file.stat().st_size
    if size > MAX_FILE_BYTES:
        raise StageError(f"{file.name}: {size / 2**20:.0f} MiB is over the limit of {MAX_FILE_BYTES // 2**20} MiB")
    others = _OtherFiles()
    try:
        with file.open("rb") as stream:
            scene = trimesh.load_scene(stream, file_type=kind, resolver=others, allow_remote=False)
    except Exception as error:  # a parser of a foreign format may fail in any way
        if not others.asked:
            raise StageError(
                f"{file.name}: can't be read as .{kind}: it is damaged, or something else",
                hint="export it again, best as binary glTF (.glb)",
            ) from error
    if others.asked:
        raise StageError(
            f"{file.name}: names other files ({', '.join(sorted(others.asked))})",
            hint="only self-contained mesh files are read; export it as binary glTF (.glb)",
        )
    return scene


def _geometries(scene: Any, file: Path) -> list[Any]:
    """Returns the scene's triangle meshes with their transforms applied, checked against the limit."""
    import trimesh

    found = []
    total = 0
    for node in sorted(scene.graph.nodes_geometry):
        transform, geometry_name = scene.graph[node]
        geometry = scene.geometry[geometry_name]
        if not isinstance(geometry, trimesh.Trimesh):
            continue
        total += len(geometry.faces)
        if total > MAX_FACES:
            raise StageError(
                f"{file.name}: more than {MAX_FACES:,} faces", hint="decimate it first, for example in Blender"
            )
        moved = geometry.copy()
        moved.apply_transform(transform)
        found.append(moved)
    return found


def _part(geometry: Any) -> _Part | None:
    corners = np.asarray(geometry.vertices, np.float64)[geometry.faces]
    finite = np.isfinite(corners).all(axis=(1, 2))
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    kept = finite & (area > 0)
    if not kept.any():
        return None
    corners = corners[kept]
    picture, uv = _picture_and_uv(geometry.visual)
    if picture is not None and uv is not None:
        return _textured(corners, uv[geometry.faces][kept], picture)
    return _coloured(corners, _corner_colours(geometry)[kept])


def _picture_and_uv(visual: Any) -> tuple[Array | None, Array | None]:
    uv = getattr(visual, "uv", None)
    material = getattr(visual, "material", None)
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if uv is None or image is None:
        return None, None
    if max(image.size) > MAX_TEXTURE_PX:
        image.thumbnail((MAX_TEXTURE_PX, MAX_TEXTURE_PX))
    picture = np.asarray(image.convert("RGBA")).astype(np.float32)
    factor = getattr(material, "baseColorFactor", None)
    if factor is not None:
        picture = picture * (np.asarray(factor, np.float32) / 255)
    if getattr(material, "alphaMode", None) in (None, "OPAQUE"):
        picture[..., 3] = 255
    return picture.round().astype(np.uint8), np.asarray(uv, np.float64)


def _textured(corners: Array, uv: Array, picture: Array) -> _Part:
    """Returns a part whose repeated texture is laid out as often as a face needs it (up to eight times a side)."""
    uv = uv - np.floor(uv.min(axis=1, keepdims=True) + 1e-6)
    repeats = np.clip(np.ceil(uv.max(axis=(0, 1)) - 1e-6), 1, 8).astype(int)
    most_width, most_height = (MAX_TEXTURE_PX // int(count) for count in repeats)
    if picture.shape[1] > most_width or picture.shape[0] > most_height:
        picture = _resized(picture, min(picture.shape[1], most_width), min(picture.shape[0], most_height))
    height, width = picture.shape[:2]
    tiled = np.tile(picture, (int(repeats[1]), int(repeats[0]), 1))
    # v grows upwards in trimesh, rows grow downwards.
    texels = np.stack([uv[..., 0] * width, (repeats[1] - uv[..., 1]) * height], axis=-1)
    return _Part(corners, texels, tiled, may_shrink=True)


def _resized(picture: Array, width: int, height: int) -> Array:
    from PIL import Image as Pillow

    return np.asarray(Pillow.fromarray(picture).resize((width, height), Pillow.Resampling.BOX))


def _corner_colours(geometry: Any) -> Array:
    """Returns uint8 (faces, 3, 4): vertex colours, face colours, the material's colour, or grey."""
    visual = geometry.visual
    count = len(geometry.faces)
    if visual.kind == "vertex":
        return np.asarray(visual.vertex_colors, np.uint8)[geometry.faces]
    if visual.kind == "face":
        return np.repeat(np.asarray(visual.face_colors, np.uint8)[:, None], 3, axis=1)
    main = getattr(getattr(visual, "material", None), "main_color", None)
    colour = np.asarray(_GREY if main is None else main, np.uint8)
    return np.broadcast_to(colour, (count, 3, 4)).copy()


def _coloured(corners: Array, colours: Array) -> _Part:
    """Returns a part with its corner colours baked into a picture, faces near each other side by side."""
    if (colours == colours[:1, :1]).all():
        return _Part(corners, np.full((*corners.shape[:2], 2), 2.0), np.broadcast_to(colours[0, 0], (4, 4, 4)).copy())
    block = _BLOCK if len(corners) <= _MAX_BLOCKS else 1
    if block == 1:
        tiles = colours.astype(np.float32).mean(axis=1)[:, None, None]
        inner = np.full((3, 2), 0.5)
    else:
        share = np.arange(block) / (block - 1)
        along, down = np.meshgrid(share, share)
        weights = np.stack([1 - along - down, along, down], axis=-1)
        tiles = np.einsum("yxk,fkc->fyxc", weights, colours.astype(np.float32))
        tiles = tiles.clip(colours.min(axis=1)[:, None, None], colours.max(axis=1)[:, None, None])
        inner = np.array([[0.5, 0.5], [block - 0.5, 0.5], [0.5, block - 0.5]])
    order = np.argsort(_cell_numbers(corners.mean(axis=1)), kind="stable")
    columns, rows = _along_z(np.arange(len(order)))
    # Blocks that stay empty have the last face's colour: seen from afar, a face's neighbours mix in.
    grid = np.broadcast_to(tiles[order[-1]], (rows.max() + 1, columns.max() + 1, block, block, 4)).round()
    grid = grid.astype(np.uint8)
    grid[rows, columns] = tiles[order].round().astype(np.uint8)
    height, width = grid.shape[:2]
    first = np.zeros((len(order), 2))
    first[order] = np.stack([columns, rows], axis=1) * block
    return _Part(corners, first[:, None] + inner, grid.swapaxes(1, 2).reshape(height * block, width * block, 4))


def _cell_numbers(points: Array) -> Array:
    """Returns a number per point, (n, 3), along a Z-order curve through space: points near in it are near."""
    low, extent = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-12)
    cells = ((points - low) / extent * (2**_CELL_BITS - 1)).astype(np.int64)
    numbers = np.zeros(len(points), np.int64)
    for bit in range(_CELL_BITS):
        for axis in range(3):
            numbers |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return numbers


def _along_z(numbers: Array) -> tuple[Array, Array]:
    """Returns (column, row) of each number along a Z-order curve through a picture's blocks."""
    columns, rows = np.zeros_like(numbers), np.zeros_like(numbers)
    for bit in range(int(numbers.max()).bit_length() // 2 + 1):
        columns |= ((numbers >> (2 * bit)) & 1) << bit
        rows |= ((numbers >> (2 * bit + 1)) & 1) << bit
    return columns, rows


def _joined(parts: list[_Part], *, is_y_up: bool) -> MeshData:
    """Returns one mesh over one texture, in which the parts' pictures lie side by side."""
    parts = _fitted(parts)
    places = _places(parts)
    height, width = _atlas_size(parts, places)
    texture = np.zeros((height, width, 4), np.uint8)
    texels = []
    for part, (left, top) in zip(parts, places, strict=True):
        rows, columns = part.picture.shape[:2]
        texture[top : top + rows, left : left + columns] = part.picture
        texels.append(part.texels + np.array([left, top]))
    corners = np.concatenate([part.corners for part in parts]).reshape(-1, 3)
    if is_y_up:
        corners = transform_points(WORLD_FROM_YUP, corners)
    low, high = corners.min(axis=0), corners.max(axis=0)
    corners = corners - [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]
    uv = np.concatenate(texels).reshape(-1, 2) / [width, height]
    rows_of = np.concatenate([corners, uv], axis=1).astype(np.float32)
    unique, inverse = np.unique(rows_of, axis=0, return_inverse=True)
    texcoords = np.concatenate([unique[:, 3:], np.ones((len(unique), 1), np.float32)], axis=1)
    faces = inverse.reshape(-1, 3)
    return compacted(MeshData(unique[:, :3], faces, texcoords, texture, np.zeros((height, width), np.uint8)))


def _fitted(parts: list[_Part]) -> list[_Part]:
    """Returns the parts with pictures halved, the largest first, until all fit into one texture.

    Raises:
        StageError: They don't fit at any size.
    """
    parts = list(parts)
    while max(_atlas_size(parts, _places(parts))) > MAX_TEXTURE_PX:
        largest = max(range(len(parts)), key=lambda index: parts[index].may_shrink * parts[index].picture.size)
        if not parts[largest].may_shrink or min(parts[largest].picture.shape[:2]) < 4:
            raise StageError("the mesh has too many materials for one texture", hint="join some of its materials")
        parts[largest] = parts[largest].halved()
    return parts


def _places(parts: list[_Part]) -> list[tuple[int, int]]:
    """Returns (left, top) of each picture: one below the other, in as many columns as that takes."""
    places, left, top, column_width = [], 0, 0, 0
    for part in parts:
        rows, columns = part.picture.shape[:2]
        if top > 0 and top + rows > MAX_TEXTURE_PX:
            left, top, column_width = left + column_width, 0, 0
        places.append((left, top))
        top, column_width = top + rows, max(column_width, columns)
    return places


def _atlas_size(parts: list[_Part], places: list[tuple[int, int]]) -> tuple[int, int]:
    """Returns height and width of a texture that holds the pictures at these places."""
    ends = [
        (top + part.picture.shape[0], left + part.picture.shape[1])
        for part, (left, top) in zip(parts, places, strict=True)
    ]
    return max(end[0] for end in ends), max(end[1] for end in ends)
