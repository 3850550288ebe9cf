"""Pictures and mattes on disk: 8-bit PNG, sRGB, written so that equal pixels give equal bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from i2v3d.artifacts.base import Artifact, Sequence
from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Array


@dataclass(frozen=True)
class _Png(Artifact):
    suffix: ClassVar[str] = ".png"
    mode: ClassVar[str] = "RGB"

    def write(self, pixels: Array) -> None:
        """Writes uint8 pixels. Compression level 1: level 6 costs four times the time for 10 % of the size."""
        from PIL import Image as Pillow

        if pixels.dtype != np.uint8:
            raise ArtifactError(f"{self.path.name}: {pixels.dtype} pixels where uint8 was promised")
        Pillow.fromarray(np.ascontiguousarray(pixels), self.mode).save(self.path, compress_level=1)

    def read(self) -> Array:
        """Returns uint8 pixels."""
        from PIL import Image as Pillow

        with Pillow.open(self.path) as picture:
            if picture.mode != self.mode:
                raise ArtifactError(f"{self.path.name}: a {picture.mode} picture where {self.mode} was promised")
            return np.asarray(picture)

    def check(self) -> None:
        """Checks that the header is that of a PNG of this mode; pixels are not decoded."""
        super().check()
        from PIL import Image as Pillow

        try:
            with Pillow.open(self.path) as picture:
                mode = picture.mode
        except OSError as error:
            raise ArtifactError(f"{self.path.name}: not a picture") from error
        if mode != self.mode:
            raise ArtifactError(f"{self.path.name}: a {mode} picture where {self.mode} was promised")


@dataclass(frozen=True)
class Image(_Png):
    """An sRGB picture, uint8 (height, width, 3)."""


@dataclass(frozen=True)
class CutOut(_Png):
    """An sRGB picture with straight (not premultiplied) alpha, uint8 (height, width, 4)."""

    mode: ClassVar[str] = "RGBA"


@dataclass(frozen=True)
class Matte(_Png):
    """A soft alpha matte or a mask, uint8 (height, width): 255 where the named thing is."""

    mode: ClassVar[str] = "L"


@dataclass(frozen=True)
class Frames(Sequence[Image]):
    """Pictures in time order."""

    item_type: ClassVar[type[Artifact]] = Image
