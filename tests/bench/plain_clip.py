"""A clip as one would write it down from the paper: what the package's own sampler is measured against.

Both directions one after another at each step; in each the source is a third branch of every evaluation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from i2v3d.diffusion.injection import svd_places
from i2v3d.diffusion.masks import FrameMask
from i2v3d.diffusion.noise_levels import EulerLevels, euler_move
from i2v3d.diffusion.video_model import ImageCondition, VideoModel
from i2v3d.diffusion.video_sampling import ClipGuide, Trajectory, VideoSettings


class PlainClip:
    """One run; what the hooks read is set on it step by step."""

    def __init__(self, model: VideoModel, levels: EulerLevels, settings: VideoSettings) -> None:
        self.model = model
        self.levels = levels
        self.settings = settings
        self.latent_size = (0, 0)
        self.attention: FrameMask | None = None
        self.convolution: FrameMask | None = None

    def inject_attention(self, _module, _inputs, output: Tensor) -> Tensor | None:
        """Hook on q and k: the source's where the mask holds."""
        if self.attention is None:
            return None
        is_set = self.attention.tokens(output.shape[1], self.latent_size).repeat(3, 1)[..., None]
        return torch.where(is_set, output.chunk(3)[0].repeat(3, 1, 1), output)

    def inject_convolution(self, _module, _inputs, output: Tensor) -> Tensor | None:
        """Hook on residual blocks: the source's where the mask holds."""
        if self.convolution is None:
            return None
        is_set = self.convolution.at(*output.shape[-2:]).repeat(3, 1, 1)[:, None]
        return torch.where(is_set, output.chunk(3)[0].repeat(3, 1, 1, 1), output)

    @torch.no_grad()
    def sample(self, start: Tensor, forward: Trajectory, backward: Trajectory, guide: ClipGuide) -> Tensor:
        """Clean latents, as `sample_clip`."""
        places = svd_places(self.model.unet)
        hooks = [layer.register_forward_hook(self.inject_convolution) for layer in places.convolution.values()]
        for layer in places.attention.values():
            hooks += [part.register_forward_hook(self.inject_attention) for part in (layer.to_q, layer.to_k)]
        latent = start.float()
        self.latent_size = tuple(start.shape[-2:])
        weight = torch.linspace(0, 1, start.shape[1], device=start.device)[:, None, None, None]
        for step in range(self.levels.steps):
            ahead = self._velocity(latent, step, forward, guide)
            back = self._velocity(latent.flip(1), step, backward, guide.reversed_in_time()).flip(1)
            unconditional, conditional = ((1 - weight) * ahead + weight * back).chunk(2)
            latent = euler_move(
                latent,
                unconditional + self.settings.guidance_scale * (conditional - unconditional),
                sigma=float(self.levels.sigmas[step]),
                to_sigma=float(self.levels.sigmas[step + 1]),
            )
        for hook in hooks:
            hook.remove()
        return latent

    def _velocity(self, latent: Tensor, step: int, way: Trajectory, guide: ClipGuide) -> Tensor:
        masks = self.settings.schedule.masks_at(step, is_visible=guide.is_visible)
        self.attention, self.convolution = masks.attention, masks.convolution
        source = way.inversion.latents[self.levels.steps - step]
        if step == 0:
            source = source * self.levels.start_scale
        velocity = self.model.predict_velocity(
            torch.cat([source, latent, latent]),
            sigma=float(self.levels.sigmas[step]),
            timestep=self.levels.timesteps[step],
            image=ImageCondition.stacked((way.source, way.target)),
            control=guide.control,
        )
        return velocity[1:]
