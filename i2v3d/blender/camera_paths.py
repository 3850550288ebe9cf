"""Camera paths in .blend files, read and written by a Blender of their own; and one door to all formats."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2v3d.blender.run import run_script
from i2v3d.blender.script import write_lib
from i2v3d.geometry.camera_files import read_cameras, write_cameras
from i2v3d.geometry.camera_files.path import CameraFileError, checked_lens, checked_pose, make_path
from i2v3d.geometry.frames import Camera, blender_camera_pose, opencv_camera_pose
from i2v3d.resources import templates_dir

if TYPE_CHECKING:
    from i2v3d.geometry.camera_files import CameraPath

BLEND_NAME = "cameras.blend"
_TIMEOUT_S = 900.0


def read_any(file: Path, name: str, camera: str = "", *, work_dir: Path | None = None) -> CameraPath:
    """Returns the cameras of a file of this format.

    Args:
        file: The file; a folder for COLMAP.
        name: One of `geometry.camera_files.NAMES`.
        camera: Which camera of a file that has several; empty for the scene's own, or the first.
        work_dir: Where Blender may write; a folder that goes again without.

    Raises:
        CameraFileError: The file is not of this format, or has no such camera.
        BlenderError: Blender could not read it.
    """
    if name != "blend":
        return read_cameras(file, name, camera)
    with tempfile.TemporaryDirectory(prefix="i2v3d_cameras_", dir=work_dir) as folder:
        found = Path(folder) / "found.json"
        named = ["--camera", camera] if camera else []
        _run(Path(folder), ["read", str(file.resolve()), str(found), *named])
        document = json.loads(found.read_text(encoding="utf-8"))
    cameras = [_camera(file, index, entry) for index, entry in enumerate(document["frames"])]
    return make_path(file, cameras, fps=document["fps"], has_lens=True)


def write_any(folder: Path, name: str, path: CameraPath) -> Path:
    """Writes the cameras in this format into a folder, which is made, and returns the file to read them from.

    Raises:
        UsageError: The folder can't be written.
        BlenderError: Blender could not write its file.
    """
    if name != "blend":
        return write_cameras(folder, name, path)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {camera.intrinsics.resolution for camera in path.cameras}
    if len(sizes) > 1:
        raise CameraFileError("a .blend has one picture size, and these cameras differ")
    frames = []
    for index, camera in enumerate(path.cameras):
        k = camera.intrinsics
        if abs(k.focal_x_px / k.focal_y_px - 1) > 1e-6:
            raise CameraFileError(f"frame {index}: Blender's camera needs square pixels")
        frames.append(
            {
                "width": k.resolution.width,
                "height": k.resolution.height,
                "focal_px": [k.focal_x_px, k.focal_y_px],
                "centre_px": [k.centre_x_px, k.centre_y_px],
                "world_from_camera": blender_camera_pose(camera.world_from_camera).tolist(),
            }
        )
    file = folder.resolve() / BLEND_NAME
    with tempfile.TemporaryDirectory(prefix="i2v3d_cameras_") as work:
        source = Path(work) / "path.json"
        source.write_text(json.dumps({"fps": path.fps, "frames": frames}), encoding="utf-8")
        _run(Path(work), ["write", str(source), str(file)])
    return file


def _run(folder: Path, arguments: list[str]) -> None:
    (folder / "lib").mkdir()
    write_lib(folder / "lib")
    script = folder / "camera_paths.py"
    shutil.copyfile(templates_dir() / "bpy" / script.name, script)
    run_script(script, arguments, work_dir=folder, timeout_s=_TIMEOUT_S)


def _camera(file: Path, index: int, entry: Any) -> Camera:  # Any: JSON
    where = f"frame {index}"
    lens = (*entry["focal_px"], *entry["centre_px"])
    pose = checked_pose(file, where, entry["world_from_camera"])
    return Camera(checked_lens(file, where, lens, (entry["width"], entry["height"])), opencv_camera_pose(pose))
