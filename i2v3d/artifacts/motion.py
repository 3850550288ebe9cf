"""Skeletons, skins and motion between stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from i2v3d.artifacts.scene import NpzFile


@dataclass(frozen=True)
class MotionFile(NpzFile):
    """The fields of a `rigs.motion_data.MotionData` as arrays; texts are unicode arrays."""

    required: ClassVar[tuple[str, ...]] = ("names", "parents", "heads", "tails", "turns", "places", "fps", "up")


@dataclass(frozen=True)
class FigureSkin(NpzFile):
    """The skeleton and skin of a mesh file, in the file's own axes turned Z up.

    Bones: `names`, `parents` (-1 for a root), `heads`, `tails` (bones, 3). Skin: `points` (vertices, 3) at rest and
    `weights` (vertices, bones). A file without a skeleton has no bones.
    """

    required: ClassVar[tuple[str, ...]] = ("names", "parents", "heads", "tails", "points", "weights")


@dataclass(frozen=True)
class SkinFile(NpzFile):
    """`weights` (vertices, bones): float32, each row's sum one."""

    required: ClassVar[tuple[str, ...]] = ("weights",)

    def check(self) -> None:
        """Checks that the weights are finite."""
        super().check()
        assert np.isfinite(self.read_arrays()["weights"]).all()


@dataclass(frozen=True)
class TrackFile(NpzFile):
    """A clip on a rig: `bones`, `turns`, `ways` as in `geometry.rig.Track`, and what else is known of it.

    `duration_s`, `stride` (lengths of a leg), `is_on_the_spot`; `contacts` (n, 3): index of the bone in `feet`,
    first and last share.
    """

    required: ClassVar[tuple[str, ...]] = ("bones", "turns", "ways", "duration_s", "stride", "contacts", "feet")
