"""What SVD is told of a picture: CLIP's embedding of it, after the shrinking that SVD was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection


@dataclass(frozen=True)
class ImageEncoder:
    """CLIP's image encoder with SVD's preprocessing.

    Attributes:
        model: The encoder.
        mean: Of the colours that it was trained on, red, green, blue.
        deviation: Their standard deviation.
    """

    model: CLIPVisionModelWithProjection
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """Returns `frames 1 channels`, in the model's type.

        Args:
            pictures: `frames 3 height width`, 0 to 1.
        """
        side = self.model.config.image_size
        shrunk = shrink_smoothly(2 * pictures.float() - 1, height=side, width=side) / 2 + 0.5
        mean, deviation = (shrunk.new_tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        pixels = ((shrunk - mean) / deviation).to(self.model.device, self.model.dtype)
        return self.model(pixels).image_embeds[:, None]


def shrink_smoothly(pictures: Tensor, *, height: int, width: int) -> Tensor:
    """Pictures at another size: a Gaussian blur against aliasing, then bicubic with corners kept in place.

    The blur's deviation is `(factor - 1) / 2` along each axis and its window spans two deviations either way.

    Args:
        pictures: `frames channels height width`, float32.
        height: The new height.
        width: The new width.

    Source: the preprocessing of SVD's published pipeline.
    """
    blurred = pictures
    for axis, size in ((2, height), (3, width)):
        deviation = max((pictures.shape[axis] / size - 1) / 2, 0.001)
        radius = int(max(4 * deviation, 3)) // 2
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=pictures.device)
        window = torch.exp(-(offsets**2) / (2 * deviation**2))
        window = (window / window.sum()).reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))
        edges = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        padded = functional.pad(blurred, edges, mode="reflect")
        blurred = functional.conv2d(padded, window.expand(pictures.shape[1], -1, -1, -1), groups=pictures.shape[1])
    return functional.interpolate(blurred, size=(height, width), mode="bicubic", align_corners=True)
