"""SVD with its depth ControlNet, as one function of latents (paper section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from i2v3d.diffusion.keyframe_model import scaled_by_place
from i2v3d.diffusion.noise_levels import scaled_model_input
from i2v3d.diffusion.svd_controlnet import Residuals, SvdControlNet, residuals_added

if TYPE_CHECKING:
    from diffusers import UNetSpatioTemporalConditionModel


@dataclass(frozen=True)
class ImageCondition:
    """A picture as SVD reads it, for one or more branches.

    Attributes:
        embedding: `branches 1 channels`, the CLIP image embedding; zeros for the unconditional branch.
        latents: `branches frames channels height width`, the noise-augmented picture's latents, unscaled, the same in
            every frame; zeros for the unconditional branch.
    """

    embedding: Tensor
    latents: Tensor

    def branch(self, index: int) -> ImageCondition:
        """The condition of one branch."""
        return ImageCondition(self.embedding[index : index + 1], self.latents[index : index + 1])

    def is_same_as(self, other: ImageCondition) -> bool:
        """Whether both are equal to the bit."""
        return torch.equal(self.embedding, other.embedding) and torch.equal(self.latents, other.latents)

    @staticmethod
    def stacked(conditions: tuple[ImageCondition, ...]) -> ImageCondition:
        """Several conditions as the branches of one."""
        return ImageCondition(
            torch.cat([condition.embedding for condition in conditions]),
            torch.cat([condition.latents for condition in conditions]),
        )


@dataclass(frozen=True)
class ClipControl:
    """The depth that steers a clip, and how much.

    Attributes:
        depth: `1 frames 3 height width`, inverse depth, -1 far to 1 near.
        scale: Of all ControlNet residuals; 0 leaves the ControlNet out.
        strength: `frames height width`, 0 to 1: scales the residuals by place; None is 1 everywhere.
    """

    depth: Tensor
    scale: float = 1.0
    strength: Tensor | None = None

    def is_same_as(self, other: ClipControl) -> bool:
        """Whether both are equal to the bit."""
        return (
            self.scale == other.scale
            and torch.equal(self.depth, other.depth)
            and (self.strength is None) == (other.strength is None)
            and (self.strength is None or other.strength is None or torch.equal(self.strength, other.strength))
        )

    def reversed_in_time(self) -> ClipControl:
        """The control of the clip played backwards."""
        return ClipControl(
            depth=self.depth.flip(1),
            scale=self.scale,
            strength=None if self.strength is None else self.strength.flip(0),
        )


@dataclass
class KeptClipResiduals:
    """Residuals of an earlier evaluation, for those after it.

    Attributes:
        residuals: None until there are some.
    """

    residuals: Residuals | None = None


@dataclass(frozen=True)
class VideoModel:
    """The UNet and its ControlNet, both in one dtype and on one device.

    Attributes:
        unet: SVD's.
        controlnet: Its depth ControlNet.
        time_ids: `fps - 1, motion_bucket_id, noise_aug_strength`, SVD's micro-conditioning.
    """

    unet: UNetSpatioTemporalConditionModel
    controlnet: SvdControlNet
    time_ids: tuple[float, float, float]

    @torch.no_grad()
    def predict_velocity(
        self,
        latents: Tensor,
        *,
        sigma: float,
        timestep: Tensor,
        image: ImageCondition,
        control: ClipControl,
        kept: KeptClipResiduals | None = None,
    ) -> Tensor:
        """The predicted velocity of every branch.

        Args:
            latents: `branches frames channels height width`, at their noise level (the scaling is done here).
            sigma: The noise level.
            timestep: Scalar, `ln(sigma) / 4` as the scheduler rounds it.
            image: One condition per branch.
            control: Depth of the frames, the same in every branch.
            kept: Residuals that are there are used, and the ControlNet is not asked; else its residuals are put there.

        Returns:
            The shape of `latents`, float32.
        """
        branches, dtype = latents.shape[0], self.unet.dtype
        sample = torch.cat([scaled_model_input(latents, sigma), image.latents.to(latents)], dim=2).to(dtype)
        embedding = image.embedding.to(dtype)
        time_ids = torch.tensor([self.time_ids], dtype=torch.float32, device=latents.device).expand(branches, -1)
        timestep = timestep.to(latents.device)
        residuals = kept.residuals if kept else None
        if control.scale and residuals is None:
            residuals = self.controlnet(
                sample,
                timestep,
                encoder_hidden_states=embedding,
                added_time_ids=time_ids,
                condition=control.depth.to(dtype).expand(branches, -1, -1, -1, -1),
                scale=control.scale,
            )
            residuals = Residuals(
                skips=tuple(scaled_by_place(skip, control.strength) for skip in residuals.skips),
                middle=scaled_by_place(residuals.middle, control.strength),
            )
            if kept:
                kept.residuals = residuals
        with residuals_added(self.unet, residuals):
            predicted = self.unet(
                sample, timestep, encoder_hidden_states=embedding, added_time_ids=time_ids, return_dict=False
            )
        return predicted[0].float()
