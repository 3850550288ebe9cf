"""COLMAP's text model: `cameras.txt` and `images.txt`, camera from world, OpenCV axes, quaternion (w, x, y, z)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from i2v3d.geometry.camera_files.path import (
    NOMINAL,
    OPENCV_AXES,
    PIXELS,
    WORLD,
    CameraFileError,
    CameraPath,
    checked_lens,
    make_path,
    number,
    numbers,
)
from i2v3d.geometry.frames import Camera, Intrinsics, invert_rigid
from i2v3d.geometry.rotations import quaternion_of, rotation_of

FILE_NAME = "images.txt"
_LENS_FILE = "cameras.txt"
_FPS = re.compile(r"fps: ([0-9.eE+-]+)")


def write(folder: Path, path: CameraPath) -> None:
    """Writes both files, and an empty `points3D.txt`, which COLMAP wants to be there."""
    stated = f"# World: {WORLD}.\n# Camera axes: {OPENCV_AXES}. Pixels: {PIXELS}.\n# fps: {number(path.fps)}\n"
    lenses: dict[Intrinsics, int] = {}
    images = []
    for index, camera in enumerate(path.cameras):
        lens_id = lenses.setdefault(camera.intrinsics, len(lenses) + 1)
        pose = camera.camera_from_world
        values = " ".join(map(number, (*quaternion_of(pose[:3, :3]), *pose[:3, 3])))
        images.append(f"{index + 1} {values} {lens_id} {index:06d}.png\n\n")
    head = "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ (camera from world), CAMERA_ID, NAME; then a line of 2D points\n"
    (folder / FILE_NAME).write_text(stated + head + "".join(images), encoding="utf-8")
    lines = [
        f"{lens_id} PINHOLE {k.resolution.width} {k.resolution.height} "
        + " ".join(map(number, (k.focal_x_px, k.focal_y_px, k.centre_x_px, k.centre_y_px)))
        for k, lens_id in lenses.items()
    ]
    head = "# CAMERA_ID, MODEL, WIDTH, HEIGHT, focal x, focal y, centre x, centre y\n"
    (folder / _LENS_FILE).write_text(stated + head + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / "points3D.txt").write_text("# no points\n", encoding="utf-8")


def read(file: Path, _camera: str = "") -> CameraPath:
    """Reads a folder of the two files, or either of them with the other beside it, in the order of picture names.

    Raises:
        CameraFileError: Not such files, or a lens with distortion.
    """
    folder = file if file.is_dir() else file.parent
    source = folder / FILE_NAME
    if not source.is_file():
        hint = "convert it: `colmap model_converter --output_type TXT`" if (folder / "images.bin").is_file() else ""
        raise CameraFileError(f"{file.name}: there is no {FILE_NAME}", hint)
    lenses = _read_lenses(folder / _LENS_FILE) if (folder / _LENS_FILE).is_file() else None
    text = source.read_text(encoding="utf-8")
    found: list[tuple[list[int | str], Camera]] = []
    skip = False
    for line_number, line in enumerate(text.splitlines(), 1):
        # Every picture has two lines, and the second, of its points, may be empty.
        if line.startswith("#") or (not skip and not line.strip()):
            continue
        if skip:
            skip = False
            continue
        skip = True
        words = line.split(maxsplit=9)
        if len(words) < 10:
            raise CameraFileError(f"{source.name}:{line_number}: {len(words)} values, not 10 as a picture has")
        values = numbers(source, line_number, words[1:8])
        if not any(values[:4]):
            raise CameraFileError(f"{source.name}:{line_number}: the quaternion is zero")
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation_of(np.array(values[:4])), values[4:]
        found.append((_natural(words[9]), Camera(_lens_of(lenses, words[8], source, line_number), invert_rigid(pose))))
    found.sort(key=lambda pair: [(isinstance(part, str), part) for part in pair[0]])
    fps = _FPS.search(text)
    rate = float(fps.group(1)) if fps else 24.0
    return make_path(source, [camera for _, camera in found], fps=rate, has_lens=lenses is not None)


def _natural(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name) if part]


def _lens_of(lenses: dict[str, Intrinsics] | None, lens_id: str, file: Path, line_number: int) -> Intrinsics:
    if lenses is None:
        return NOMINAL
    if lens_id not in lenses:
        raise CameraFileError(f"{file.name}:{line_number}: {_LENS_FILE} has no camera {lens_id}")
    return lenses[lens_id]


def _read_lenses(file: Path) -> dict[str, Intrinsics]:
    lenses: dict[str, Intrinsics] = {}
    for line_number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        words = line.split()
        where = f"line {line_number}"
        if len(words) < 4:
            raise CameraFileError(f"{file.name}:{line_number}: a camera has an id, a model, a size and its lens")
        values = numbers(file, line_number, words[2:])
        size, lens = (values[0], values[1]), values[2:]
        counts = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4, "SIMPLE_RADIAL": 4, "RADIAL": 5, "OPENCV": 8}
        if counts.get(words[1]) != len(lens):
            raise CameraFileError(f"{file.name}:{line_number}: a camera `{words[1]}` is not read here", _UNDISTORT)
        if words[1] in ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL"):
            lens, distortion = [lens[0], lens[0], *lens[1:3]], lens[3:]
        else:
            lens, distortion = lens[:4], lens[4:]
        if any(distortion):
            raise CameraFileError(f"{file.name}:{line_number}: the lens has distortion", _UNDISTORT)
        lenses[words[0]] = checked_lens(file, where, lens, size)
    return lenses


_UNDISTORT = "make pinholes of them first: `colmap image_undistorter`"
