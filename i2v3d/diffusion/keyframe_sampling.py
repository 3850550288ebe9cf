"""Keyframes: generation guided by what the inversion of the renders saw (paper section 3.2).

Three branches per frame and step: the source (the render's inverted latent with the empty prompt), the negative prompt
and the prompt. The source is evaluated alone, once for all windows, and only while something is injected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from i2v3d.diffusion.extended_attention import ExtendedAttention, Extension
from i2v3d.diffusion.features import FeatureKind
from i2v3d.diffusion.graphs import GraphPool, RecordedFunction
from i2v3d.diffusion.injection import FrameRepeats, Injection, StepContext, sdxl_places
from i2v3d.diffusion.inversion_features import InversionFeatures, empty_like
from i2v3d.diffusion.keyframe_model import DepthControl, KeptResiduals, KeyframeModel, TextCondition
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
        features: What the inversion saw: the source is then not evaluated, an approximation; None is exact.
    """

    inverted: Tensor
    is_foreground: Tensor
    is_visible: Tensor
    strength: Tensor | None = None
    features: InversionFeatures | None = None

    def with_masks_on_host(self) -> KeyframeGuide:
        """The same with all masks in the CPU's memory, where schedules are worked out."""
        return replace(
            self,
            is_foreground=self.is_foreground.cpu(),
            is_visible=self.is_visible.cpu(),
            strength=None if self.strength is None else self.strength.cpu(),
        )


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
        target_batch: Frames of all windows evaluated at once, never fewer than one window; memory only as well.
        source_every: The source is evaluated at every so many steps only, and its features stay; 1 is exact.
        control_every: The ControlNet is asked at every so many steps only; 1 is exact.
        guided_until: Share of the steps that have guidance, 0 to 1; the rest evaluates the prompt alone. 1 is exact.
    """

    schedule: KeyframeSchedule
    guidance_scale: float = 7.5
    extension: Extension = "background"
    window: int = 4
    overlap: int = 1
    source_batch: int = 8
    target_batch: int = 16
    source_every: int = 1
    control_every: int = 1
    guided_until: float = 1.0


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
        on_step: Called with the number of steps done; on a GPU with those handed to it, which is some way ahead.
    """
    guide = guide.with_masks_on_host()
    run = _KeyframeRun(model=model, prompts=prompts, control=control, guide=guide, settings=settings)
    windows = overlapping_windows(start.shape[0], size=settings.window, overlap=settings.overlap)
    latents = start.float()
    # Nothing in the loop waits for the GPU, so that Python is ahead of it and records while it works.
    timesteps = torch.tensor(levels.timesteps, device=latents.device)
    count = torch.zeros(len(latents), 1, 1, 1, device=latents.device)
    for window in windows:
        count[window.start : window.stop] += 1
    with Injection(sdxl_places(model.unet)) as injection, GraphPool() as pool:
        source = _SourceBranch(run, injection, pool)
        evaluations = [_JointWindows(joint, run, source) for joint in _joined(windows, settings.target_batch)]
        for step, level in enumerate(reversed(range(levels.steps))):
            masks = settings.schedule.masks_at(
                step, is_foreground=guide.is_foreground, is_visible=guide.is_visible, strength=guide.strength
            )
            timestep = timesteps[level]
            if step % settings.source_every == 0 or step == 0:
                source.evaluate(level, timestep, masks.kinds)
            total = torch.zeros_like(latents)
            for joint in evaluations:
                noise = joint.guided_noise(injection, latents, timestep, step=step, masks=masks)
                moved = ddim_move(
                    latents.index_select(0, joint.places),
                    noise,
                    alpha=levels.alphas[level],
                    to_alpha=levels.alpha_before(level),
                )
                for window, part in zip(joint.windows, moved.split([len(w) for w in joint.windows]), strict=True):
                    total[window.start : window.stop] += part
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

    def predict_source(self, inverted: Tensor, timestep: Tensor, chunk: range) -> Tensor:
        """The source branch of some frames."""
        return self.model.predict_noise(
            inverted, timestep, texts=(self.prompts.inversion,), control=self.control.window(chunk)
        )

    def predict_targets(
        self, latents: Tensor, timestep: Tensor, frames: range, *, mode: _Mode, kept: KeptResiduals | None
    ) -> Tensor:
        """Classifier-free guidance over the two target branches, for each frame of each window."""
        texts = (self.prompts.negative, self.prompts.prompt) if mode.is_guided else (self.prompts.prompt,)
        noise = self.model.predict_noise(
            latents.repeat(len(texts), 1, 1, 1),
            timestep,
            texts=texts,
            control=self.control.window(frames),
            kept=kept,
            is_kept_used=mode.is_control_kept,
        )
        if not mode.is_guided:
            return noise
        negative, prompt = noise.chunk(2)
        return negative + self.settings.guidance_scale * (prompt - negative)


