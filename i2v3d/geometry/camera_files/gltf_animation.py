"""The part of glTF that a moving camera needs: the container, accessors, and node transforms over time."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.geometry.camera_files.path import CameraFileError
from i2v3d.geometry.frames import Array
from i2v3d.geometry.rotations import rotation_of, turned_part

_COMPONENTS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5126: "<f4"}
_LIMITS = {5120: 127.0, 5121: 255.0, 5122: 32767.0, 5123: 65535.0}


def gltf_document(file: Path) -> tuple[Any, bytes]:  # Any: JSON
    """Returns the JSON and the binary chunk of a .glb.

    Raises:
        CameraFileError: Not a whole .glb.
    """
    data = file.read_bytes()
    document, blob, offset = None, b"", 12
    if len(data) < 20 or data[:4] != b"glTF" or struct.unpack_from("<I", data, 8)[0] > len(data):
        raise CameraFileError(f"{file.name}: not a whole .glb file")
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, offset)
        chunk = data[offset + 8 : offset + 8 + length]
        if kind == b"JSON":
            try:
                document = json.loads(chunk)
            except (ValueError, RecursionError) as error:
                raise CameraFileError(f"{file.name}: its JSON can't be read") from error
        elif kind == b"BIN\0":
            blob = chunk
        offset += 8 + length
    if not isinstance(document, dict):
        raise CameraFileError(f"{file.name}: it has no JSON")
    return document, blob


def accessor_values(document: Any, blob: bytes, index: int) -> Array:
    """Returns an accessor as float64, (count,) or (count, components)."""
    accessor = document["accessors"][index]
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError("sparse accessors are not read here")
    view = document["bufferViews"][accessor["bufferView"]]
    if view.get("buffer", 0) != 0 or "uri" in document["buffers"][0]:
        raise ValueError("its buffer is in another file")
    kind, count = accessor["componentType"], accessor["count"]
    columns = _COMPONENTS[accessor["type"]]
    dtype = np.dtype(_TYPES[kind])
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    stride = view.get("byteStride", columns * dtype.itemsize)
    flat = np.ndarray((count, columns), dtype, blob, start, (stride, dtype.itemsize)).astype(np.float64)
    if kind in _LIMITS:
        flat = np.maximum(flat / _LIMITS[kind], -1.0)
    return flat[:, 0] if columns == 1 else flat


@dataclass(frozen=True)
class Curve:
    """One animated property. For cubic splines `values` is (keys, 3, components): in-tangent, value, out-tangent."""

    times: Array
    values: Array
    interpolation: str

    def at(self, time_s: float, *, is_turn: bool) -> Array:
        """Returns the value at a time; the first and last hold beyond the ends."""
        points = self.values[:, 1] if self.interpolation == "CUBICSPLINE" else self.values
        if time_s <= self.times[0]:
            return np.asarray(points[0])
        if time_s >= self.times[-1]:
            return np.asarray(points[-1])
        before = int(np.searchsorted(self.times, time_s, side="right")) - 1
        length = self.times[before + 1] - self.times[before]
        share = (time_s - self.times[before]) / length
        first, second = points[before], points[before + 1]
        if self.interpolation == "STEP":
            return np.asarray(first)
        if self.interpolation == "CUBICSPLINE":
            out, into = self.values[before, 2] * length, self.values[before + 1, 0] * length
            cube, square = share**3, share**2
            return np.asarray(
                (2 * cube - 3 * square + 1) * first
                + (cube - 2 * square + share) * out
                + (3 * square - 2 * cube) * second
                + (cube - square) * into
            )
        return turned_part(first, second, share) if is_turn else np.asarray(first + (second - first) * share)


@dataclass(frozen=True)
class Animation:
    """The curves of some nodes, by (node, property)."""

    curves: dict[tuple[int, str], Curve]

    @classmethod
    def of(cls, document: Any, blob: bytes, nodes: Iterable[int]) -> Animation:
        """Returns what moves these nodes, in any animation of the file."""
        wanted = set(nodes)
        curves: dict[tuple[int, str], Curve] = {}
        for animation in document.get("animations", []):
            for channel in animation["channels"]:
                target = channel["target"]
                if target.get("node") not in wanted or target["path"] not in ("translation", "rotation", "scale"):
                    continue
                sampler = animation["samplers"][channel["sampler"]]
                times = accessor_values(document, blob, sampler["input"])
                values = accessor_values(document, blob, sampler["output"])
                kind = sampler.get("interpolation", "LINEAR")
                if kind == "CUBICSPLINE":
                    values = values.reshape(len(times), 3, -1)
                curves.setdefault((target["node"], target["path"]), Curve(times, values, kind))
        return cls(curves)

    def times(self) -> list[float]:
        """Returns every time at which something is keyed, rising."""
        return sorted({float(time) for curve in self.curves.values() for time in curve.times})

    def local_matrix(self, index: int, node: Any, time_s: float) -> Array:
        """Returns `parent_from_node` at a time."""
        if "matrix" in node:
            return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
        found = {
            name: self.curves[index, name].at(time_s, is_turn=name == "rotation")
            if (index, name) in self.curves
            else np.array(node.get(name, rest), dtype=np.float64)
            for name, rest in (("translation", (0, 0, 0)), ("rotation", (0, 0, 0, 1)), ("scale", (1, 1, 1)))
        }
        x, y, z, w = found["rotation"]
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_of(np.array([w, x, y, z])) * found["scale"]
        matrix[:3, 3] = found["translation"]
        return matrix
