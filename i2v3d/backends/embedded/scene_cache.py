"""Reading the scene cache, for both renderers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2v3d.artifacts.scene import FrameState
from i2v3d.geometry.frames import Array, invert_rigid

FileIdentity = tuple[int, int, int, int]


@dataclass(frozen=True)
class Moment:
    """One frame's state: the camera (3x3 K, 4x4 camera_from_world) and where every object is."""

    image_from_camera: Array
    camera_from_world: Array
    arrays: dict[str, Array]

    @classmethod
    def read(cls, file: Path) -> Moment:
        """Returns the state in a `FrameState` file."""
        arrays = FrameState(file).read_arrays()
        return cls(arrays["image_from_camera"], invert_rigid(arrays["world_from_camera"]), arrays)

    def camera_from_mesh(self, index: int, object_id: int) -> Array:
        """Returns the 4x4 that takes the mesh's vertices, or world ones if it deforms, to camera axes."""
        if f"vertices_{object_id}" in self.arrays:
            return self.camera_from_world
        return np.asarray(self.camera_from_world @ self.arrays["transforms"][index])


@dataclass(frozen=True)
class Neighbours:
    """The frame to draw and those around it; at an end of the clip the frame itself stands in."""

    here: Moment
    after: Moment
    before: Moment
    has_next: bool
    has_previous: bool

    @classmethod
    def read(cls, states: tuple[Path, ...], current: int) -> Neighbours:
        """Returns them from consecutive `FrameState` files."""
        has_next, has_previous = current + 1 < len(states), current > 0
        here = Moment.read(states[current])
        return cls(
            here,
            Moment.read(states[current + 1]) if has_next else here,
            Moment.read(states[current - 1]) if has_previous else here,
            has_next,
            has_previous,
        )


def files_identity(folder: Path) -> tuple[FileIdentity, ...]:
    """Returns what tells a folder's content from another's, cheaply: inode, size and time of each file.

    Paths alone do not: a step's inputs lie at equal paths in different runs, or at different paths as
    links to the same files.
    """
    stats = [path.stat() for path in sorted(folder.rglob("*")) if path.is_file()]
    return tuple((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)