@dataclass(frozen=True)
class _Mode:
    """What an evaluation of the targets consists of; evaluations of one mode are recorded as one.

    Attributes:
        kinds: Features that are injected.
        is_guided: Whether the negative prompt is evaluated too.
        is_control_kept: Whether the ControlNet's residuals are those of an earlier step.
    """

    kinds: frozenset[FeatureKind]
    is_guided: bool
    is_control_kept: bool

    def is_part_of(self, other: _Mode) -> bool:
        """Whether an evaluation of the other meets all layers that one of this mode does, at the same shapes."""
        return (
            self.kinds <= other.kinds
            and self.is_guided == other.is_guided
            and (self.is_control_kept or not other.is_control_kept)
        )


class _SourceBranch:
    """The source's features at the current step, of all frames, in memory that stays where it is.

    Attributes:
        features: By layer, `frames ...`; empty until something is injected.
        pool: Memory of the run's recorded evaluations.
    """

    def __init__(self, run: _KeyframeRun, injection: Injection, pool: GraphPool) -> None:
        self.features: dict[str, Tensor] = {}
        self.pool = pool
        self._run = run
        self._injection = injection
        self._frames = run.guide.inverted.shape[1]
        self._chunks = overlapping_windows(self._frames, size=run.settings.source_batch, overlap=0)
        self._recorded: dict[tuple[frozenset[FeatureKind], range], RecordedFunction] = {}

    def evaluate(self, level: int, timestep: Tensor, kinds: frozenset[FeatureKind]) -> None:
        """Makes `features` those of a level; leaves them alone if nothing is injected there."""
        if self._run.guide.features is not None:
            self._fetch(self._run.guide.features.at(level), kinds)
            return
        inverted = self._run.guide.inverted[level]
        for chunk in self._chunks if kinds else ():
            if (kinds, chunk) not in self._recorded:
                is_warm = any(
                    function.is_warm and kinds <= met and len(chunk) == len(other)
                    for (met, other), function in self._recorded.items()
                )
                function = RecordedFunction(partial(self._evaluate, kinds, chunk), self.pool, is_warm=is_warm)
                self._recorded[kinds, chunk] = function
            self._recorded[kinds, chunk](inverted[chunk.start : chunk.stop], timestep)

    def _fetch(self, features: Mapping[str, Tensor], kinds: frozenset[FeatureKind]) -> None:
        """Takes features that the inversion kept."""
        device = self._run.guide.inverted.device
        for name in self._injection.names(kinds):
            if name not in self.features:
                self.features[name] = empty_like(features[name], self._frames, device=device)
            self.features[name].copy_(features[name], non_blocking=True)

    def _evaluate(self, kinds: frozenset[FeatureKind], chunk: range, inverted: Tensor, timestep: Tensor) -> Tensor:
        def store(name: str, output: Tensor) -> Tensor:
            if name not in self.features:
                self.features[name] = empty_like(output, self._frames)
            return self.features[name][chunk.start : chunk.stop].copy_(output)

        self._injection.record(lambda: self._run.predict_source(inverted, timestep, chunk), kinds, store=store)
        return inverted


