"""What a keyframe remembers for the next one: where it is torn, and how far it is magnified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from i2v3d.artifacts.scene import NpzFile
from i2v3d.geometry.frames import Array

_STEPS_PER_OCTAVE = 32
_UNIT_STEP = 128


@dataclass(frozen=True)
class KeyframeMemory:
    """Facts about each pixel of a refined keyframe that its colour does not show.

    Attributes:
        is_torn: bool (height, width), True where a surface was pulled wide and its colour invented, now or before.
        magnification: float32 (height, width), how many frame pixels a photo pixel now covers, along one
            axis; 1 at the photo's own scale. Read back to 1/32 octave.
    """

    is_torn: Array
    magnification: Array


@dataclass(frozen=True)
class KeyframeTrace(NpzFile):
    """A `KeyframeMemory` on disk, one bit and one byte a pixel."""

    required: ClassVar[tuple[str, ...]] = ("torn", "magnification", "size")

    def write(self, memory: KeyframeMemory) -> None:
        """Writes the memory."""
        octaves = np.log2(np.clip(memory.magnification, 1 / 8, 8))
        self.write_arrays(
            {
                "size": np.array(memory.is_torn.shape, np.int32),
                "torn": np.packbits(memory.is_torn, axis=1),
                "magnification": np.rint(octaves * _STEPS_PER_OCTAVE + _UNIT_STEP).astype(np.uint8),
            }
        )

    def read(self) -> KeyframeMemory:
        """Returns the memory."""
        arrays = self.read_arrays()
        octaves = (arrays["magnification"].astype(np.float32) - _UNIT_STEP) / _STEPS_PER_OCTAVE
        width = int(arrays["size"][1])
        return KeyframeMemory(np.unpackbits(arrays["torn"], axis=1, count=width).astype(bool), np.exp2(octaves))


__all__ = ["KeyframeMemory", "KeyframeTrace"]
