"""What strength below 1 means for where a generation starts."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def weakened_start(inverted: Tensor, noise: Tensor, strength: Tensor | None) -> Tensor:
    """Start latents between noise (strength 0) and the inverted render (strength 1 and more), of unit spread throughout.

    A start that is inverted from the render keeps its layout and colours even where nothing else guides, so strength 0
    would still follow it. Source: ours; the paper's section 5.1 scales depth and injection only. Strength 1 is the paper.

    Args:
        inverted: `frames channels height width`, the last inverted latent.
        noise: The same shape, unit normal.
        strength: `frames image_height image_width`; None is 1 everywhere.
    """
    if strength is None:
        return inverted
    share = functional.interpolate(strength[:, None].to(inverted), size=inverted.shape[-2:], mode="area").clamp(0, 1)
    angle = share * (math.pi / 2)
    return torch.where(share == 1, inverted, torch.sin(angle) * inverted + torch.cos(angle) * noise)
