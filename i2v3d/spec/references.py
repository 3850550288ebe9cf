"""File references of a spec: where they may lead, what kind of file must be there, how large."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.photo import PhotoFacts, read_photo_facts
from i2v3d.spec.suggest import nearest
from i2v3d.spec.units import UnitError


@dataclass(frozen=True)
class FileKind:
    """What a reference must point to.

    Attributes:
        name: `mesh`.
        suffixes: Allowed endings, lower case.
        max_bytes: Size limit.
    """

    name: str
    suffixes: tuple[str, ...]
    max_bytes: int


PICTURE = FileKind(
    "picture", (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".jfif"), 200_000_000
)
MESH = FileKind("mesh", (".glb", ".gltf", ".obj", ".ply", ".stl", ".fbx"), 200_000_000)
SEQUENCE_STEP = FileKind("mesh of a sequence", (".obj", ".ply", ".stl", ".glb"), 200_000_000)
ALEMBIC = FileKind("Alembic cache", (".abc",), 1_000_000_000)
DEPTH = FileKind("depth map", (".npy", ".png"), 400_000_000)
MOTION = FileKind("motion clip", (".bvh", ".fbx", ".glb"), 100_000_000)
RIG = FileKind("rig", (".fbx", ".glb"), 200_000_000)
FONT = FileKind("font", (".ttf", ".otf"), 50_000_000)
BLEND = FileKind("Blender file", (".blend",), 1_000_000_000)
CAMERA_PATH = FileKind("camera path", (".json", ".txt", ".glb", ".blend"), 100_000_000)


def find_file(collector: Collector, path: SpecPath, text: str, kind: FileKind) -> Path | None:
    """Returns the absolute path of a referenced file, or None after noting what is wrong with it."""
    real = _located(collector, path, text, "file")
    if real is None:
        return None
    try:
        if not real.is_file():
            collector.error(path, f"`{text}` is not a file", f"give a {kind.name}")
            return None
        problem = _kind_problem(real, real.stat().st_size, text, kind)
    except OSError as error:
        collector.error(path, f"`{text[:60]}` can't be read: {error.strerror}")
        return None
    if problem is not None:
        collector.error(path, *problem)
        return None
    return real


def find_folder(collector: Collector, path: SpecPath, text: str, what: str) -> Path | None:
    """Returns the absolute path of a referenced folder, or None after noting what is wrong with it."""
    real = _located(collector, path, text, "folder")
    if real is not None and not real.is_dir():
        collector.error(path, f"`{text}` is not a folder", f"give a {what}")
        return None
    return real


def is_reference_to(collector: Collector, path: SpecPath, text: str, file: Path) -> bool:
    """Returns whether a reference leads to this file, of which the absolute path is known."""
    try:
        return Path(os.path.normpath(_folder_of(collector, path) / text)).resolve() == file
    except (OSError, ValueError):
        return False


def _folder_of(collector: Collector, path: SpecPath) -> Path:
    """Returns the folder that a reference is relative to."""
    written_in = collector.mark(path).source.file
    return written_in.parent if written_in.is_file() else collector.root


def _located(collector: Collector, path: SpecPath, text: str, what: str) -> Path | None:
    """Returns where a reference leads, or None after noting that it leads nowhere or where it may not."""
    if not text or "\0" in text:
        collector.error(path, f"the {what} name is empty" if not text else f"the {what} name holds a zero byte")
        return None
    try:
        file = Path(os.path.normpath(_folder_of(collector, path) / text))
        real = file.resolve()
        if not _is_inside(real, (collector.root, *collector.allow_paths)):
            hint = f"put the {what} below {collector.root.name}/, or allow its folder with `--allow-path`"
            collector.error(path, f"`{text}` leads out of the spec's folder", hint)
            return None
        if not file.exists():
            collector.error(path, f"there is no {what} `{text}`", _near_file(file))
            return None
    except OSError as error:
        collector.error(path, f"`{text[:60]}` can't be read: {error.strerror}")
        return None
    return real


def find_picture(collector: Collector, path: SpecPath, text: str, what: str) -> tuple[Path, PhotoFacts] | None:
    """Returns a still picture and its facts, or None after noting what is wrong with it."""
    file = find_file(collector, path, text, PICTURE)
    if file is None:
        return None
    try:
        return file, read_photo_facts(file, what=what)
    except UnitError as error:
        collector.error(path, error.message, error.hint)
        return None


def _is_inside(file: Path, folders: tuple[Path, ...]) -> bool:
    return any(file.is_relative_to(folder.resolve()) for folder in folders)


def _near_file(file: Path) -> str:
    try:
        near = nearest(file.name, (entry.name for entry in file.parent.iterdir()))
    except OSError:
        return f"there is no folder `{file.parent.name}` either"
    return f"did you mean `{near}`?" if near else "paths are relative to the file that names them"


def _kind_problem(file: Path, size: int, text: str, kind: FileKind) -> tuple[str, str] | None:
    # Pictures are read by what they hold: a link may lead to where files have no suffixes.
    suffix = (Path(text) if kind is PICTURE else file).suffix.lower()
    if suffix not in kind.suffixes:
        return f"`{text}` is not a {kind.name}", f"give one of {', '.join(kind.suffixes)}"
    if size > kind.max_bytes:
        return f"`{text}` has {size / 1e6:.0f} MB; the limit for a {kind.name} is {kind.max_bytes / 1e6:.0f} MB", ""
    if size == 0:
        return f"`{text}` is empty", f"give a {kind.name}"
    check = _CONTENT_CHECKS.get(suffix)
    if check is not None and not check(file):
        return f"`{text}` is not a {suffix} file, whatever its name says", f"export the {kind.name} again"
    return None


def _starts_with(*magics: bytes) -> Callable[[Path], bool]:
    def check(file: Path) -> bool:
        with file.open("rb") as stream:
            return stream.read(12).startswith(magics)

    return check


def _is_glb(file: Path) -> bool:
    """The header is `glTF`, a version, and the length of the whole file, so a cut one is noticed."""
    with file.open("rb") as stream:
        header = stream.read(12)
    if len(header) < 12 or header[:4] != b"glTF":
        return False
    return int.from_bytes(header[8:12], "little") <= file.stat().st_size


def _is_gltf(file: Path) -> bool:
    try:
        return "asset" in json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        return False


_CONTENT_CHECKS: dict[str, Callable[[Path], bool]] = {
    ".glb": _is_glb,
    ".gltf": _is_gltf,
    ".ply": _starts_with(b"ply\n", b"ply\r"),
    ".npy": _starts_with(b"\x93NUMPY"),
    # A .blend may be plain, gzip or zstd.
    ".blend": _starts_with(b"BLENDER", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"),
    ".abc": _starts_with(b"Ogawa", b"\x89HDF"),
    ".fbx": _starts_with(b"Kaydara FBX", b"; FBX"),
    ".bvh": _starts_with(b"HIERARCHY"),
}
