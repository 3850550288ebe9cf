"""Eq. 1: the loss that teaches a LoRA the look of one scene (paper section 3.2.1).

Each step sees the photo with its full prompt and one random novel view of a random foreground object with the prompt
"a {class}"; the view counts only where its mask holds, since the rest of it is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from i2v3d.diffusion.keyframe_model import TextCondition
from i2v3d.diffusion.masks import FrameMask

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel


@dataclass(frozen=True)
class MicroConditioning:
    """What SDXL is told about a picture's making, in pixels."""

    original_height: int
    original_width: int
    crop_top: int
    crop_left: int
    target_height: int
    target_width: int

    def time_ids(self, device: torch.device) -> Tensor:
        """`1 6`, float32 (half precision has no 683), in the order that SDXL was trained with."""
        numbers = (
            self.original_height,
            self.original_width,
            self.crop_top,
            self.crop_left,
            self.target_height,
            self.target_width,
        )
        return torch.tensor([numbers], dtype=torch.float32, device=device)


@dataclass(frozen=True)
class TrainingPicture:
    """A picture to learn from, encoded once.

    Attributes:
        latents: `1 channels height width`.
        text: Its prompt.
        micro: Its size and crop.
        is_learnt: `1 image_height image_width`, bool: where the loss counts; None for the whole picture.
    """

    latents: Tensor
    text: TextCondition
    micro: MicroConditioning
    is_learnt: Tensor | None = None


@dataclass(frozen=True)
class NoiseDraw:
    """The random numbers of one term.

    Attributes:
        noise: The shape of the latents, unit normal.
        timestep: Training timestep.
    """

    noise: Tensor
    timestep: int

    @classmethod
    def of(cls, latents: Tensor, timesteps: int, generator: torch.Generator) -> NoiseDraw:
        """A draw from a CPU generator, so that every device gets the same."""
        timestep = int(torch.randint(timesteps, (1,), generator=generator))
        noise = torch.randn(latents.shape, generator=generator)
        return cls(noise=noise.to(latents.device), timestep=timestep)


def noise_loss(unet: UNet2DConditionModel, picture: TrainingPicture, draw: NoiseDraw, alphas: Tensor) -> Tensor:
    """The mean squared error of the predicted noise, counted where the picture is to be learnt.

    The mean is over the whole picture, masked part included, as `||M * (noise - predicted)||^2` over a fixed size: a
    small object weighs little, and the weight lambda says how much.

    Args:
        unet: Predicts noise; in training mode, with its LoRA.
        picture: What is learnt.
        draw: Noise and timestep.
        alphas: `timesteps`, cumulative alphas of the training schedule.

    Returns:
        Scalar, float32, with its graph.
    """
    dtype = unet.dtype
    alpha = alphas[draw.timestep].to(picture.latents.device)
    noisy = alpha**0.5 * picture.latents + (1 - alpha) ** 0.5 * draw.noise
    predicted = unet(
        noisy.to(dtype),
        draw.timestep,
        encoder_hidden_states=picture.text.embeds.to(dtype),
        added_cond_kwargs={
            "text_embeds": picture.text.pooled.to(dtype),
            "time_ids": picture.micro.time_ids(noisy.device),
        },
        return_dict=False,
    )[0]
    error = predicted.float() - draw.noise.float()
    if picture.is_learnt is not None:
        error = error * FrameMask(picture.is_learnt).at(*error.shape[-2:])[:, None].to(error)
    return error.square().mean()


def customization_loss(
    unet: UNet2DConditionModel,
    photo: TrainingPicture,
    view: TrainingPicture,
    *,
    alphas: Tensor,
    augmentation_weight: float,
    generator: torch.Generator,
) -> Tensor:
    """Eq. 1: the photo's loss plus the weighted, masked loss of one novel view.

    Args:
        unet: Predicts noise; in training mode, with its LoRA.
        photo: The source photo with its full prompt.
        view: A novel view with its mask and the prompt "a {class}".
        alphas: `timesteps`, cumulative alphas of the training schedule.
        augmentation_weight: Lambda; 0 leaves the view out (single-view customization).
        generator: On the CPU; draws the photo's numbers, then the view's.

    Returns:
        Scalar, float32, with its graph.
    """
    photo_draw = NoiseDraw.of(photo.latents, len(alphas), generator)
    view_draw = NoiseDraw.of(view.latents, len(alphas), generator)
    loss = noise_loss(unet, photo, photo_draw, alphas)
    if augmentation_weight:
        loss = loss + augmentation_weight * noise_loss(unet, view, view_draw, alphas)
    return loss
