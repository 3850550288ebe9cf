"""Small pictures for people to look at: WebP for colours, palette PNG for what lies over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from i2v3d.artifacts.base import Artifact, Sequence
from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Array
from i2v3d.geometry.resolution import Resolution

# (frames of a clip, width of its drawings): a page of them stays a few megabytes whatever the clip.
_WIDTHS_PX = ((72, 640), (144, 480), (288, 384), (576, 288))
_SMALLEST_WIDTH_PX = 224


def drawn_size(size: Resolution, frame_count: int) -> Resolution:
    """Returns how large the drawings of a clip are: even numbers, no larger than the clip itself."""
    widest = next((width for count, width in _WIDTHS_PX if frame_count <= count), _SMALLEST_WIDTH_PX)
    # What counts is the area: an upright clip is as large as a wide one.
    factor = min(1.0, (widest * widest * 9 / 16 / (size.width * size.height)) ** 0.5)
    return Resolution(max(2, round(size.width * factor / 2) * 2), max(2, round(size.height * factor / 2) * 2))


def shrunk(pixels: Array, size: Resolution) -> Array:
    """Returns a picture (height, width, channels) at a smaller size; as it is where that is its own."""
    from PIL import Image as Pillow

    if pixels.shape[:2] == (size.height, size.width):
        return pixels
    return np.asarray(Pillow.fromarray(pixels).resize((size.width, size.height), Pillow.Resampling.LANCZOS))


@dataclass(frozen=True)
class WebPicture(Artifact):
    """A lossy WebP, sRGB, with or without alpha. Every browser of this decade shows it."""

    suffix: ClassVar[str] = ".webp"

    def write(self, pixels: Array, *, quality: int = 82) -> None:
        """Writes uint8 (height, width, 3 or 4). Method 2: the default takes twice the time for 4 % of the size."""
        from PIL import Image as Pillow

        Pillow.fromarray(np.ascontiguousarray(pixels)).save(self.path, "WEBP", quality=quality, method=2)

    def check(self) -> None:
        """Checks that the header is a WebP's."""
        super().check()
        with self.path.open("rb") as file:
            head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            raise ArtifactError(f"{self.path.name}: not a WebP picture")


@dataclass(frozen=True)
class WebFrames(Sequence[WebPicture]):
    """Drawings in time order."""

    item_type: ClassVar[type[Artifact]] = WebPicture


@dataclass(frozen=True)
class Overlay(Artifact):
    """A palette PNG whose colours below a number are transparent."""

    suffix: ClassVar[str] = ".png"

    def write(self, indices: Array, palette: Array, first_opaque: int) -> None:
        """Writes uint8 indices (height, width) into a uint8 palette (colours, 3)."""
        from PIL import Image as Pillow

        picture = Pillow.fromarray(np.ascontiguousarray(indices), "P")
        used = int(indices.max()) + 1
        picture.putpalette(palette[:used].tobytes())
        picture.save(self.path, "PNG", transparency=bytes(first_opaque), optimize=False, compress_level=6)


@dataclass(frozen=True)
class Overlays(Sequence[Overlay]):
    """Overlays in time order."""

    item_type: ClassVar[type[Artifact]] = Overlay


__all__ = ["Overlay", "Overlays", "WebFrames", "WebPicture", "drawn_size", "shrunk"]
