"""Unreal-style extrinsics as JSON: left-handed, Z up, camera X forward, Y right, centimetres, degrees.

Unreal's world is ours with y turned round, as its importers of glTF and FBX have it: (x, y, z) metres are
(100 x, -100 y, 100 z) there. So these cameras fit a `scene.glb` that was imported into Unreal.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.geometry.camera_files.path import (
    NOMINAL,
    CameraFileError,
    CameraPath,
    checked_lens,
    checked_pose,
    make_path,
    read_json,
    rows,
    write_json,
)
from i2v3d.geometry.frames import Array, Camera, Intrinsics

FILE_NAME = "unreal_cameras.json"
CONVENTIONS = {
    "world": "left-handed, Z up, centimetres; x and z as in i2v3d's world, y turned round (as scene.glb imports)",
    "camera": "x forward, y right, z up",
    "rotation": "FRotator in degrees: roll about X, then pitch about Y, then yaw about Z; pitch up is positive",
    "matrices": "world_from_camera, row lists, acts on column vectors; an FMatrix is its transpose",
    "lens": "field of view in degrees, horizontal; centre in pixels from the picture's first corner",
}

_UNREAL_FROM_WORLD = np.diag([1.0, -1.0, 1.0])
# Columns: Unreal's camera axes (forward, right, up) in OpenCV's.
_OPENCV_FROM_UNREAL = np.array([[0.0, 1, 0], [0, 0, -1], [1, 0, 0]])
_ROW = re.compile(r"\[([^\[\]]*)\]")


def write(folder: Path, path: CameraPath) -> None:
    """Writes `unreal_cameras.json`."""
    frames = []
    for index, (camera, time_s) in enumerate(zip(path.cameras, path.times_s, strict=True)):
        pose = unreal_pose(camera.world_from_camera)
        pitch, yaw, roll = rotator_of(pose[:3, :3])
        k = camera.intrinsics
        frames.append(
            {
                "frame": index,
                "time_s": time_s,
                "location_cm": [float(value) + 0.0 for value in pose[:3, 3]],
                "rotation_deg": {"pitch": pitch, "yaw": yaw, "roll": roll},
                "world_from_camera": rows(pose),
                "fov_deg": math.degrees(2 * math.atan(k.resolution.width / 2 / k.focal_x_px)),
                "fov_vertical_deg": math.degrees(2 * math.atan(k.resolution.height / 2 / k.focal_y_px)),
                "centre_px": [k.centre_x_px, k.centre_y_px],
                "resolution": {"width": k.resolution.width, "height": k.resolution.height},
            }
        )
    write_json(folder / FILE_NAME, {"conventions": CONVENTIONS, "fps": path.fps, "frames": frames})


def read(file: Path, camera: str = "") -> CameraPath:
    """Reads `frames` with `location_cm` and `rotation_deg`, or the extrinsics of multi-camera data sets.

    Those are `{"frame0": {"cam01": "[..] [..] [..] [..] "}}`: an FMatrix, its translation in the last row.

    Raises:
        CameraFileError: Neither.
    """
    document = read_json(file)
    frames = document.get("frames") if isinstance(document, dict) else None
    if isinstance(frames, list):
        cameras, times, lenses = [], [], 0
        for index, frame in enumerate(frames):
            lens = _lens(file, f"frame {index}", frame)
            lenses += lens is not NOMINAL
            cameras.append(Camera(lens, opencv_pose(_pose(file, f"frame {index}", frame))))
            times.append(frame.get("time_s"))
        return make_path(file, cameras, times, has_lens=lenses == len(cameras))
    if isinstance(document, dict) and any(re.fullmatch(r"frame\d+", str(key)) for key in document):
        return _read_extrinsics(file, document, camera)
    raise CameraFileError(f"{file.name}: it has no list `frames`", "for other JSON say `opencv` or `opengl`")


def unreal_pose(world_from_camera: Array) -> Array:
    """Returns Unreal's `world_from_camera` (its axes, centimetres) of ours."""
    pose = np.eye(4)
    # The camera's axes are named by what they point to, so only the world is mirrored.
    pose[:3, :3] = _UNREAL_FROM_WORLD @ world_from_camera[:3, :3] @ _OPENCV_FROM_UNREAL
    pose[:3, 3] = _UNREAL_FROM_WORLD @ world_from_camera[:3, 3] * 100
    return pose


