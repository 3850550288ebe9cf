"""One interval on tensors: inversion of the render both ways, then dual-trajectory sampling (paper section 3.3).

Source features come from the inversion where it made the very evaluations that the source branch would make. That is so
when the depth control is the inversion's own, which is the plain one at full scale; with `guidance.depth` or a strength
other than 1 they are made again at each step, as they are where no memory may be spent on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from i2v3d.diffusion.features import Storage
from i2v3d.diffusion.inversion import Inversion, Keeping, invert_clip
from i2v3d.diffusion.noise_levels import EulerLevels
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.strength import weakened_start
from i2v3d.diffusion.video_model import ClipControl, ImageCondition, VideoModel
from i2v3d.diffusion.video_sampling import ClipGuide, Trajectory, VideoSettings, sample_clip, start_clip

Report = Callable[[float, str], None]

_INVERSION = 1 / 3  # of the work: two evaluations a step, where sampling has two of two branches


@dataclass(frozen=True)
class Direction:
    """Conditions of one direction in time.

    Attributes:
        inversion: Of the inversion, one branch: the first frame of the render in this direction.
        source: Of the source branch of sampling; the same picture.
        target: Of the two target branches, none and the keyframe that this direction starts from.
    """

    inversion: ImageCondition
    source: ImageCondition
    target: ImageCondition


@dataclass(frozen=True)
class ClipInputs:
    """An interval as tensors, in time order.

    Attributes:
        clean: `1 frames channels height width`, latents of the render.
        noise: The same shape, unit normal.
        guide: Depth, visibility and strength; its control's scale is that of sampling.
        forward: From the first keyframe.
        backward: From the last one.
    """

    clean: Tensor
    noise: Tensor
    guide: ClipGuide
    forward: Direction
    backward: Direction


def generate_latents(
    model: VideoModel,
    clip: ClipInputs,
    *,
    levels: EulerLevels,
    settings: VideoSettings,
    storage: Storage | None,
    report: Report,
) -> Tensor:
    """Clean latents of the interval: `1 frames channels height width`, float32.

    Args:
        model: SVD and its ControlNet.
        clip: What to generate.
        levels: Levels of the run.
        settings: Guidance and schedule.
        storage: Where source features are kept between inversion and sampling; None makes them again.
        report: Called with the share of the work that is done, 0 to 1.
    """
    control = ClipControl(clip.guide.control.depth)
    is_repeated = control.is_same_as(clip.guide.control)
    keeping = Keeping(settings.schedule, storage) if storage is not None and is_repeated else None
    report(0.0, "inversion")
    forward = invert_clip(
        model,
        clip.clean,
        levels=levels,
        image=clip.forward.inversion,
        control=control,
        keeping=keeping,
        on_share=lambda share: report(_INVERSION / 2 * share, "inversion"),
    )
    # Without injection nothing reads the backward inversion: the start is the forward one's.
    backward = Inversion(forward.latents.flip(2), clip.backward.inversion, control)
    if _injects_anything(clip.guide, settings.schedule):
        report(_INVERSION / 2, "inversion of the reversed clip")
        backward = invert_clip(
            model,
            clip.clean.flip(1),
            levels=levels,
            image=clip.backward.inversion,
            control=control.reversed_in_time(),
            keeping=keeping,
            on_share=lambda share: report(_INVERSION / 2 * (1 + share), "inversion of the reversed clip"),
        )
    report(_INVERSION, "sampling")
    return sample_clip(
        model,
        _start(forward, clip, levels),
        levels=levels,
        forward=Trajectory(forward, clip.forward.source, clip.forward.target),
        backward=Trajectory(backward, clip.backward.source, clip.backward.target),
        guide=clip.guide,
        settings=settings,
        on_step=lambda done: report(_INVERSION + (1 - _INVERSION) * done / levels.steps, "sampling"),
    )


def _start(forward: Inversion, clip: ClipInputs, levels: EulerLevels) -> Tensor:
    """The first latent: inverted from the render where the photo shows something, as far as strength says."""
    weakened = weakened_start(forward.latents[-1, 0], clip.noise[0], clip.guide.strength)[None]
    return start_clip(replace(forward, latents=weakened[None]), clip.noise, clip.guide.is_visible, levels)


def _injects_anything(guide: ClipGuide, schedule: VideoSchedule) -> bool:
    """Whether any step injects features; the first does if any does."""
    return bool(schedule.masks_at(0, is_visible=guide.is_visible, strength=guide.strength).kinds)
