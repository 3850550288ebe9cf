"""4x4 JSON with OpenCV axes; reads our own `cameras.json` and bare lists of matrices, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from i2v3d.geometry.camera_files.path import (
    MATRICES,
    NOMINAL,
    OPENCV_AXES,
    PIXELS,
    WORLD,
    CameraFileError,
    CameraPath,
    checked_lens,
    checked_pose,
    make_path,
    read_frames,
    read_rate,
    rows,
    write_json,
)
from i2v3d.geometry.frames import Camera

FILE_NAME = "cameras.json"
CONVENTIONS = {"world": WORLD, "camera": OPENCV_AXES, "pixels": PIXELS, "matrices": MATRICES, "frames": "from zero"}


def write(folder: Path, path: CameraPath) -> None:
    """Writes `cameras.json`."""
    frames = [
        {
            "frame": index,
            "time_s": time_s,
            "resolution": {"width": k.resolution.width, "height": k.resolution.height},
            "image_from_camera": rows(k.matrix),
            "world_from_camera": rows(camera.world_from_camera),
        }
        for index, (camera, time_s) in enumerate(zip(path.cameras, path.times_s, strict=True))
        for k in (camera.intrinsics,)
    ]
    write_json(folder / FILE_NAME, {"conventions": CONVENTIONS, "fps": path.fps, "frames": frames})


def read(file: Path, _camera: str = "") -> CameraPath:
    """Reads `{"frames": [{"world_from_camera": 4x4, "image_from_camera": 3x3, "time_s"}]}` or a list of 4x4.

    Raises:
        CameraFileError: Neither of these.
    """
    whole, frames = read_frames(file, "`opengl` or `unreal`")
    cameras, lenses, times = [], 0, []
    for index, frame in enumerate(frames):
        where = f"frame {index}"
        entry = frame if isinstance(frame, dict) else {"world_from_camera": frame}
        entry = {**entry, **entry["opencv"]} if isinstance(entry.get("opencv"), dict) else entry
        if "world_from_camera" not in entry:
            raise CameraFileError(f"{file.name}: {where}: it has no `world_from_camera`")
        pose = checked_pose(file, where, entry["world_from_camera"])
        lens = _lens(file, where, entry, entry.get("resolution") or whole.get("resolution"))
        lenses += lens is not NOMINAL
        cameras.append(Camera(lens, pose))
        times.append(entry.get("time_s"))
    return make_path(file, cameras, times, fps=read_rate(file, whole), has_lens=lenses == len(cameras))


def _lens(file: Path, where: str, entry: Any, resolution: Any) -> Any:  # Any: JSON
    if "image_from_camera" not in entry or not isinstance(resolution, dict):
        return NOMINAL
    try:
        k = entry["image_from_camera"]
        lens = (k[0][0], k[1][1], k[0][2], k[1][2])
        size = (resolution["width"], resolution["height"])
        return checked_lens(file, where, lens, size)
    except (TypeError, ValueError, LookupError) as error:
        raise CameraFileError(f"{file.name}: {where}: `image_from_camera` is no 3x3 matrix with a size") from error
