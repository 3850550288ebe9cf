"""A baseline on disk: `fingerprint.json` and a WebP thumbnail a frame, small enough to live in git beside a spec.

Equal clips give equal bytes. A baseline is untrusted input: sizes are limited before anything is unpacked.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.errors import UsageError
from i2v3d.geometry.frames import Array
from i2v3d.metrics.fingerprint import (
    GRID,
    ClipPrint,
    FramePrint,
    GeometryPrint,
    ObjectPrint,
    id_map_size,
    thumbnail_size,
)
from i2v3d.metrics.thumbnails import decode_thumbnail

FORMAT = 1
FILE = "fingerprint.json"
_MOST_FRAMES = 20_000
_MOST_SIDE = 8192
_MAKE_AGAIN = "make it again with `i2v3d check --update`"


@dataclass(frozen=True)
class TakenPrint:
    """The fingerprint of a clip with its thumbnails as files.

    Attributes:
        thumbnails: WebP, one a frame.
        quality: Of them.
    """

    clip: ClipPrint
    thumbnails: tuple[bytes, ...]
    quality: int


@dataclass(frozen=True)
class Baseline:
    """What a result is held to.

    Attributes:
        made_with: Versions and backends, for people.
        metrics: Value of each metric of the clip by name.
        better: By name: `higher` or `lower`.
    """

    taken: TakenPrint
    made_with: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    better: Mapping[str, str] = field(default_factory=dict)


def thumbnail_name(frame: int) -> str:
    """Returns the file name of a frame's thumbnail."""
    return f"{frame:06d}.webp"


def write_baseline(folder: Path, baseline: Baseline) -> int:
    """Writes a baseline, takes away thumbnails of frames that are no more, and returns its size in bytes.

    Raises:
        UsageError: The folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        names = {thumbnail_name(index) for index in range(len(baseline.taken.thumbnails))}
        for old in folder.glob("[0-9]" * 6 + ".webp"):
            if old.name not in names:
                old.unlink()
        document = _text(baseline).encode()
        for index, data in enumerate(baseline.taken.thumbnails):
            _write(folder / thumbnail_name(index), data)
        _write(folder / FILE, document)
    except OSError as error:
        raise UsageError(f"{folder}: the baseline can't be written: {error.strerror}") from error
    return len(document) + sum(len(data) for data in baseline.taken.thumbnails)


def read_baseline(folder: Path) -> Baseline | None:
    """Returns the baseline in a folder, None where there is none.

    Raises:
        UsageError: What is there is none, or of another version.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            message = f"{file}: a baseline of format {document['format']}, this version reads {FORMAT}"
            raise UsageError(message, hint=_MAKE_AGAIN)
        return _baseline(folder, document)
    except (OSError, KeyError, TypeError, ValueError, IndexError, zlib.error, binascii.Error) as error:
        what = f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error)
        raise UsageError(f"{file}: the baseline can't be read: {what}", hint=_MAKE_AGAIN) from error


def _write(place: Path, data: bytes) -> None:
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    temporary.write_bytes(data)
    temporary.replace(place)


def _text(baseline: Baseline) -> str:
    """One line a frame, so that a diff shows which frames changed."""
    clip = baseline.taken.clip
    head = {
        "format": FORMAT,
        "made_with": dict(baseline.made_with),
        "size": [clip.width, clip.height],
        "fps": clip.fps,
        "thumbnail_quality": baseline.taken.quality,
        "objects": {str(number): name for number, name in clip.names.items()},
        "metrics": {
            name: {"value": float(f"{value:.6g}"), "better": baseline.better[name]}
            for name, value in baseline.metrics.items()
        },
    }
    lines = []
    before: FramePrint | None = None
    for frame in clip.frames:
        lines.append(json.dumps(_frame_document(frame, before), sort_keys=True))
        before = frame
    text = json.dumps(head, indent=1)
    return text[:-2] + ',\n "frames": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"


