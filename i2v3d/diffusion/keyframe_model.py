"""SDXL with its depth ControlNet, as one function of latents (paper section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from diffusers import ControlNetModel, UNet2DConditionModel


@dataclass(frozen=True)
class TextCondition:
    """A prompt as SDXL reads it.

    Attributes:
        embeds: `1 tokens channels`, both encoders' hidden states side by side.
        pooled: `1 channels`, the second encoder's pooled output.
    """

    embeds: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class DepthControl:
    """The depth that steers a run of frames, and how much.

    Attributes:
        depth: `frames 3 height width`, inverse depth, 0 far to 1 near.
        scale: Of all ControlNet residuals; 0 leaves the ControlNet out.
        strength: `frames height width`, 0 to 1: scales the residuals by place; None is 1 everywhere.
    """

    depth: Tensor
    scale: float = 1.0
    strength: Tensor | None = None

    def window(self, frames: range) -> DepthControl:
        """The control of some of the frames."""
        return DepthControl(
            depth=self.depth[frames.start : frames.stop],
            scale=self.scale,
            strength=None if self.strength is None else self.strength[frames.start : frames.stop],
        )


@dataclass(frozen=True)
class KeyframeModel:
    """The UNet and its ControlNet; both in one dtype and on one device."""

    unet: UNet2DConditionModel
    controlnet: ControlNetModel

    @torch.no_grad()
    def predict_noise(
        self, latents: Tensor, timestep: int, *, texts: tuple[TextCondition, ...], control: DepthControl
    ) -> Tensor:
        """The predicted noise of every branch.

        Args:
            latents: `branches*frames channels height width`, the frames of a branch together.
            timestep: Training timestep.
            texts: One prompt per branch.
            control: Depth of the frames, the same in every branch.

        Returns:
            The shape of `latents`, float32.
        """
        branches, frames = len(texts), control.depth.shape[0]
        dtype = self.unet.dtype
        sample = latents.to(dtype)
        embeds = torch.cat([text.embeds for text in texts]).repeat_interleave(frames, dim=0).to(dtype)
        height, width = control.depth.shape[-2:]
        # SDXL's micro-conditioning: original size, crop corner, target size; bfloat16 would round the sizes.
        time_ids = torch.tensor([[height, width, 0, 0, height, width]], dtype=torch.float32, device=latents.device)
        added = {
            "text_embeds": torch.cat([text.pooled for text in texts]).repeat_interleave(frames, dim=0).to(dtype),
            "time_ids": time_ids.expand(branches * frames, -1),
        }
        residuals: dict[str, object] = {}
        if control.scale:
            down, middle = self.controlnet(
                sample,
                timestep,
                encoder_hidden_states=embeds,
                controlnet_cond=control.depth.to(dtype).repeat(branches, 1, 1, 1),
                conditioning_scale=control.scale,
                added_cond_kwargs=added,
                return_dict=False,
            )
            residuals = {
                "down_block_additional_residuals": [scaled_by_place(residual, control.strength) for residual in down],
                "mid_block_additional_residual": scaled_by_place(middle, control.strength),
            }
        predicted = self.unet(
            sample, timestep, encoder_hidden_states=embeds, added_cond_kwargs=added, return_dict=False, **residuals
        )
        return predicted[0].float()


def scaled_by_place(residual: Tensor, strength: Tensor | None) -> Tensor:
    """A residual times a map of strengths, averaged to its size.

    Args:
        residual: `branches*frames channels height width`.
        strength: `frames height width`; None is 1 everywhere.
    """
    if strength is None:
        return residual
    resized = functional.interpolate(strength[:, None].to(residual), size=residual.shape[-2:], mode="area")
    return (residual.unflatten(0, (-1, strength.shape[0])) * resized).flatten(0, 1)
