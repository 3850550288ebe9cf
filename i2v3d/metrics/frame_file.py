"""The values of some frames on disk, between the steps that measure them and the one that joins them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from i2v3d.artifacts.scene import JsonFile
from i2v3d.metrics.camera import CameraError
from i2v3d.metrics.frame import FrameValues

_BY_ID = ("silhouettes", "displacement_by_id_px")


@dataclass(frozen=True)
class FrameMeasures(JsonFile):
    """A list of `FrameValues` in the order of the frames."""

    def write(self, frames: Sequence[FrameValues]) -> None:
        """Writes the values with full precision."""
        self.write_json([dataclasses.asdict(frame) for frame in frames])

    def read(self) -> list[FrameValues]:
        """Returns what was written."""
        return [_values(document) for document in self.read_json()]


def _values(document: Mapping[str, Any]) -> FrameValues:
    fields = dict(document)
    for name in _BY_ID:
        fields[name] = {int(index): value for index, value in fields[name].items()}
    if fields["camera"] is not None:
        fields["camera"] = CameraError(tuple(fields["camera"]["offset_m"]), tuple(fields["camera"]["turn_rad"]))
    return FrameValues(**fields)


__all__ = ["FrameMeasures"]