def _frame_document(frame: FramePrint, before: FramePrint | None) -> dict[str, Any]:
    """Arrays are kept as what differs from the frame before: a third of the size where little moves."""
    document: dict[str, Any] = {
        "colours": _packed(_colour_steps(frame), None if before is None else _colour_steps(before))
    }
    if frame.geometry is not None:
        last = before.geometry if before is not None else None
        document["ids"] = _packed(frame.geometry.ids, None if last is None else last.ids)
        document["nearness"] = _packed(_nearness_bits(frame.geometry), None if last is None else _nearness_bits(last))
        document["objects"] = {
            name: [one.area_px, *one.centre_px, *one.box_px, one.nearness]
            for name, one in frame.geometry.objects.items()
        }
    return document


def _colour_steps(frame: FramePrint) -> Array:
    return np.round(256 * frame.colours).astype("<u2")


def _nearness_bits(geometry: GeometryPrint) -> Array:
    return geometry.nearness.astype("<f2").view("<u2")


def _baseline(folder: Path, document: Mapping[str, Any]) -> Baseline:
    width, height = (int(side) for side in document["size"])
    if not (0 < width <= _MOST_SIDE and 0 < height <= _MOST_SIDE and 0 < len(document["frames"]) <= _MOST_FRAMES):
        raise ValueError(f"{len(document['frames'])} frames of {width} x {height}")
    names = {int(number): str(name) for number, name in document["objects"].items()}
    files = tuple((folder / thumbnail_name(index)).read_bytes() for index in range(len(document["frames"])))
    columns, rows = thumbnail_size(width, height)
    frames: list[FramePrint] = []
    for values, data in zip(document["frames"], files, strict=True):
        before = frames[-1] if frames else None
        thumbnail = decode_thumbnail(data)
        if thumbnail.shape[:2] != (rows, columns):
            raise ValueError(f"a thumbnail of {thumbnail.shape[1]} x {thumbnail.shape[0]}, not {columns} x {rows}")
        steps = _unpacked(values["colours"], np.zeros((*GRID, 3), "<u2") if before is None else _colour_steps(before))
        last = before.geometry if before is not None else None
        geometry = _geometry(values, last, id_map_size(width, height)) if "ids" in values else None
        frames.append(FramePrint(thumbnail, steps.astype(np.float32) / np.float32(256), geometry))
    clip = ClipPrint(width, height, float(document["fps"]), tuple(frames), names)
    metrics = {str(name): float(entry["value"]) for name, entry in document["metrics"].items()}
    better = {str(name): str(entry["better"]) for name, entry in document["metrics"].items()}
    made_with = {str(name): str(value) for name, value in document["made_with"].items()}
    return Baseline(TakenPrint(clip, files, int(document["thumbnail_quality"])), made_with, metrics, better)


def _geometry(values: Mapping[str, Any], last: GeometryPrint | None, size: tuple[int, int]) -> GeometryPrint:
    objects = {}
    for name, (area, x, y, left, top, right, bottom, nearness) in values["objects"].items():
        box = (int(left), int(top), int(right), int(bottom))
        objects[str(name)] = ObjectPrint(int(area), (float(x), float(y)), box, float(nearness))
    ids = _unpacked(values["ids"], np.zeros((size[1], size[0]), np.uint8) if last is None else last.ids)
    bits = _unpacked(values["nearness"], np.zeros(GRID, "<u2") if last is None else _nearness_bits(last))
    return GeometryPrint(ids, bits.view("<f2").astype(np.float32), objects)


def _packed(array: Array, before: Array | None) -> str:
    """Returns what is to be added to `before`, or to zero, modulo the type's range; its bytes low ones first."""
    change = array if before is None else array - before
    planes = np.ascontiguousarray(change).view(np.uint8).reshape(-1, change.itemsize).T
    return base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode("ascii")


def _unpacked(text: str, before: Array) -> Array:
    data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), before.nbytes + 1)
    if len(data) != before.nbytes:
        raise ValueError(f"an array of other than {before.nbytes} bytes")
    planes = np.frombuffer(data, np.uint8).reshape(before.itemsize, -1)
    change = np.ascontiguousarray(planes.T).view(before.dtype).reshape(before.shape)
    return np.asarray(before + change)
