"""Keyframes: generation guided by what the inversion of the renders saw (paper section 3.2).

Three branches per frame and step: the source (the render's inverted latent with the empty prompt), the negative prompt
and the prompt. The source is evaluated alone, once for all windows, and only while something is injected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from i2v3d.diffusion.extended_attention import ExtendedAttention, Extension
from i2v3d.diffusion.features import SourceFeatures
from i2v3d.diffusion.injection import Injection, StepContext, sdxl_places
from i2v3d.diffusion.keyframe_model import DepthControl, KeyframeModel, TextCondition
from i2v3d.diffusion.masks import FrameMask
from i2v3d.diffusion.noise_levels import DdimLevels, ddim_move
from i2v3d.diffusion.schedule import KeyframeSchedule, StepMasks
from i2v3d.diffusion.windows import overlapping_windows


@dataclass(frozen=True)
class KeyframePrompts:
    """The prompts of the three branches; `inversion` is the empty prompt."""

    inversion: TextCondition
    negative: TextCondition
    prompt: TextCondition


@dataclass(frozen=True)
class KeyframeGuide:
    """What the renders say about the keyframes.

    Attributes:
        inverted: `steps frames channels height width`, from `inversion.invert_keyframes`.
        is_foreground: `frames image_height image_width`, bool: objects.
        is_visible: The same shape, bool: seen in the source photo.
        strength: The same shape, 0 to 1: scales injection lengths by place and frame; None is 1 everywhere.
    """

    inverted: Tensor
    is_foreground: Tensor
    is_visible: Tensor
    strength: Tensor | None = None


@dataclass(frozen=True)
class KeyframeSettings:
    """How keyframes are generated; the defaults are the paper's.

    Attributes:
        schedule: Lengths of the injection.
        guidance_scale: `negative + scale * (prompt - negative)`.
        extension: How self-attention reaches over the frames of a window.
        window: Frames generated jointly.
        overlap: Frames that neighbouring windows share.
        source_batch: Source frames evaluated at once; memory only, the result doesn't depend on it.
    """

    schedule: KeyframeSchedule
    guidance_scale: float = 7.5
    extension: Extension = "background"
    window: int = 4
    overlap: int = 1
    source_batch: int = 4


def start_latents(inverted: Tensor, noise: Tensor, is_visible: Tensor) -> Tensor:
    """The last inverted latent where the source photo shows something, noise elsewhere.

    Args:
        inverted: `frames channels height width`.
        noise: The same shape, unit normal.
        is_visible: `frames image_height image_width`, bool.
    """
    return torch.where(FrameMask(is_visible).at(*inverted.shape[-2:])[:, None], inverted, noise)


def sample_keyframes(
    model: KeyframeModel,
    start: Tensor,
    *,
    levels: DdimLevels,
    prompts: KeyframePrompts,
    control: DepthControl,
    guide: KeyframeGuide,
    settings: KeyframeSettings,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Clean latents of the keyframes: `frames channels height width`, float32.

    Args:
        model: SDXL (with its LoRA, if any) and its ControlNet.
        start: `frames channels height width`, from `start_latents`.
        levels: The levels of the run, those of the inversion.
        prompts: Prompts of the three branches.
        control: Depth of the frames.
        guide: Inverted latents and masks of the frames.
        settings: Guidance, schedule and windows.
        on_step: Called with the number of steps done.
    """
    run = _KeyframeRun(model=model, prompts=prompts, control=control, guide=guide, settings=settings)
    windows = overlapping_windows(start.shape[0], size=settings.window, overlap=settings.overlap)
    extensions = {window: run.extension(window) for window in windows}
    latents = start.float()
    with Injection(sdxl_places(model.unet)) as injection:
        for step, level in enumerate(reversed(range(levels.steps))):
            masks = settings.schedule.masks_at(
                step, is_foreground=guide.is_foreground, is_visible=guide.is_visible, strength=guide.strength
            )
            timestep = levels.timesteps[level]
            source = run.source_features(injection, guide.inverted[level], timestep, masks)
            total, count = torch.zeros_like(latents), torch.zeros(len(latents), 1, 1, 1, device=latents.device)
            for window in windows:
                context = run.step_context(window, masks, source, extensions[window])
                with injection.replaying(context):
                    noise = run.guided_noise(latents[window.start : window.stop], timestep, window)
                total[window.start : window.stop] += ddim_move(
                    latents[window.start : window.stop],
                    noise,
                    alpha=levels.alphas[level],
                    to_alpha=levels.alpha_before(level),
                )
                count[window.start : window.stop] += 1
            latents = total / count
            if on_step:
                on_step(step + 1)
    return latents


@dataclass(frozen=True)
class _KeyframeRun:
    """What stays the same over the steps of a run."""

    model: KeyframeModel
    prompts: KeyframePrompts
    control: DepthControl
    guide: KeyframeGuide
    settings: KeyframeSettings

    @property
    def latent_size(self) -> tuple[int, int]:
        height, width = self.guide.inverted.shape[-2:]
        return height, width

    def extension(self, window: range) -> ExtendedAttention | None:
        """The window's attention across frames; made once, so that its indices are."""
        if self.settings.extension == "none":
            return None
        is_foreground = FrameMask(self.guide.is_foreground).window(window)
        return ExtendedAttention(self.settings.extension, is_foreground=is_foreground, latent_size=self.latent_size)

    def source_features(
        self, injection: Injection, inverted: Tensor, timestep: int, masks: StepMasks
    ) -> SourceFeatures:
        """Features of the source at a step, of all frames; empty if the step injects nothing."""
        kinds = masks.kinds
        if not kinds:
            return SourceFeatures({})

        def evaluate(chunk: range) -> Callable[[], object]:
            return lambda: self.model.predict_noise(
                inverted[chunk.start : chunk.stop],
                timestep,
                texts=(self.prompts.inversion,),
                control=self.control.window(chunk),
            )

        chunks = overlapping_windows(inverted.shape[0], size=self.settings.source_batch, overlap=0)
        return SourceFeatures.concatenated([injection.record(evaluate(chunk), kinds) for chunk in chunks])

    def step_context(
        self, window: range, masks: StepMasks, source: SourceFeatures, extension: ExtendedAttention | None
    ) -> StepContext:
        return StepContext(
            latent_size=self.latent_size,
            source=source.window(window),
            attention_mask=masks.attention and masks.attention.window(window),
            convolution_mask=masks.convolution and masks.convolution.window(window),
            extension=extension,
        )

    def guided_noise(self, latents: Tensor, timestep: int, window: range) -> Tensor:
        """Classifier-free guidance over the two target branches."""
        negative, prompt = self.model.predict_noise(
            latents.repeat(2, 1, 1, 1),
            timestep,
            texts=(self.prompts.negative, self.prompts.prompt),
            control=self.control.window(window),
        ).chunk(2)
        return negative + self.settings.guidance_scale * (prompt - negative)