def opencv_pose(world_from_camera: Array) -> Array:
    """Returns our pose of Unreal's; the inverse of `unreal_pose`."""
    pose = np.eye(4)
    pose[:3, :3] = _UNREAL_FROM_WORLD @ world_from_camera[:3, :3] @ _OPENCV_FROM_UNREAL.T
    pose[:3, 3] = _UNREAL_FROM_WORLD @ world_from_camera[:3, 3] / 100
    return pose


def rotator_of(rotation: Array) -> tuple[float, float, float]:
    """Returns (pitch, yaw, roll) in degrees, as FRotator has them, of a matrix with columns forward, right, up."""
    forward, right, up = rotation.T
    pitch = math.atan2(forward[2], math.hypot(forward[0], forward[1]))
    yaw = math.atan2(forward[1], forward[0])
    level_right = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    roll = math.atan2(up @ level_right, right @ level_right)
    return math.degrees(pitch), math.degrees(yaw), math.degrees(roll)


def rotation_of_rotator(pitch_deg: float, yaw_deg: float, roll_deg: float) -> Array:
    """Returns the matrix with columns forward, right, up.

    Source: FRotationTranslationMatrix of Unreal Engine (its rows are these columns).
    """
    (sp, cp), (sy, cy), (sr, cr) = (
        (math.sin(math.radians(angle)), math.cos(math.radians(angle))) for angle in (pitch_deg, yaw_deg, roll_deg)
    )
    forward = (cp * cy, cp * sy, sp)
    right = (sr * sp * cy - cr * sy, sr * sp * sy + cr * cy, -sr * cp)
    up = (-(cr * sp * cy + sr * sy), cy * sr - cr * sp * sy, cr * cp)
    return np.array([forward, right, up]).T


def _pose(file: Path, where: str, frame: Any) -> Array:  # Any: JSON
    try:
        place, turn = frame["location_cm"], frame["rotation_deg"]
        angles = [float(turn[name]) for name in ("pitch", "yaw", "roll")]
        pose = np.eye(4)
        pose[:3, :3] = rotation_of_rotator(*angles)
        pose[:3, 3] = [float(value) for value in place]
    except (TypeError, ValueError, LookupError) as error:
        message = f"{file.name}: {where}: it needs `location_cm` [x, y, z] and `rotation_deg` with pitch, yaw, roll"
        raise CameraFileError(message) from error
    if not np.isfinite(pose).all():
        raise CameraFileError(f"{file.name}: {where}: a value is not a finite number")
    return pose


def _lens(file: Path, where: str, frame: Any) -> Intrinsics:  # Any: JSON
    if "fov_deg" not in frame:
        return NOMINAL
    try:
        size = frame.get("resolution") or {"width": 1280, "height": 720}
        width, height = float(size["width"]), float(size["height"])
        focal_x = width / 2 / math.tan(math.radians(float(frame["fov_deg"])) / 2)
        vertical = frame.get("fov_vertical_deg")
        focal_y = focal_x if vertical is None else height / 2 / math.tan(math.radians(float(vertical)) / 2)
        centre = frame.get("centre_px") or (width / 2, height / 2)
        return checked_lens(file, where, (focal_x, focal_y, float(centre[0]), float(centre[1])), (width, height))
    except (TypeError, ValueError, LookupError, ZeroDivisionError) as error:
        raise CameraFileError(f"{file.name}: {where}: its lens is not made of numbers") from error


def _read_extrinsics(file: Path, document: dict[str, Any], camera: str) -> CameraPath:
    names = sorted((key for key in document if re.fullmatch(r"frame\d+", key)), key=lambda key: int(key[5:]))
    known = sorted(document[names[0]]) if isinstance(document[names[0]], dict) else []
    chosen = camera or next(iter(known), "")
    cameras = []
    for name in names:
        if not isinstance(document[name], dict) or not isinstance(document[name].get(chosen), str):
            raise CameraFileError(
                f"{file.name}: {name}: there is no camera `{chosen}`", f"there are {', '.join(known)}"
            )
        matrix = [text.split() for text in _ROW.findall(document[name][chosen])]
        try:
            given = np.array(matrix, dtype=np.float64)
        except ValueError as error:
            raise CameraFileError(f"{file.name}: {name}: `{chosen}` is no 4x4 matrix") from error
        if given.shape != (4, 4):
            raise CameraFileError(f"{file.name}: {name}: `{chosen}` is no 4x4 matrix")
        transposed = given.T.copy()
        transposed[3] = (0, 0, 0, 1)  # these files leave the last column empty, or zero
        cameras.append(Camera(NOMINAL, opencv_pose(checked_pose(file, name, transposed))))
    return make_path(file, cameras, has_lens=False)
