"""The frames between two keyframes: dual-trajectory sampling (paper section 3.3).

Two trajectories denoise one latent: one in time order conditioned on the first keyframe, one on the reversed clip
conditioned on the last. Whatever belongs to the clip is given once, in time order, and reversed here, all of it
together. (The published code reverses frames but not depth in the backward inversion, nor visibility in the backward
sampling, and starts from a source latent that is still normalised; those are slips and not repeated.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from i2v3d.diffusion.features import SourceFeatures
from i2v3d.diffusion.injection import Injection, StepContext, svd_places
from i2v3d.diffusion.inversion import Inversion
from i2v3d.diffusion.masks import FrameMask
from i2v3d.diffusion.noise_levels import EulerLevels, euler_move
from i2v3d.diffusion.schedule import StepMasks, VideoSchedule
from i2v3d.diffusion.video_model import ClipControl, ImageCondition, KeptClipResiduals, VideoModel


@dataclass(frozen=True)
class ClipGuide:
    """What the renders say about a clip, in time order.

    Attributes:
        control: Depth of the frames.
        is_visible: `frames image_height image_width`, bool: seen in the source photo, where q and k are injected;
            all set to inject them everywhere.
        strength: The same shape, 0 to 1: scales injection lengths by place and frame; None is 1 everywhere.
    """

    control: ClipControl
    is_visible: Tensor
    strength: Tensor | None = None

    def reversed_in_time(self) -> ClipGuide:
        """The guide of the clip played backwards: every channel of it."""
        return ClipGuide(
            control=self.control.reversed_in_time(),
            is_visible=self.is_visible.flip(0),
            strength=None if self.strength is None else self.strength.flip(0),
        )


@dataclass(frozen=True)
class Trajectory:
    """One direction of the sampling.

    Attributes:
        inversion: Of the rendered clip, in this direction's order.
        source: The condition of the source branch: the first frame of the render in this direction.
        target: The condition of the two target branches, unconditional and conditional: the keyframe that this
            direction starts from.
    """

    inversion: Inversion
    source: ImageCondition
    target: ImageCondition


@dataclass(frozen=True)
class VideoSettings:
    """How a clip is sampled; the defaults are the paper's.

    Attributes:
        schedule: Lengths of the injection.
        guidance_scale: `unconditional + scale * (conditional - unconditional)`.
        backward_every: The backward trajectory is evaluated at every so many steps only; in between what it said
            stays, relative to the forward one. 1 is exact.
        control_every: The ControlNet is asked at every so many steps only; 1 is exact.
    """

    schedule: VideoSchedule
    guidance_scale: float = 1.5
    backward_every: int = 1
    control_every: int = 1


def start_clip(inversion: Inversion, noise: Tensor, is_visible: Tensor, levels: EulerLevels) -> Tensor:
    """The sampler's first latent: the inverted one where the photo shows something, noise elsewhere.

    Args:
        inversion: Of the forward clip.
        noise: `1 frames channels height width`, unit normal.
        is_visible: `frames image_height image_width`, bool.
        levels: The levels of the run.

    Returns:
        `1 frames channels height width`, at the spread of the first level.
    """
    is_kept = FrameMask(is_visible).at(*noise.shape[-2:])[:, None]
    return torch.where(is_kept, inversion.latents[-1], noise) * levels.start_scale


def sample_clip(
    model: VideoModel,
    start: Tensor,
    *,
    levels: EulerLevels,
    forward: Trajectory,
    backward: Trajectory | None,
    guide: ClipGuide,
    settings: VideoSettings,
    on_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Clean latents of the clip: `1 frames channels height width`, float32.

    At frame k of n the two predictions are averaged with weight `k / (n-1)` on the backward one.

    Args:
        model: SVD and its ControlNet.
        start: `1 frames channels height width`, from `start_clip`.
        levels: The levels of the run, those of the inversions.
        forward: From the first keyframe.
        backward: From the last keyframe, on the reversed clip; None goes forward only, as plain SVD.
        guide: What the renders say, in time order.
        settings: Guidance and schedule.
        on_step: Called with the number of steps done.
    """
    latent = start.float()
    reversed_guide = guide.reversed_in_time()
    weight = torch.linspace(0, 1, latent.shape[1], device=latent.device)[:, None, None, None]
    difference: Tensor | None = None
    with Injection(svd_places(model.unet)) as injection:
        run = _ClipRun(model=model, levels=levels, settings=settings, injection=injection)
        for step in range(levels.steps):
            velocity = run.target_velocity(latent, step, forward, guide)
            if backward is not None:
                if difference is None or step % settings.backward_every == 0:
                    back = run.target_velocity(latent.flip(1), step, backward, reversed_guide).flip(1)
                    difference = weight * (back - velocity)
                velocity = velocity + difference
            unconditional, conditional = velocity.chunk(2)
            latent = euler_move(
                latent,
                unconditional + settings.guidance_scale * (conditional - unconditional),
                sigma=float(levels.sigmas[step]),
                to_sigma=float(levels.sigmas[step + 1]),
            )
            if on_step:
                on_step(step + 1)
    return latent


@dataclass(frozen=True)
class _ClipRun:
    """What stays the same over the steps and directions of a run."""

    model: VideoModel
    levels: EulerLevels
    settings: VideoSettings
    injection: Injection
    kept: dict[int, tuple[int, KeptClipResiduals]] = field(default_factory=dict)

    def target_velocity(self, latent: Tensor, step: int, trajectory: Trajectory, guide: ClipGuide) -> Tensor:
        """The two target branches' prediction in one direction, `2 frames channels height width`."""
        masks = self.settings.schedule.masks_at(step, is_visible=guide.is_visible, strength=guide.strength)
        height, width = latent.shape[-2:]
        context = StepContext(
            latent_size=(height, width),
            source=self._source_features(step, trajectory, guide, masks),
            attention_mask=masks.attention,
            convolution_mask=masks.convolution,
        )
        with self.injection.replaying(context):
            return self._predict(
                latent.expand(2, -1, -1, -1, -1), step, trajectory.target, guide.control, self._kept(step, trajectory)
            )

    def _kept(self, step: int, trajectory: Trajectory) -> KeptClipResiduals | None:
        """Where the residuals of a direction are kept, empty at the steps that ask for new ones."""
        every = self.settings.control_every
        if every == 1:
            return None
        group, kept = self.kept.get(id(trajectory), (-1, KeptClipResiduals()))
        if group != step // every:
            kept = KeptClipResiduals()
            self.kept[id(trajectory)] = step // every, kept
        return kept

    def _source_features(self, step: int, trajectory: Trajectory, guide: ClipGuide, masks: StepMasks) -> SourceFeatures:
        """The source's features at a step: as kept by the inversion where that is the same evaluation, or made now."""
        inversion = trajectory.inversion
        kept = inversion.features.get(step)
        has_all = kept is not None and self.injection.names(masks.kinds) <= kept.keys()
        if kept is not None and has_all and inversion.is_repeated_by(trajectory.source, guide.control):
            return kept
        level = self.levels.steps - step
        scale = self.levels.start_scale if step == 0 else 1.0
        return self.injection.record(
            lambda: self._predict(inversion.latents[level] * scale, step, trajectory.source, guide.control), masks.kinds
        )

    def _predict(
        self,
        latents: Tensor,
        step: int,
        image: ImageCondition,
        control: ClipControl,
        kept: KeptClipResiduals | None = None,
    ) -> Tensor:
        return self.model.predict_velocity(
            latents,
            sigma=float(self.levels.sigmas[step]),
            timestep=self.levels.timesteps[step],
            image=image,
            control=control,
            kept=kept,
        )
