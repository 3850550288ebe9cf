"""What Stable Video Diffusion is told of a picture: its CLIP embedding, and the latents of the picture with noise.

Both as in SVD's own pipeline, and so as it was trained: the latents are not scaled and the same in every frame, and the
unconditional branch gets zeros for both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from i2v3d.diffusion.latents import encode_pictures
from i2v3d.diffusion.video_model import ImageCondition

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder


def image_latents(
    vae: AutoencoderKLTemporalDecoder, pictures: Tensor, noise: Tensor, *, noise_augmentation: float
) -> Tensor:
    """Latents of pictures with noise, without the VAE's scaling: `pictures channels height/8 width/8`, float32.

    Args:
        vae: SVD's autoencoder.
        pictures: `pictures 3 height width`, 0 to 1.
        noise: The same shape or one for all, unit normal.
        noise_augmentation: Its spread on pictures of -1 to 1.
    """
    return encode_pictures(vae, pictures + noise_augmentation / 2 * noise) / vae.config.scaling_factor


def image_condition(embedding: Tensor, latents: Tensor, frames: int) -> ImageCondition:
    """The condition of one branch on one picture.

    Args:
        embedding: `1 channels`, of CLIP.
        latents: `channels height width`, from `image_latents`.
        frames: Of the clip.
    """
    return ImageCondition(embedding[None], latents.expand(1, frames, -1, -1, -1))


def with_unconditional(condition: ImageCondition) -> ImageCondition:
    """The conditions of the two target branches: none, and this one."""
    nothing = ImageCondition(torch.zeros_like(condition.embedding), torch.zeros_like(condition.latents))
    return ImageCondition.stacked((nothing, condition))
