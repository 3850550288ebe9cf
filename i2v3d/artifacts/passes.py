"""The passes of one rendered frame on disk: depth exact, flow to 1/512 pixel, small and quick to write.

A clip of 61 frames at 1024x576 holds 650 MB of raw passes, and general compressors take longer over
them than drawing does. Rendered surfaces are smooth, so each plane is stored as the mixed difference
of its rows and columns (zero wherever it is a sum of a row and a column function) and split into bytes:
nearly all of the upper bytes are zero, and run-length or Huffman coding alone shrinks them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from i2v3d.artifacts.scene import FramePasses, NpzFile
from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Array

FLOW_STEPS_PER_PX = 256
"""Flow is stored in steps of 1/256 pixel: the stored value is off by at most 1/512 pixel."""

_FLOW_LIMIT_PX = 2.0**22  # a surface that leaves through the camera plane moves by any amount; int32 must hold it
_SHORT_LIMIT_PX = 127.0
_FORMAT = 1


@dataclass(frozen=True)
class Passes(NpzFile):
    """A `FramePasses` on disk; `read` gives back what was written, flow rounded to 1/256 pixel."""

    required: ClassVar[tuple[str, ...]] = ("header", "depth", "ids", "observed", "forward", "backward")

    def write(self, passes: FramePasses) -> None:
        """Writes the passes.

        Raises:
            ArtifactError: A depth or flow is not a number, or shapes and types are not as promised.
        """
        _check(passes, self.path.name)
        height, width = passes.ids.shape
        header = (_FORMAT, height, width, int(passes.has_next), int(passes.has_previous))
        self.write_arrays(
            {
                "header": np.array(header, np.int32),
                "depth": _encode(np.ascontiguousarray(passes.depth_m, np.float32).view(np.uint32)),
                "ids": _packed(np.ascontiguousarray(passes.ids), zlib.Z_RLE),
                "observed": _packed(np.packbits(passes.is_observed, axis=1), zlib.Z_RLE),
                "forward": _encode_flow(passes.flow_forward_px),
                "backward": _encode_flow(passes.flow_backward_px),
            }
        )

    def read(self) -> FramePasses:
        """Returns the passes.

        Raises:
            ArtifactError: The file was not written by `write`.
        """
        arrays = self.read_arrays()
        try:
            height, width, has_next, has_previous = self._header(arrays["header"])
            shape = (height, width)
            bits = np.frombuffer(zlib.decompress(arrays["observed"].data), np.uint8).reshape(height, -1)
            return FramePasses(
                depth_m=_decode(arrays["depth"], shape, 4).view(np.float32),
                ids=_unpacked_ids(arrays["ids"], shape),
                is_observed=np.unpackbits(bits, axis=1, count=width).astype(bool),
                flow_forward_px=_decode_flow(arrays["forward"], shape),
                flow_backward_px=_decode_flow(arrays["backward"], shape),
                has_next=bool(has_next),
                has_previous=bool(has_previous),
            )
        except (KeyError, ValueError, zlib.error) as error:
            raise ArtifactError(f"{self.path.name}: not the passes of a frame: {error}") from error

    def read_ids(self) -> Array:
        """Returns `FramePasses.ids` alone, in a fraction of the time of `read`.

        Raises:
            ArtifactError: The file was not written by `write`.
        """
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                height, width, _, _ = self._header(archive["header"])
                return _unpacked_ids(archive["ids"], (height, width))
        except (KeyError, ValueError, zlib.error) as error:
            raise ArtifactError(f"{self.path.name}: not the passes of a frame: {error}") from error

    def _header(self, header: Array) -> tuple[int, int, int, int]:
        """Returns height, width, has_next, has_previous."""
        form, height, width, has_next, has_previous = (int(value) for value in header)
        if form != _FORMAT:
            raise ArtifactError(f"{self.path.name}: passes of format {form}, this version reads {_FORMAT}")
        return height, width, has_next, has_previous


def _check(passes: FramePasses, name: str) -> None:
    shape = passes.ids.shape
    if passes.depth_m.shape != shape or passes.is_observed.shape != shape or passes.ids.dtype != np.uint8:
        raise ArtifactError(f"{name}: passes differ in size or type")
    for flow in (passes.flow_forward_px, passes.flow_backward_px):
        if flow.shape != (*shape, 2):
            raise ArtifactError(f"{name}: flow of shape {flow.shape} for a frame of {shape}")
        # A sum is not finite as soon as one term is not, and costs a fifth of isfinite().all().
        if not np.isfinite(flow.sum(dtype=np.float64)):
            raise ArtifactError(f"{name}: a flow that is not a number")
    if np.isnan(passes.depth_m.sum(dtype=np.float64)):
        raise ArtifactError(f"{name}: a depth that is not a number")


def _encode_flow(flow_px: Array) -> Array:
    limit = max(float(flow_px.max()), -float(flow_px.min()))
    if limit == 0.0:
        return np.zeros(0, np.uint8)
    steps = np.rint(np.clip(flow_px, -_FLOW_LIMIT_PX, _FLOW_LIMIT_PX) * np.float32(FLOW_STEPS_PER_PX))
    whole = steps.astype(np.int16 if limit <= _SHORT_LIMIT_PX else np.int32)
    # x and y apart, one above the other: each is smooth on its own.
    planes = np.ascontiguousarray(np.moveaxis(whole, 2, 0)).reshape(-1, flow_px.shape[1])
    coded = _encode(planes.view(np.uint16 if whole.dtype == np.int16 else np.uint32))
    return np.concatenate([np.array([whole.dtype.itemsize], np.uint8), coded])


def _decode_flow(coded: Array, shape: tuple[int, int]) -> Array:
    height, width = shape
    if coded.size == 0:
        return np.zeros((height, width, 2), np.float32)
    size = int(coded[0])
    planes = _decode(coded[1:], (2 * height, width), size).view(f"i{size}").reshape(2, height, width)
    return np.stack(list(planes), axis=2).astype(np.float32) / np.float32(FLOW_STEPS_PER_PX)


def _encode(plane: Array) -> Array:
    """Returns a plane of unsigned integers as bytes: mixed difference, zigzag, byte planes, each deflated."""
    difference = plane.copy()
    difference[:, 1:] -= plane[:, :-1]
    rows = difference.copy()
    difference[1:] -= rows[:-1]
    signed = difference.view(f"i{plane.dtype.itemsize}")
    zigzag = (signed << 1) ^ (signed >> (8 * plane.dtype.itemsize - 1))
    planes = zigzag.view(np.uint8).reshape(*plane.shape, plane.dtype.itemsize)
    packed = [
        _packed(np.ascontiguousarray(planes[..., index]), zlib.Z_RLE if index else zlib.Z_HUFFMAN_ONLY)
        for index in range(plane.dtype.itemsize)
    ]
    sizes = np.array([len(part) for part in packed], "<u4").view(np.uint8)
    return np.concatenate([sizes, *packed])


def _decode(coded: Array, shape: tuple[int, int], item_size: int) -> Array:
    """Returns the plane of unsigned integers of `item_size` bytes that `_encode` wrote."""
    sizes = coded[: 4 * item_size].copy().view("<u4")
    ends = 4 * item_size + np.cumsum(sizes, dtype=np.int64)
    planes = np.empty((*shape, item_size), np.uint8)
    for index, (end, size) in enumerate(zip(ends, sizes, strict=True)):
        part = zlib.decompress(coded[end - size : end].data)
        planes[..., index] = np.frombuffer(part, np.uint8).reshape(shape)
    dtype = np.dtype(f"u{item_size}")
    zigzag = planes.view(dtype)[..., 0]
    sign = -(zigzag & dtype.type(1)).view(f"i{item_size}")
    difference = (zigzag >> dtype.type(1)) ^ sign.view(dtype)
    # Row by row: several times as fast as a running sum down the columns.
    for row in range(1, shape[0]):
        difference[row] += difference[row - 1]
    return np.cumsum(difference, axis=1, dtype=dtype)


def _unpacked_ids(packed: Array, shape: tuple[int, int]) -> Array:
    return np.frombuffer(zlib.decompress(packed.data), np.uint8).reshape(shape).copy()


def _packed(plane: Array, strategy: int) -> Array:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    return np.frombuffer(packer.compress(plane.data) + packer.flush(), np.uint8)


__all__ = ["FLOW_STEPS_PER_PX", "Passes"]
