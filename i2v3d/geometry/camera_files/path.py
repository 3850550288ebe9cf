"""A camera path between files: cameras with their times, and what readers of text and JSON share."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.errors import UsageError
from i2v3d.geometry.frames import Array, Camera, Intrinsics, Resolution
from i2v3d.geometry.rotations import nearest_rotation

MAX_CAMERAS = 100_000
NOMINAL = Intrinsics.from_fov(math.radians(50), Resolution(1280, 720))
"""The lens of a file that says nothing of one."""

WORLD = "right-handed, Z up, metres; the ground is Z = 0"
OPENCV_AXES = "x right, y down, z forward"
OPENGL_AXES = "x right, y up, z backward"
PIXELS = "continuous, x right, y down; (0, 0) is the outer corner of the first pixel"
MATRICES = "a_from_b, row lists, act on column vectors"


class CameraFileError(UsageError):
    """A camera path that can't be read, or can't be written in this format."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)


@dataclass(frozen=True)
class CameraPath:
    """Cameras over time in our world.

    Attributes:
        cameras: At least one; OpenCV axes, world right-handed with Z up, metres.
        times_s: When each of them is, rising.
        has_lens: False where the file says nothing of focal lengths, so that they mean nothing.
    """

    cameras: tuple[Camera, ...]
    times_s: tuple[float, ...]
    has_lens: bool = True

    @property
    def fps(self) -> float:
        """Cameras a second; 24 for a single one."""
        if len(self.times_s) < 2 or self.times_s[-1] <= self.times_s[0]:
            return 24.0
        return (len(self.times_s) - 1) / (self.times_s[-1] - self.times_s[0])


def make_path(
    file: Path,
    cameras: Sequence[Camera],
    times_s: Sequence[Any] | None = None,  # Any: JSON
    *,
    fps: float = 24.0,
    has_lens: bool,
) -> CameraPath:
    """Returns the checked path; where a time is no number the cameras are `fps` a second.

    Raises:
        CameraFileError: No camera, too many, or times that do not rise.
    """
    if not cameras:
        raise CameraFileError(f"{file.name}: there is no camera in it")
    if len(cameras) > MAX_CAMERAS:
        raise CameraFileError(f"{file.name}: {len(cameras):,} cameras; the limit is {MAX_CAMERAS:,}")
    is_timed = times_s is not None and all(isinstance(time, int | float) for time in times_s)
    times = tuple(map(float, times_s)) if times_s and is_timed else tuple(i / fps for i in range(len(cameras)))
    if not np.isfinite(times).all() or any(b <= a for a, b in pairwise(times)):
        raise CameraFileError(f"{file.name}: the times of its cameras do not rise from one to the next")
    return CameraPath(tuple(cameras), times, has_lens)


def checked_pose(file: Path, where: str, matrix: Any) -> Array:  # Any: JSON, or an array
    """Returns a 4x4 pose of a 4x4 or 3x4 matrix whose rotation is one up to rounding, exactly orthonormal.

    Raises:
        CameraFileError: Of another shape, mirrored, scaled, or not finite.
    """
    try:
        given = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CameraFileError(f"{file.name}: {where}: not a matrix of numbers") from error
    if given.shape not in ((4, 4), (3, 4)):
        raise CameraFileError(f"{file.name}: {where}: a matrix of shape {given.shape}, not 4x4")
    if given.shape == (4, 4) and not np.allclose(given[3], (0, 0, 0, 1), atol=1e-6):
        hint = "matrices act on column vectors; the translation is the last column"
        raise CameraFileError(f"{file.name}: {where}: the last row of the matrix is not 0 0 0 1", hint)
    pose = np.eye(4)
    try:
        pose[:3, :3] = nearest_rotation(given[:3, :3])
    except ValueError as error:
        raise CameraFileError(f"{file.name}: {where}: {error}") from error
    pose[:3, 3] = given[:3, 3]
    if not np.isfinite(pose).all():
        raise CameraFileError(f"{file.name}: {where}: a value is not a finite number")
    return pose


def checked_lens(file: Path, where: str, lens: Sequence[float], size: tuple[float, float]) -> Intrinsics:
    """Returns the pinhole of (focal x, focal y, centre x, centre y) and (width, height), in pixels.

    Raises:
        CameraFileError: Not finite, or a focal length or size that is not above zero.
    """
    focal_x, focal_y, centre_x, centre_y = (float(value) for value in lens)
    width, height = round(size[0]), round(size[1])
    if not all(map(math.isfinite, (focal_x, focal_y, centre_x, centre_y))):
        raise CameraFileError(f"{file.name}: {where}: a value of the lens is not a finite number")
    if min(focal_x, focal_y, width, height) <= 0:
        raise CameraFileError(f"{file.name}: {where}: a focal length or picture size is not above 0")
    return Intrinsics(focal_x, focal_y, centre_x, centre_y, Resolution(width, height))


def read_json(file: Path) -> Any:  # Any: JSON
    """Returns the document.

    Raises:
        CameraFileError: Not JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CameraFileError(f"{file.name}: not JSON: {str(error)[:100]}") from error


def read_frames(file: Path, others: str) -> tuple[dict[str, Any], list[Any]]:  # Any: JSON
    """Returns the whole document and its list of frames; a bare list stands for a document with nothing else.

    Raises:
        CameraFileError: There is no such list; `others` names the formats that it may be instead.
    """
    document = read_json(file)
    whole = document if isinstance(document, dict) else {"frames": document}
    frames = whole.get("frames")
    if not isinstance(frames, list):
        raise CameraFileError(f"{file.name}: it has no list `frames`", f"for other JSON say {others}")
    return whole, frames


def read_rate(file: Path, whole: dict[str, Any]) -> float:  # Any: JSON
    """Returns the frames a second that a document says, 24 when it says nothing.

    Raises:
        CameraFileError: What it says is no rate.
    """
    fps = whole.get("fps", 24.0)
    if not isinstance(fps, int | float) or isinstance(fps, bool) or not 0 < fps < 1e6:
        raise CameraFileError(f"{file.name}: `fps` is no rate", "give the frames a second as a number")
    return float(fps)


def write_json(file: Path, document: Any) -> None:  # Any: JSON
    """Writes the document; floats keep full precision."""
    file.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def rows(matrix: Array) -> list[list[float]]:
    """Returns the rows as lists of floats, without negative zeros."""
    return [[float(value) + 0.0 for value in row] for row in matrix]


def number(value: float) -> str:
    """Returns the shortest text that reads back as exactly this number."""
    return repr(float(value) + 0.0)


def numbers(file: Path, line_number: int, words: Sequence[str]) -> list[float]:
    """Returns the words as finite numbers.

    Raises:
        CameraFileError: One is none.
    """
    try:
        values = [float(word) for word in words]
    except ValueError as error:
        raise CameraFileError(f"{file.name}:{line_number}: {error}") from error
    if not all(map(math.isfinite, values)):
        raise CameraFileError(f"{file.name}:{line_number}: a value is not a finite number")
    return values
