"""Rendered frames as tensors, padded to a size that every level of a model halves exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from i2v3d.backends.base import GuidedFrame
from i2v3d.backends.paper.padding import Padding
from i2v3d.geometry.frames import Array


@dataclass(frozen=True)
class FrameTensors:
    """Guided frames, widened as `Padding` says.

    Attributes:
        pictures: `frames 3 height width`, float32, 0 to 1.
        depth: `frames 3 height width`, float32, 0 far to 1 near.
        is_foreground: `frames height width`, bool.
        is_visible: `frames height width`, bool.
        strength: `frames height width`, float32; None where it is 1 everywhere.
        padding: From the frames' own size to this one.
    """

    pictures: Tensor
    depth: Tensor
    is_foreground: Tensor
    is_visible: Tensor
    strength: Tensor | None
    padding: Padding

    def cropped(self, pictures: Tensor) -> list[Array]:
        """Returns uint8 (height, width, 3) per frame, of the frames' own size.

        Args:
            pictures: `frames 3 height width`, 0 to 1, of the padded size.
        """
        finished = pictures.mul(255).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()
        return [np.ascontiguousarray(self.padding.crop(picture)) for picture in finished]


def frame_tensors(frames: Sequence[GuidedFrame], *, multiple: int, device: torch.device) -> FrameTensors:
    """Returns frames of one size as tensors.

    Args:
        frames: At least one.
        multiple: Both sides are padded to a multiple of it.
        device: Where the tensors go.
    """
    height, width = frames[0].depth.shape
    padding = Padding(height, width, multiple)

    def stacked(arrays: list[Array]) -> Tensor:
        return torch.from_numpy(np.stack([padding.pad(array) for array in arrays])).to(device)

    strength = stacked([frame.strength for frame in frames])
    return FrameTensors(
        pictures=stacked([frame.colour for frame in frames]).permute(0, 3, 1, 2) / 255.0,
        depth=stacked([frame.depth for frame in frames])[:, None].repeat(1, 3, 1, 1),
        is_foreground=stacked([frame.is_foreground for frame in frames]),
        is_visible=stacked([frame.is_visible for frame in frames]),
        strength=None if bool((strength == 1).all()) else strength,
        padding=padding,
    )
