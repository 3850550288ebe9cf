"""What an interval keeps where, by the memory that the device may give.

The result is the same whatever is chosen, but for clips that can't be decoded whole (see `diffusion.latents`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from i2v3d.diffusion.features import Storage

if TYPE_CHECKING:
    from i2v3d.backends.device import Device


@dataclass(frozen=True)
class ClipMemory:
    """Choices for one interval.

    Attributes:
        storage: Where source features are kept from inversion to sampling; None makes them again.
        decode_chunk: Frames decoded at once.
        decode_overlap: Frames that chunks share.
    """

    storage: Storage | None
    decode_chunk: int
    decode_overlap: int


def plan_clip_memory(device: Device, *, frames: int, height: int, width: int) -> ClipMemory:
    """Returns the choices for an interval of a size in pixels."""
    raise NotImplementedError
