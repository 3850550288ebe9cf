"""What the 3D view of the page needs: the cameras of the clip in the axes of glTF, and when its animation begins."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from i2v3d.geometry.frames import Array

_GLTF_FROM_WORLD = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
_DIGITS = 6


def cameras_for_view(track: Any) -> list[dict[str, Any]]:  # Any: JSON of cameras.json
    """Returns by frame `pose`, world from camera with OpenGL's camera axes, column by column, and `lens` in pixels.

    Args:
        track: A build's cameras.json.
    """
    found = []
    for frame in track["frames"]:
        pose = _GLTF_FROM_WORLD @ np.array(frame["opengl"]["world_from_camera"])
        lens = np.array(frame["opencv"]["image_from_camera"])
        found.append({"pose": _rounded(pose.T), "lens": _rounded(lens[[0, 1, 0, 1], [0, 1, 2, 2]])})
    return found


def point_of_interest(track: Any, objects_m: list[Array]) -> list[float]:  # Any: as above
    """Returns what the view turns about, in glTF's axes: the middle of the objects, or what the first camera looks at.

    Args:
        track: A build's cameras.json.
        objects_m: Places of the objects in the world.
    """
    if objects_m:
        return _rounded((_GLTF_FROM_WORLD @ np.append(np.mean(objects_m, axis=0), 1.0))[:3])
    pose = np.array(track["frames"][0]["opengl"]["world_from_camera"])
    return _rounded((_GLTF_FROM_WORLD @ pose @ np.array([0, 0, -10.0, 1]))[:3])


def animation_start_s(glb: bytes) -> float:
    """Returns when the first key of a .glb's animations is; 0 where it has none."""
    (length,) = struct.unpack_from("<I", glb, 12)
    document = json.loads(glb[20 : 20 + length])
    starts = [
        document["accessors"][sampler["input"]].get("min", [0.0])[0]
        for animation in document.get("animations", [])
        for sampler in animation["samplers"]
    ]
    return float(min(starts, default=0.0))


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.{_DIGITS + 1}g}") for value in np.asarray(values, np.float64).ravel()]
