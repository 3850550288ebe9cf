"""The camera's pose at every frame, where it comes from a file or from views instead of keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from i2v3d.artifacts.scene import JsonFile
from i2v3d.geometry.camera_rig import TrackPose


@dataclass(frozen=True)
class CameraPoses(JsonFile):
    """A list of `TrackPose`, one a frame."""

    def write(self, track: Sequence[TrackPose]) -> None:
        """Writes the poses."""
        self.write_json([{"place": pose.place, "turn": pose.turn, "zoom": pose.zoom} for pose in track])

    def read(self) -> list[TrackPose]:
        """Returns the poses."""
        return [TrackPose(tuple(pose["place"]), tuple(pose["turn"]), pose["zoom"]) for pose in self.read_json()]
