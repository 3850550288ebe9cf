"""Pictures to latents and back, a few at a time so that memory stays bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder


@torch.no_grad()
def encode_pictures(vae: AutoencoderKL | AutoencoderKLTemporalDecoder, pictures: Tensor, *, batch: int = 4) -> Tensor:
    """Clean latents of pictures: the posterior's mean times the VAE's scaling factor, float32.

    Args:
        vae: The autoencoder; its dtype decides the precision.
        pictures: `frames 3 height width`, 0 to 1.
        batch: Pictures encoded at once.

    Returns:
        `frames channels height/8 width/8`, float32.
    """
    # One memory layout whatever the caller's: another rounds differently in convolutions, and inversion amplifies it.
    scaled = (2 * pictures - 1).to(vae.dtype).contiguous()
    pieces = (vae.encode(piece).latent_dist.mode() for piece in scaled.split(batch))
    return torch.cat([piece.float() for piece in pieces]) * vae.config.scaling_factor


@torch.no_grad()
def decode_pictures(vae: AutoencoderKL, latents: Tensor, *, batch: int = 1) -> Tensor:
    """Pictures of latents: `frames 3 height width`, 0 to 1, float32.

    Args:
        vae: The autoencoder.
        latents: `frames channels height/8 width/8`.
        batch: Latents decoded at once.
    """
    pieces = (vae.decode((piece / vae.config.scaling_factor).to(vae.dtype)).sample for piece in latents.split(batch))
    return (torch.cat([piece.float() for piece in pieces]) / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def decode_clip(vae: AutoencoderKLTemporalDecoder, latents: Tensor, *, chunk: int = 8) -> Tensor:
    """The clip of its latents: `frames 3 height width`, 0 to 1, float32.

    The decoder mixes the frames that it is given at once, so `chunk` shows in the result, faintly.

    Args:
        vae: The temporal autoencoder of SVD.
        latents: `frames channels height/8 width/8`.
        chunk: Frames decoded at once.
    """
    scaled = (latents / vae.config.scaling_factor).to(vae.dtype)
    pieces = (vae.decode(piece, num_frames=piece.shape[0]).sample for piece in scaled.split(chunk))
    return (torch.cat([piece.float() for piece in pieces]) / 2 + 0.5).clamp(0, 1)
