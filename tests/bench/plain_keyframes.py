"""Keyframes as one would write them down from the paper: what the package's own sampler is measured against.

The source is a third branch of every evaluation, attention masks are written out over all pairs of tokens, windows come
one after another.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from i2v3d.diffusion.injection import sdxl_places
from i2v3d.diffusion.keyframe_model import DepthControl, KeyframeModel
from i2v3d.diffusion.keyframe_sampling import KeyframeGuide, KeyframePrompts, KeyframeSettings
from i2v3d.diffusion.masks import FrameMask
from i2v3d.diffusion.noise_levels import DdimLevels, ddim_move
from i2v3d.diffusion.windows import overlapping_windows


class PlainAttention:
    """Self-attention of source, negative and prompt branches, `3*frames` together."""

    def __init__(self, run: PlainKeyframes) -> None:
        self.run = run

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        query, key, value = (layer(hidden_states) for layer in (attn.to_q, attn.to_k, attn.to_v))
        run, tokens = self.run, hidden_states.shape[1]
        frames = hidden_states.shape[0] // 3
        if run.attention is not None:
            is_set = run.attention.tokens(tokens, run.latent_size).repeat(3, 1)[..., None]
            query = torch.where(is_set, query[:frames].repeat(3, 1, 1), query)
            key = torch.where(is_set, key[:frames].repeat(3, 1, 1), key)
        query, key, value = (item.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for item in (query, key, value))
        source = scaled_dot_product_attention(query[:frames], key[:frames], value[:frames])
        joined = [item[frames:].unflatten(0, (2, frames)).transpose(1, 2).flatten(2, 3) for item in (query, key, value)]
        target = scaled_dot_product_attention(*joined, attn_mask=run.may_see(tokens))
        target = target.unflatten(2, (frames, tokens)).transpose(1, 2).flatten(0, 1)
        output = torch.cat([source, target]).transpose(1, 2).flatten(2)
        return attn.to_out[0](output)


class PlainKeyframes:
    """One run; what the hooks read is set on it step by step."""

    def __init__(self, model: KeyframeModel, guide: KeyframeGuide, latent_size: tuple[int, int]) -> None:
        self.model = model
        self.guide = guide
        self.latent_size = latent_size
        self.attention: FrameMask | None = None
        self.convolution: FrameMask | None = None
        self.window = range(0)

    def may_see(self, tokens: int) -> Tensor:
        """Which query sees which key, over all pairs of tokens of the window."""
        is_background = ~FrameMask(self.guide.is_foreground).window(self.window).tokens(tokens, self.latent_size)
        frame = torch.arange(len(self.window), device=is_background.device).repeat_interleave(tokens)
        flat = is_background.flatten()
        return (frame[:, None] == frame[None]) | (flat[:, None] & flat[None])

    def inject_convolution(self, _module, _inputs, output: Tensor) -> Tensor | None:
        """Hook: the source's features where the mask holds."""
        if self.convolution is None:
            return None
        frames = output.shape[0] // 3
        is_set = self.convolution.at(*output.shape[-2:]).repeat(3, 1, 1)[:, None]
        return torch.where(is_set, output[:frames].repeat(3, 1, 1, 1), output)

    @torch.no_grad()
    def sample(
        self,
        start: Tensor,
        levels: DdimLevels,
        prompts: KeyframePrompts,
        control: DepthControl,
        settings: KeyframeSettings,
    ) -> Tensor:
        """Clean latents, as `sample_keyframes`."""
        places = sdxl_places(self.model.unet)
        hooks = [layer.register_forward_hook(self.inject_convolution) for layer in places.convolution.values()]
        before = {layer: layer.get_processor() for layer in places.attention.values()}
        for layer in before:
            layer.set_processor(PlainAttention(self))
        latents = start.float()
        windows = overlapping_windows(len(start), size=settings.window, overlap=settings.overlap)
        for step, level in enumerate(reversed(range(levels.steps))):
            masks = settings.schedule.masks_at(
                step, is_foreground=self.guide.is_foreground, is_visible=self.guide.is_visible
            )
            total, count = torch.zeros_like(latents), torch.zeros(len(latents), 1, 1, 1, device=latents.device)
            for window in windows:
                self.window = window
                self.attention = masks.attention and masks.attention.window(window)
                self.convolution = masks.convolution and masks.convolution.window(window)
                own = latents[window.start : window.stop]
                source = self.guide.inverted[level][window.start : window.stop]
                noise = self.model.predict_noise(
                    torch.cat([source, own, own]),
                    levels.timesteps[level],
                    texts=(prompts.inversion, prompts.negative, prompts.prompt),
                    control=control.window(window),
                )
                _, negative, prompt = noise.chunk(3)
                guided = negative + settings.guidance_scale * (prompt - negative)
                total[window.start : window.stop] += ddim_move(
                    own, guided, alpha=levels.alphas[level], to_alpha=levels.alpha_before(level)
                )
                count[window.start : window.stop] += 1
            latents = total / count
        for layer, processor in before.items():
            layer.set_processor(processor)
        for hook in hooks:
            hook.remove()
        return latents
