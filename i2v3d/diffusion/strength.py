"""What strength below 1 means for where a generation starts."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def weakened_start(inverted: Tensor, noise: Tensor, strength: Tensor | None) -> Tensor:
    """Start latents from noise (strength 0) to the inverted render (strength 1 and more), of unit spread throughout.

    A start that is inverted from the render keeps its layout and colours even where nothing else guides, so strength 0
    would still follow it. The noise comes in with the square of what lacks to 1, so that strengths near 1 stay near the
    paper, whose section 5.1 scales depth and injection only; strength 1 is the paper.

    Args:
        inverted: `frames channels height width`, the last inverted latent.
        noise: The same shape, unit normal.
        strength: `frames image_height image_width`; None is 1 everywhere.
    """
    if strength is None:
        return inverted
    share = functional.interpolate(strength[:, None].to(inverted), size=inverted.shape[-2:], mode="area").clamp(0, 1)
    noise_share = (1 - share) ** 2
    return (1 - noise_share**2).sqrt() * inverted + noise_share * noise
