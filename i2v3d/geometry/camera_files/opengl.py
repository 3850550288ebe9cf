"""4x4 JSON with OpenGL axes, as NeRF tools have it (`transforms.json`): world from camera, y up, z backward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from i2v3d.geometry.camera_files.path import (
    MATRICES,
    NOMINAL,
    OPENGL_AXES,
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
from i2v3d.geometry.frames import OPENCV_FROM_OPENGL, Camera, Intrinsics, Resolution

FILE_NAME = "transforms.json"
CONVENTIONS = {"world": WORLD, "camera": OPENGL_AXES, "pixels": PIXELS, "matrices": MATRICES}


def write(folder: Path, path: CameraPath) -> None:
    """Writes `transforms.json`, the lens with every frame because it may zoom."""
    frames = [
        {
            "file_path": f"{index:06d}.png",
            "time": time_s,
            "transform_matrix": rows(camera.world_from_camera @ OPENCV_FROM_OPENGL),
            "fl_x": k.focal_x_px,
            "fl_y": k.focal_y_px,
            "cx": k.centre_x_px,
            "cy": k.centre_y_px,
            "w": k.resolution.width,
            "h": k.resolution.height,
        }
        for index, (camera, time_s) in enumerate(zip(path.cameras, path.times_s, strict=True))
        for k in (camera.intrinsics,)
    ]
    write_json(
        folder / FILE_NAME,
        {"conventions": CONVENTIONS, "camera_model": "OPENCV", "fps": path.fps, "frames": frames},
    )


def read(file: Path, _camera: str = "") -> CameraPath:
    """Reads frames with `transform_matrix`; the lens from the frame, or from the top, as focal length or angle.

    Our own `cameras.json` has these axes too, under `opengl`, and a bare list of 4x4 is taken as such.

    Raises:
        CameraFileError: None of these.
    """
    whole, frames = read_frames(file, "`opencv` or `unreal`")
    cameras, lenses, times = [], 0, []
    for index, frame in enumerate(frames):
        where = f"frame {index}"
        entry = frame if isinstance(frame, dict) else {"transform_matrix": frame}
        own = entry.get("opengl")
        matrix = own.get("world_from_camera") if isinstance(own, dict) else entry.get("transform_matrix")
        if matrix is None:
            raise CameraFileError(f"{file.name}: {where}: it has no `transform_matrix`")
        lens = _lens(file, where, {**whole, **entry})
        lenses += lens is not NOMINAL
        cameras.append(Camera(lens, checked_pose(file, where, matrix) @ OPENCV_FROM_OPENGL))
        times.append(entry.get("time", entry.get("time_s")))
    return make_path(file, cameras, times, fps=read_rate(file, whole), has_lens=lenses == len(cameras))


def _lens(file: Path, where: str, values: Any) -> Intrinsics:  # Any: JSON
    try:
        if "fl_x" not in values and "camera_angle_x" not in values:
            return NOMINAL
        width, height = float(values.get("w", 1280)), float(values.get("h", 720))
        if "fl_x" not in values:
            size = Resolution(round(width), round(height))
            return Intrinsics.from_fov(float(values["camera_angle_x"]), size)
        focal = float(values["fl_x"])
        lens = (focal, values.get("fl_y", focal), values.get("cx", width / 2), values.get("cy", height / 2))
        return checked_lens(file, where, lens, (width, height))
    except (TypeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise CameraFileError(f"{file.name}: {where}: its lens is not made of numbers") from error
