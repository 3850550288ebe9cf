"""Eq. 1: the loss that teaches a LoRA the look of one scene (paper section 3.2.1).

Each step sees the photo with its full prompt and one random novel view of a random foreground object with the prompt
"a {class}"; the view counts only where its mask holds, since the rest of it is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        if latents.device.type == "cuda":  # a copy from pinned memory does not wait for the step before
            noise = noise.pin_memory()
        return cls(noise=noise.to(latents.device, non_blocking=True), timestep=timestep)


@dataclass(frozen=True)
class LossTerm:
    """One term of Eq. 1."""

    picture: TrainingPicture
    draw: NoiseDraw
    weight: float


def noise_losses(unet: UNet2DConditionModel, terms: Sequence[LossTerm], alphas: Tensor) -> Tensor:
    """The mean squared error of the predicted noise of each term, counted where its picture is to be learnt.

    All are predicted in one evaluation, so their latents are of one size. The mean is over the whole picture, masked
    part included, as `||M * (noise - predicted)||^2` over a fixed size: a small object weighs little, and the weight
    lambda says how much.

    Args:
        unet: Predicts noise, with its LoRA.
        terms: What is learnt; their weights are not read.
        alphas: `timesteps`, cumulative alphas of the training schedule, on the CPU.

    Returns:
        `terms`, float32, with its graph.
    """
    dtype, pictures = unet.dtype, [term.picture for term in terms]
    latents = torch.cat([picture.latents for picture in pictures])
    noise = torch.cat([term.draw.noise for term in terms])
    alpha = torch.stack([alphas[term.draw.timestep] for term in terms])[:, None, None, None].to(latents)
    predicted = unet(
        (alpha**0.5 * latents + (1 - alpha) ** 0.5 * noise).to(dtype),
        torch.tensor([term.draw.timestep for term in terms], device=latents.device),
        encoder_hidden_states=torch.cat([picture.text.embeds for picture in pictures]).to(dtype),
        added_cond_kwargs={
            "text_embeds": torch.cat([picture.text.pooled for picture in pictures]).to(dtype),
            "time_ids": torch.cat([picture.micro.time_ids(latents.device) for picture in pictures]),
        },
        return_dict=False,
    )[0]
    error = predicted.float() - noise.float()
    if any(picture.is_learnt is not None for picture in pictures):
        size = (error.shape[-2], error.shape[-1])
        error = error * torch.cat([_counted(picture, size) for picture in pictures])[:, None].to(error)
    return error.square().mean(dim=(1, 2, 3))


def _counted(picture: TrainingPicture, size: tuple[int, int]) -> Tensor:
    """Where the loss counts: `1 height width`, bool, at the size of the latents."""
    if picture.is_learnt is None:
        return torch.ones(1, *size, dtype=torch.bool, device="cpu")
    return FrameMask(picture.is_learnt).at(*size).cpu()


def customization_loss(
    unet: UNet2DConditionModel,
    photo: TrainingPicture,
    view: TrainingPicture | None,
    *,
    alphas: Tensor,
    augmentation_weight: float,
    generator: torch.Generator,
) -> Tensor:
    """Eq. 1: the photo's loss plus the weighted, masked loss of one novel view, each predicted alone.

    Args:
        unet: Predicts noise, with its LoRA.
        photo: The source photo with its full prompt.
        view: A novel view with its mask and the prompt "a {class}"; None where there is none.
        alphas: `timesteps`, cumulative alphas of the training schedule, on the CPU.
        augmentation_weight: Lambda; 0 leaves the view out (single-view customization).
        generator: On the CPU; draws the photo's numbers, then the view's.

    Returns:
        Scalar, float32, with its graph.
    """
    terms = [LossTerm(photo, NoiseDraw.of(photo.latents, len(alphas), generator), 1.0)]
    if view is not None and augmentation_weight:
        terms.append(LossTerm(view, NoiseDraw.of(view.latents, len(alphas), generator), augmentation_weight))
    return torch.stack([term.weight * noise_losses(unet, (term,), alphas)[0] for term in terms]).sum()
