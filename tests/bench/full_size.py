"""Models of the published sizes with random weights, and made-up renders, for benchmarks on a GPU."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    UNet2DConditionModel,
    UNetSpatioTemporalConditionModel,
)
from torch import Tensor, nn

from i2v3d.diffusion.keyframe_model import KeyframeModel, TextCondition
from i2v3d.diffusion.svd_controlnet import SvdControlNet
from i2v3d.diffusion.video_model import VideoModel

DEVICE = torch.device("cuda")
LEVEL = 8  # pixels per latent
SDXL_SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "clip_sample": False,
    "set_alpha_to_one": False,
}
SVD_SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_type": "continuous",
    "timestep_spacing": "leading",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
}


def made(kind: type[nn.Module], dtype: torch.dtype, **config: object) -> nn.Module:
    """A model with random weights, made on the GPU."""
    torch.set_default_dtype(dtype)
    try:
        with DEVICE:
            model = kind(**config)
    finally:
        torch.set_default_dtype(torch.float32)
    return model.to(DEVICE, dtype).eval().requires_grad_(False)


def enlivened(model: nn.Module) -> nn.Module:
    """A ControlNet whose zero convolutions add something, so that leaving it out shows."""
    for name, parameter in model.named_parameters():
        if "controlnet_down_blocks" in name or "controlnet_mid_block" in name:
            nn.init.normal_(parameter, std=0.02)
    return model


def sdxl(dtype: torch.dtype, seed: int = 0) -> KeyframeModel:
    """SDXL's UNet and a depth ControlNet."""
    torch.manual_seed(seed)
    unet = made(
        UNet2DConditionModel,
        dtype,
        sample_size=128,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(320, 640, 1280),
        cross_attention_dim=2048,
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    controlnet = made(
        ControlNetModel,
        dtype,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        block_out_channels=(320, 640, 1280),
        cross_attention_dim=2048,
        transformer_layers_per_block=(1, 2, 10),
        attention_head_dim=(5, 10, 20),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )
    return KeyframeModel(unet=unet, controlnet=enlivened(controlnet))


def svd(dtype: torch.dtype, seed: int = 0) -> VideoModel:
    """SVD's UNet and a depth ControlNet."""
    torch.manual_seed(seed)
    unet = made(UNetSpatioTemporalConditionModel, dtype, num_attention_heads=(5, 10, 20, 20))
    controlnet = enlivened(made(SvdControlNet, dtype))
    return VideoModel(unet=unet, controlnet=controlnet, time_ids=(6.0, 127.0, 0.02))


def text(generator: torch.Generator) -> TextCondition:
    """A made-up prompt."""
    return TextCondition(
        torch.randn(1, 77, 2048, generator=generator).to(DEVICE), torch.randn(1, 1280, generator=generator).to(DEVICE)
    )


def ddim() -> DDIMScheduler:
    """SDXL's scheduler as DDIM."""
    return DDIMScheduler(**SDXL_SCHEDULER)


def euler() -> EulerDiscreteScheduler:
    """SVD's scheduler."""
    return EulerDiscreteScheduler(**SVD_SCHEDULER)


@dataclass(frozen=True)
class Renders:
    """Made-up renders of a disc that crosses a plane.

    Attributes:
        latents: `frames 4 height/8 width/8`, smooth.
        depth: `frames 3 height width`, 0 to 1.
        is_foreground: `frames height width`, bool.
        is_visible: The same: all but what the disc hid at first.
    """

    latents: Tensor
    depth: Tensor
    is_foreground: Tensor
    is_visible: Tensor


def renders(frames: int, height: int, width: int) -> Renders:
    """Renders of so many frames."""
    draw = torch.Generator().manual_seed(3)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    radius = 0.28 * height
    discs = torch.stack(
        [
            (rows - height / 2) ** 2 + (columns - width * (0.3 + 0.4 * frame / max(frames - 1, 1))) ** 2 < radius**2
            for frame in range(frames)
        ]
    )
    ground = (rows / height).expand(frames, -1, -1)
    depth = torch.where(discs, 0.9, 0.6 * ground)[:, None].repeat(1, 3, 1, 1)
    coarse = torch.randn(1, 4, math.ceil(height / 64), math.ceil(width / 64), generator=draw)
    size = (height // LEVEL, width // LEVEL)
    latents = nn.functional.interpolate(coarse, size=size, mode="bicubic").repeat(frames, 1, 1, 1)
    small = nn.functional.interpolate(discs[:, None].float(), size=size, mode="area")
    latents = latents + small * torch.randn(1, 4, 1, 1, generator=draw)
    return Renders(
        latents=latents.to(DEVICE),
        depth=depth.to(DEVICE),
        is_foreground=discs.to(DEVICE),
        is_visible=(discs | ~discs[:1]).to(DEVICE),
    )
