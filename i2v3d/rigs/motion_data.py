"""A skeleton's motion as a file has it: rest pose, and turns and places over time, in the file's own axes."""

from __future__ import annotations

from dataclasses import dataclass

from i2v3d.errors import UsageError
from i2v3d.geometry.frames import Array


class MotionFileError(UsageError):
    """A motion file that can't be read, or can't be brought to a rig."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)


@dataclass(frozen=True)
class MotionData:
    """Bones and how they move.

    Attributes:
        names: Of the bones, parents before children.
        parents: Index of each bone's parent, -1 for a root.
        heads, tails: (bones, 3) at rest.
        turns: (frames, bones, 4) unit quaternions (w, x, y, z): the turn of each bone from rest, in the file's world.
        places: (frames, bones, 3) of the heads.
        fps: Frames a second.
        up: Which way is up, such as `z` or `-y`; empty where the file does not say.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    heads: Array
    tails: Array
    turns: Array
    places: Array
    fps: float
    up: str = ""

    def duration_s(self) -> float:
        """Returns the time from the first frame to the last."""
        return (len(self.turns) - 1) / self.fps
