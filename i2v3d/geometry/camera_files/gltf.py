"""Binary glTF (.glb): a node with a camera and its animation. World: right-handed, Y up, metres; camera as OpenGL's.

Core glTF has neither an animated lens nor one whose axis is off the middle: the angle of view is that of the
first frame, and the lens of every frame is in the node's `extras`, which the reader here takes first.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.geometry.camera_files.gltf_animation import Animation, gltf_document
from i2v3d.geometry.camera_files.path import (
    OPENGL_AXES,
    CameraFileError,
    CameraPath,
    checked_lens,
    checked_pose,
    make_path,
)
from i2v3d.geometry.frames import OPENCV_FROM_OPENGL, WORLD_FROM_YUP, Camera, Intrinsics
from i2v3d.geometry.rotations import nearest_rotation, quaternion_of

FILE_NAME = "cameras.glb"
_LENS_KEY = "i2v3d_lens"
_FLOAT = 5126


def write(folder: Path, path: CameraPath) -> None:
    """Writes `cameras.glb`."""
    poses = [WORLD_FROM_YUP.T @ camera.world_from_camera @ OPENCV_FROM_OPENGL for camera in path.cameras]
    turns = [quaternion_of(pose[:3, :3])[[1, 2, 3, 0]] for pose in poses]  # glTF: x, y, z, w
    for index in range(1, len(turns)):
        if turns[index] @ turns[index - 1] < 0:  # the shorter way, for players that do not look
            turns[index] = -turns[index]
    columns = [np.array(path.times_s), np.array([pose[:3, 3] for pose in poses]), np.array(turns)]
    blob = b""
    views: list[dict[str, Any]] = []
    accessors: list[dict[str, Any]] = []
    for values in columns:
        data = np.ascontiguousarray(values, "<f4")
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[1 if data.ndim == 1 else data.shape[1]]
        accessor: dict[str, Any] = {
            "bufferView": len(views),
            "componentType": _FLOAT,
            "count": len(data),
            "type": kind,
        }
        if data.ndim == 1:
            accessor |= {"min": [float(data.min())], "max": [float(data.max())]}
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": data.nbytes})
        accessors.append(accessor)
        blob += data.tobytes()
    k = path.cameras[0].intrinsics
    width, height = k.resolution.width, k.resolution.height
    lens = {"yfov": 2 * math.atan(height / 2 / k.focal_y_px), "aspectRatio": width / height, "znear": 0.01}
    node = {
        "name": "Camera",
        "camera": 0,
        "translation": columns[1][0].tolist(),
        "rotation": columns[2][0].tolist(),
        "extras": {_LENS_KEY: [_lens_values(camera.intrinsics) for camera in path.cameras]},
    }
    channels = [
        {"sampler": index, "target": {"node": 0, "path": name}}
        for index, name in enumerate(("translation", "rotation"))
    ]
    samplers = [{"input": 0, "output": index + 1, "interpolation": "LINEAR"} for index in range(2)]
    stated = {
        "world": "right-handed, Y up, metres; i2v3d's (x, y, z) is (x, z, -y) here",
        "camera": OPENGL_AXES,
        _LENS_KEY: "per frame: width, height, focal x, focal y, centre x, centre y, in pixels from the first corner",
    }
    document = {
        "asset": {"version": "2.0", "generator": "i2v3d", "extras": stated},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [node],
        "cameras": [{"name": "Camera", "type": "perspective", "perspective": lens}],
        "animations": [{"name": "Camera path", "channels": channels, "samplers": samplers}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob)}],
    }
    (folder / FILE_NAME).write_bytes(_glb(document, blob))


def _lens_values(k: Intrinsics) -> list[float]:
    size = k.resolution
    return [size.width, size.height, k.focal_x_px, k.focal_y_px, k.centre_x_px, k.centre_y_px]


def _glb(document: Any, blob: bytes) -> bytes:
    text = json.dumps(document, sort_keys=True, allow_nan=False).encode("ascii")
    text += b" " * (-len(text) % 4)
    blob += b"\0" * (-len(blob) % 4)
    length = 12 + 8 + len(text) + 8 + len(blob)
    return (
        struct.pack("<4sII", b"glTF", 2, length)
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(blob), b"BIN\0")
        + blob
    )


def read(file: Path, camera: str = "") -> CameraPath:
    """Reads the camera of this name (of its node or itself), else the first, at every key of its motion.

    Raises:
        CameraFileError: Not a .glb, or no such camera, or what moves it can't be read.
    """
    document, blob = gltf_document(file)
    try:
        return _read(file, document, blob, camera)
    except (TypeError, ValueError, LookupError, RecursionError, AttributeError) as error:
        raise CameraFileError(f"{file.name}: its glTF does not hold together: {error}") from error


def _read(file: Path, document: Any, blob: bytes, wanted: str) -> CameraPath:
    nodes = document.get("nodes", [])
    with_camera = [index for index, node in enumerate(nodes) if "camera" in node]
    names = [_names(document, nodes[index]) for index in with_camera]
    chosen = [index for index, known in zip(with_camera, names, strict=True) if not wanted or wanted in known]
    if not chosen:
        listed = ", ".join(f"`{known[0]}`" for known in names)
        what = f"there is no camera `{wanted}` in it" if wanted else "there is no camera in it"
        raise CameraFileError(f"{file.name}: {what}", f"it has {listed}" if listed else "")
    node = nodes[chosen[0]]
    chain = _chain(nodes, chosen[0])
    animation = Animation.of(document, blob, chain)
    times = animation.times() or [0.0]
    lens = _static_lens(file, document["cameras"][node["camera"]])
    kept = node.get("extras", {}).get(_LENS_KEY)
    cameras = []
    for index, time_s in enumerate(times):
        pose = np.eye(4)
        for link in chain:
            pose = pose @ animation.local_matrix(link, nodes[link], time_s)
        pose[:3, :3] = nearest_rotation(pose[:3, :3] / np.cbrt(abs(np.linalg.det(pose[:3, :3]))))
        world = WORLD_FROM_YUP @ checked_pose(file, f"time {time_s:g} s", pose) @ OPENCV_FROM_OPENGL
        own = _kept_lens(file, kept, index, len(times))
        cameras.append(Camera(own or lens, world))
    return make_path(file, cameras, times, has_lens=True)


def _names(document: Any, node: Any) -> list[str]:
    return [str(part.get("name", "")) for part in (node, document["cameras"][node["camera"]])]


def _chain(nodes: Sequence[Any], index: int) -> list[int]:
    """Returns the nodes from the root down to this one."""
    parents = {child: parent for parent, node in enumerate(nodes) for child in node.get("children", ())}
    chain = [index]
    while chain[0] in parents:
        if parents[chain[0]] in chain:
            raise ValueError("its nodes hang in a circle")
        chain.insert(0, parents[chain[0]])
    return chain


def _static_lens(file: Path, camera: Any) -> Intrinsics:
    if camera.get("type") != "perspective":
        raise CameraFileError(f"{file.name}: the camera is not a perspective one")
    lens = camera["perspective"]
    height = 720
    width = round(height * float(lens.get("aspectRatio", 16 / 9)))
    focal = height / 2 / math.tan(float(lens["yfov"]) / 2)
    return checked_lens(file, "camera", (focal, focal, width / 2, height / 2), (width, height))


def _kept_lens(file: Path, kept: Any, index: int, count: int) -> Intrinsics | None:
    if not isinstance(kept, list) or len(kept) != count:
        return None
    width, height, *lens = kept[index]
    return checked_lens(file, f"frame {index}", lens, (width, height))
