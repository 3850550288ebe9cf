"""RealEstate10K's text: a first line for people, then per camera a time, the lens in shares, and camera from world.

A line is: time in microseconds; focal x and centre x in widths, focal y and centre y in heights (in the order
fx fy cx cy); two zeros; and the 12 numbers of the 3x4 `camera_from_world`, row by row. OpenCV axes.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from i2v3d.geometry.camera_files.path import (
    OPENCV_AXES,
    WORLD,
    CameraFileError,
    CameraPath,
    checked_lens,
    checked_pose,
    make_path,
    number,
    numbers,
)
from i2v3d.geometry.frames import Camera, invert_rigid

FILE_NAME = "realestate10k.txt"
_SIZE = re.compile(r"pictures (\d+)x(\d+)")
_NOMINAL_HEIGHT = 720


def write(folder: Path, path: CameraPath) -> None:
    """Writes the text, its conventions in the first line, which other readers take as the video's address."""
    size = path.cameras[0].intrinsics.resolution
    lines = [
        f"i2v3d cameras; pictures {size.width}x{size.height}; camera from world, camera axes {OPENCV_AXES}; "
        f"world {WORLD}; times in microseconds"
    ]
    for camera, time_s in zip(path.cameras, path.times_s, strict=True):
        k = camera.intrinsics
        if k.resolution != size:
            raise CameraFileError("RealEstate10K has one picture size, and these cameras differ")
        width, height = size.width, size.height
        lens = (k.focal_x_px / width, k.focal_y_px / height, k.centre_x_px / width, k.centre_y_px / height)
        values = " ".join(map(number, (*lens, 0.0, 0.0, *camera.camera_from_world[:3].ravel())))
        lines.append(f"{round(time_s * 1e6)} {values}")
    (folder / FILE_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(file: Path, _camera: str = "") -> CameraPath:
    """Reads such a text. Where the picture's size is not said, pixels are taken as square, and the height as 720.

    Raises:
        CameraFileError: A line has other than 19 numbers.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    size = _SIZE.search(lines[0]) if lines else None
    cameras, times = [], []
    for line_number, line in enumerate(lines, 1):
        words = line.split()
        if not words or (line_number == 1 and len(words) != 19):
            continue
        if len(words) != 19:
            raise CameraFileError(f"{file.name}:{line_number}: {len(words)} values, not 19 as RealEstate10K has")
        values = numbers(file, line_number, words)
        focal_x, focal_y, centre_x, centre_y = values[1:5]
        if min(focal_x, focal_y) <= 0:
            raise CameraFileError(f"{file.name}:{line_number}: a focal length is not above 0")
        height = int(size.group(2)) if size else _NOMINAL_HEIGHT
        width = int(size.group(1)) if size else round(height * focal_y / focal_x)
        lens = (focal_x * width, focal_y * height, centre_x * width, centre_y * height)
        pose = checked_pose(file, f"line {line_number}", np.array(values[7:]).reshape(3, 4))
        where = f"line {line_number}"
        cameras.append(Camera(checked_lens(file, where, lens, (width, height)), invert_rigid(pose)))
        times.append(values[0] * 1e-6)
    return make_path(file, cameras, times, has_lens=True)