class _JointWindows:
    """Windows that are evaluated together: a frame that two of them share goes once through the encoder.

    Attributes:
        windows: Neighbouring windows.
        listed: The frames of each window after those of another.
        places: `listed` as int64 on the device.
    """

    def __init__(self, windows: tuple[range, ...], run: _KeyframeRun, source: _SourceBranch) -> None:
        device = run.guide.inverted.device
        self.windows = windows
        self.listed = tuple(frame for window in windows for frame in window)
        self._run = run
        self._source = source
        self._frames = range(windows[0].start, windows[-1].stop)
        self.places = torch.tensor(self.listed, device=device)
        self._device = device
        self._repeats = FrameRepeats(len(self._frames), self.places - self._frames.start)
        # Made once, so that its indices are.
        self._extension = ExtendedAttention(
            run.settings.extension,
            is_foreground=FrameMask(run.guide.is_foreground).window(self.listed),
            latent_size=run.latent_size,
            windows=tuple(len(window) for window in windows),
        )
        self._masks: dict[FeatureKind, FrameMask] = {}
        self._recorded: dict[_Mode, RecordedFunction] = {}
        self._kept: dict[bool, KeptResiduals] = {}

    def guided_noise(
        self, injection: Injection, latents: Tensor, timestep: Tensor, *, step: int, masks: StepMasks
    ) -> Tensor:
        """The guided noise of `listed` at a step, `listed channels height width`.

        Args:
            injection: In place on the model.
            latents: `frames channels height width`, of the whole clip.
            timestep: Scalar.
            step: Zero-based index of the step.
            masks: Of the step, for the whole clip.
        """
        mode = self._mode(step, masks.kinds)
        if mode not in self._recorded:
            is_warm = any(function.is_warm and mode.is_part_of(met) for met, function in self._recorded.items())
            function = partial(self._guided_noise, injection, mode)
            self._recorded[mode] = RecordedFunction(function, self._source.pool, is_warm=is_warm)
        self._assign("attention", masks.attention)
        self._assign("convolution", masks.convolution)
        return self._recorded[mode](latents[self._frames.start : self._frames.stop], timestep)

    def _mode(self, step: int, kinds: frozenset[FeatureKind]) -> _Mode:
        """How a step is evaluated; residuals are kept for as long as the branches stay the same."""
        settings = self._run.settings
        is_guided = step < round(settings.guided_until * settings.schedule.steps)
        if settings.control_every == 1:
            return _Mode(kinds, is_guided, is_control_kept=False)
        is_kept = is_guided in self._kept and step % settings.control_every != 0
        self._kept.setdefault(is_guided, KeptResiduals())
        return _Mode(kinds, is_guided, is_control_kept=is_kept)

    def _assign(self, kind: FeatureKind, mask: FrameMask | None) -> None:
        """Brings a mask of the step where recorded evaluations read it."""
        if mask is None:
            return
        is_set = mask.window(self.listed).is_set
        if kind in self._masks:
            self._masks[kind].assign(is_set)
        else:
            self._masks[kind] = FrameMask.changing(is_set, self._device)

    def _guided_noise(self, injection: Injection, mode: _Mode, latents: Tensor, timestep: Tensor) -> Tensor:
        context = StepContext(
            latent_size=self._run.latent_size,
            source=self._source.features,
            source_frames=self.places,
            attention_mask=self._masks["attention"] if "attention" in mode.kinds else None,
            convolution_mask=self._masks["convolution"] if "convolution" in mode.kinds else None,
            extension=self._extension,
            repeats=self._repeats,
        )
        with injection.replaying(context):
            return self._run.predict_targets(
                latents, timestep, self._frames, mode=mode, kept=self._kept.get(mode.is_guided)
            )


def _joined(windows: tuple[range, ...], most_frames: int) -> Iterator[tuple[range, ...]]:
    """Runs of windows of at most so many frames in all, but never less than one window."""
    joined: tuple[range, ...] = ()
    for window in windows:
        if joined and sum(map(len, joined)) + len(window) > most_frames:
            yield joined
            joined = ()
        joined = (*joined, window)
    yield joined
