"""Camera paths of other programs, read and written: one module a format, each saying its axes and units.

Inside, a path is a `CameraPath`: OpenCV cameras in our world (right-handed, Z up, metres). `.blend` needs
Blender and is in `i2v3d.blender.camera_paths`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from i2v3d.errors import UsageError
from i2v3d.geometry.camera_files import colmap, gltf, opencv, opengl, realestate10k, unreal
from i2v3d.geometry.camera_files.path import CameraFileError, CameraPath


@dataclass(frozen=True)
class Format:
    """How a format is read and written.

    Attributes:
        title: Its axes in a few words.
        file_name: What `write` makes in a folder; COLMAP makes two files.
        read: From a file (or folder) and the name of a camera, empty for the first.
        write: Into an existing folder.
    """

    title: str
    file_name: str
    read: Callable[[Path, str], CameraPath]
    write: Callable[[Path, CameraPath], None]


FORMATS: Mapping[str, Format] = {
    "opencv": Format("4x4 JSON, x right, y down, z forward, metres", opencv.FILE_NAME, opencv.read, opencv.write),
    "opengl": Format("4x4 transforms.json, y up, z backward, metres", opengl.FILE_NAME, opengl.read, opengl.write),
    "colmap": Format("cameras.txt and images.txt, camera from world", colmap.FILE_NAME, colmap.read, colmap.write),
    "realestate10k": Format(
        "text, camera from world, normalised lens", realestate10k.FILE_NAME, realestate10k.read, realestate10k.write
    ),
    "unreal": Format("JSON, left-handed, X forward, centimetres", unreal.FILE_NAME, unreal.read, unreal.write),
    "glb": Format("binary glTF with an animated camera, Y up, metres", gltf.FILE_NAME, gltf.read, gltf.write),
}
"""By name; `blend` beside these."""

NAMES = (*FORMATS, "blend")


def guess_format(file: Path) -> str:
    """Returns the format that a file's name, and for JSON and text its content, speak for.

    Raises:
        CameraFileError: None is likely.
    """
    if file.is_dir() or file.name in ("images.txt", "cameras.txt"):
        return "colmap"
    suffix = file.suffix.lower()
    if suffix in (".glb", ".blend"):
        return suffix[1:]
    if suffix == ".txt":
        return "realestate10k"
    if suffix == ".json":
        text = file.read_text(encoding="utf-8", errors="replace")
        if "location_cm" in text or '"cam01"' in text:
            return "unreal"
        return "opengl" if "transform_matrix" in text else "opencv"
    raise CameraFileError(f"{file.name}: what camera format this is can't be told from its name", "say which")


def read_cameras(file: Path, name: str, camera: str = "") -> CameraPath:
    """Returns the cameras of a file of the format of this name.

    Raises:
        CameraFileError: The file is not of this format, or holds no camera.
    """
    try:
        return FORMATS[name].read(file, camera)
    except UnicodeDecodeError as error:
        raise CameraFileError(f"{file.name}: not text, so not {name}", "say another format") from error
    except OSError as error:
        raise CameraFileError(f"{file.name}: can't be read: {error.strerror}") from error


def write_cameras(folder: Path, name: str, path: CameraPath) -> Path:
    """Writes the cameras into a folder, which is made, and returns the file to read them from.

    Raises:
        UsageError: The folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        FORMATS[name].write(folder, path)
    except OSError as error:
        raise UsageError(f"{folder}: can't be written: {error.strerror}") from error
    return folder / FORMATS[name].file_name


def summary(file: Path, name: str, path: CameraPath) -> str:
    """Returns a line on what was written, for people."""
    first = path.cameras[0].world_from_camera[:3, 3]
    last = path.cameras[-1].world_from_camera[:3, 3]
    axes = FORMATS[name].title if name in FORMATS else "y up, z backward, metres"
    places = " to ".join(f"({x:.3g}, {y:.3g}, {z:.3g})" for x, y, z in (first, last))
    lens = "" if path.has_lens else "; it says nothing of the lens"
    return (
        f"{file}: {len(path.cameras)} cameras at {path.fps:.5g} a second, from {places} in i2v3d's world ({axes}){lens}"
    )


__all__ = [
    "FORMATS",
    "NAMES",
    "CameraFileError",
    "CameraPath",
    "Format",
    "guess_format",
    "read_cameras",
    "summary",
    "write_cameras",
]
