"""Pictures to latents and back, a few at a time so that memory stays bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from i2v3d.diffusion.windows import overlapping_windows

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
def decode_clip(
    vae: AutoencoderKLTemporalDecoder, latents: Tensor, *, chunk: int | None = None, overlap: int = 0
) -> Tensor:
    """The clip of its latents: `frames 3 height width`, 0 to 1, float32.

    The decoder mixes all frames that it is given at once (convolutions over time, norms over all frames), so chunks
    show in the result: decode a clip whole where memory allows. Chunks that overlap, faded into each other, come nearer
    to the whole clip than chunks that don't, and leave no step where they meet.

    Args:
        vae: The temporal autoencoder of SVD.
        latents: `frames channels height/8 width/8`.
        chunk: Frames decoded at once; None for all.
        overlap: Frames that neighbouring chunks share, less than `chunk`.
    """
    scaled = (latents / vae.config.scaling_factor).to(vae.dtype)
    frames = len(scaled)
    height, width = (8 * side for side in latents.shape[-2:])
    total = torch.zeros(frames, 3, height, width, device=latents.device)
    count = torch.zeros(frames, 1, 1, 1, device=latents.device)
    for window in overlapping_windows(frames, size=chunk or frames, overlap=overlap):
        piece = scaled[window.start : window.stop]
        decoded = vae.decode(piece, num_frames=len(piece)).sample.float() / 2 + 0.5
        weight = _fading_weight(window, frames, overlap).to(latents.device)
        total[window.start : window.stop] += weight * decoded
        count[window.start : window.stop] += weight
    return (total / count).clamp(0, 1)


def _fading_weight(window: range, frames: int, overlap: int) -> Tensor:
    """Weight of each frame of a chunk, 0 to 1: it falls over the overlap, but not at the clip's own ends."""
    plateau = overlap + 1
    from_start = [plateau if window.start == 0 else index + 1 for index in range(len(window))]
    to_end = [plateau if window.stop == frames else len(window) - index for index in range(len(window))]
    weights = [min(pair) for pair in zip(from_start, to_end, strict=True)]
    return (torch.tensor(weights, dtype=torch.float32).clamp(max=plateau) / plateau)[:, None, None, None]
