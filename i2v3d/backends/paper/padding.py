"""Sizes that a model can't take: pictures are widened at the right and at the bottom, results are cut back.

What is added mirrors what is there, in every channel alike, so that the model sees an ordinary picture whose depth and
masks belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.backends.base import GuidedFrame
from i2v3d.geometry.frames import Array


@dataclass(frozen=True)
class Padding:
    """From a size in pixels to the next one whose sides are multiples of `multiple`, and back.

    Attributes:
        height: Of the pictures.
        width: The same.
        multiple: 64 for SVD, whose UNet halves the latent, an eighth of the picture, three times; 32 for SDXL (twice).
    """

    height: int
    width: int
    multiple: int = 64

    @property
    def padded_height(self) -> int:
        """The height that the model sees."""
        return -(-self.height // self.multiple) * self.multiple

    @property
    def padded_width(self) -> int:
        """The width that the model sees."""
        return -(-self.width // self.multiple) * self.multiple

    def pad(self, array: Array) -> Array:
        """Returns `height width ...` widened; the array itself where nothing is missing."""
        rows, columns = self.padded_height - self.height, self.padded_width - self.width
        if not rows and not columns:
            return array
        return np.pad(array, ((0, rows), (0, columns), *((0, 0),) * (array.ndim - 2)), mode="symmetric")

    def pad_frame(self, frame: GuidedFrame) -> GuidedFrame:
        """Returns a frame with each of its channels widened."""
        return GuidedFrame(
            colour=self.pad(frame.colour),
            depth=self.pad(frame.depth),
            is_foreground=self.pad(frame.is_foreground),
            is_visible=self.pad(frame.is_visible),
            strength=self.pad(frame.strength),
        )

    def crop(self, array: Array) -> Array:
        """Returns `height width ...` of a padded array."""
        return array[: self.height, : self.width]
