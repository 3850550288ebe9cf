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


class KeptResiduals:
    """Residuals of a ControlNet in memory that stays where it is, so that later steps may use them again."""

    def __init__(self) -> None:
        self.tensors: tuple[Tensor, ...] = ()

    def put(self, residuals: tuple[Tensor, ...]) -> None:
        """Keeps residuals, in the place of those before."""
        if not self.tensors:
            self.tensors = tuple(tensor.clone() for tensor in residuals)
            return
        for kept, tensor in zip(self.tensors, residuals, strict=True):
            kept.copy_(tensor)


@dataclass(frozen=True)
class KeyframeModel:
    """The UNet and its ControlNet; both in one dtype and on one device."""

    unet: UNet2DConditionModel
    controlnet: ControlNetModel

    @torch.no_grad()
    def predict_noise(
        self,
        latents: Tensor,
        timestep: int | Tensor,
        *,
        texts: tuple[TextCondition, ...],
        control: DepthControl,
        kept: KeptResiduals | None = None,
        is_kept_used: bool = False,
    ) -> Tensor:
        """The predicted noise of every branch.

        Args:
            latents: `branches*frames channels height width`, the frames of a branch together.
            timestep: Training timestep; a scalar on the device of the latents, or a number.
            texts: One prompt per branch.
            control: Depth of the frames, the same in every branch.
            kept: Where the ControlNet's residuals are put, or come from.
            is_kept_used: Whether they come from there, and the ControlNet is not asked.

        Returns:
            The shape of `latents`, float32; an injection may have the decoder see some frames more than once.
        """
        branches, frames = len(texts), control.depth.shape[0]
        dtype = self.unet.dtype
        sample = latents.to(dtype)
        height, width = control.depth.shape[-2:]
        # SDXL's micro-conditioning: original size, crop corner, target size; bfloat16 would round the sizes. Nothing
        # here may come from the CPU's memory, since evaluations are recorded.
        time_ids = torch.zeros(1, 6, device=latents.device)
        time_ids[:, 0::4], time_ids[:, 1::4] = height, width
        inputs = {
            "encoder_hidden_states": torch.cat([text.embeds for text in texts])
            .repeat_interleave(frames, dim=0)
            .to(dtype),
            "added_cond_kwargs": {
                "text_embeds": torch.cat([text.pooled for text in texts]).repeat_interleave(frames, dim=0).to(dtype),
                "time_ids": time_ids.expand(branches * frames, -1),
            },
        }
        residuals: tuple[Tensor, ...] = ()
        if kept is not None and is_kept_used:
            residuals = kept.tensors
        elif control.scale:
            residuals = self._residuals(sample, timestep, inputs, control, branches)
            if kept is not None:
                kept.put(residuals)
        added: dict[str, object] = {}
        if residuals:
            added = {
                "down_block_additional_residuals": residuals[:-1],
                "mid_block_additional_residual": residuals[-1],
            }
        return self.unet(sample, timestep, return_dict=False, **inputs, **added)[0].float()

    def _residuals(
        self,
        sample: Tensor,
        timestep: int | Tensor,
        inputs: dict[str, object],
        control: DepthControl,
        branches: int,
    ) -> tuple[Tensor, ...]:
        """What the ControlNet adds: one per skip, outermost first, and one for the middle."""
        down, middle = self.controlnet(
            sample,
            timestep,
            controlnet_cond=control.depth.to(sample.dtype).repeat(branches, 1, 1, 1),
            conditioning_scale=control.scale,
            return_dict=False,
            **inputs,
        )
        return tuple(scaled_by_place(residual, control.strength) for residual in (*down, middle))


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
