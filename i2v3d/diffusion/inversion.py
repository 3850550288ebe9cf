"""Inversion: the latents that a sampler would have denoised into the renders (paper sections 3.2.2 and 3.3).

Keyframes go up DDIM's levels, each frame alone; clips go up the continuous sigmas by explicit Euler steps, once in time
order and once reversed. The evaluations are those of the source branch later on, so a clip's features may be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from i2v3d.diffusion.features import SourceFeatures, Storage
from i2v3d.diffusion.graphs import GraphPool, RecordedFunction
from i2v3d.diffusion.injection import Injection, svd_places
from i2v3d.diffusion.keyframe_model import DepthControl, KeptResiduals, KeyframeModel, TextCondition
from i2v3d.diffusion.noise_levels import DdimLevels, EulerLevels, ddim_move, euler_move
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.video_model import ClipControl, ImageCondition, VideoModel
from i2v3d.diffusion.windows import overlapping_windows


def invert_keyframes(
    model: KeyframeModel,
    clean: Tensor,
    *,
    levels: DdimLevels,
    text: TextCondition,
    control: DepthControl,
    batch: int = 8,
    control_every: int = 1,
) -> Tensor:
    """The latents that DDIM would have denoised into the renders, at each level.

    The noise at level i is predicted from the latent at level i-1 with the timestep of level i.

    Args:
        model: SDXL and its ControlNet.
        clean: `frames channels height width`, latents of the renders.
        levels: The levels of the run.
        text: The inversion prompt; no guidance.
        control: Depth of the frames.
        batch: Frames inverted at once; memory only.
        control_every: The ControlNet is asked at every so many steps only; 1 is exact.

    Returns:
        `steps frames channels height width`, float32, clean to noisy.
    """
    return torch.cat(
        [
            _invert_chunk(
                model,
                clean[chunk.start : chunk.stop],
                levels,
                text=text,
                control=control.window(chunk),
                control_every=control_every,
            )
            for chunk in overlapping_windows(clean.shape[0], size=batch, overlap=0)
        ],
        dim=1,
    )


def _invert_chunk(
    model: KeyframeModel,
    latent: Tensor,
    levels: DdimLevels,
    *,
    text: TextCondition,
    control: DepthControl,
    control_every: int,
) -> Tensor:
    kept = KeptResiduals() if control_every > 1 else None
    inverted = []
    latent = latent.float()
    timesteps = torch.tensor(levels.timesteps, device=latent.device)  # at once: each transfer waits for the GPU
    with GraphPool() as pool:
        recorded: dict[bool, RecordedFunction] = {}
        for index, alpha in enumerate(levels.alphas):
            is_kept_used = index % control_every != 0
            if is_kept_used not in recorded:
                recorded[is_kept_used] = RecordedFunction(
                    partial(_predicted, model, text=text, control=control, kept=kept, is_kept_used=is_kept_used),
                    pool,
                    # Nothing is met without the ControlNet that is not with it.
                    is_warm=is_kept_used and recorded[False].is_warm,
                )
            noise = recorded[is_kept_used](latent, timesteps[index])
            latent = ddim_move(latent, noise, alpha=levels.alpha_before(index), to_alpha=alpha)
            inverted.append(latent)
    return torch.stack(inverted)


def _predicted(
    model: KeyframeModel,
    latent: Tensor,
    timestep: Tensor,
    *,
    text: TextCondition,
    control: DepthControl,
    kept: KeptResiduals | None,
    is_kept_used: bool,
) -> Tensor:
    return model.predict_noise(latent, timestep, texts=(text,), control=control, kept=kept, is_kept_used=is_kept_used)


@dataclass(frozen=True)
class Inversion:
    """An inverted clip, and what was true when it was made.

    Attributes:
        latents: `steps+1 1 frames channels height width`, clean to noisy; the first is the clean clip, the last is
            divided by the spread of its level.
        image: The condition it was inverted with.
        control: The depth control it was inverted with.
        features: Source features by sampling step, where they were kept.
    """

    latents: Tensor
    image: ImageCondition
    control: ClipControl
    features: dict[int, SourceFeatures] = field(default_factory=dict)

    def is_repeated_by(self, source: ImageCondition, control: ClipControl) -> bool:
        """Whether the source branch of a sampling evaluates what this inversion did."""
        return self.image.is_same_as(source) and self.control.is_same_as(control)


@dataclass(frozen=True)
class Keeping:
    """Which features an inversion keeps for the sampling after it, and where.

    The source branch of sampling repeats the inversion's own evaluations at all steps but the first. So nothing is
    lost by keeping their features, if condition and depth control are the same.
    """

    schedule: VideoSchedule
    storage: Storage


def invert_clip(
    model: VideoModel,
    clean: Tensor,
    *,
    levels: EulerLevels,
    image: ImageCondition,
    control: ClipControl,
    keeping: Keeping | None = None,
) -> Inversion:
    """The latents that the sampler would have denoised into a clip, at each level.

    For the backward trajectory give everything reversed in time: `clean.flip(1)`, `control.reversed_in_time()`.

    Args:
        model: SVD and its ControlNet.
        clean: `1 frames channels height width`, latents of the rendered clip.
        levels: The levels of the sampling run.
        image: The clip's own first frame, one branch; no guidance.
        control: Depth of the frames.
        keeping: Features to keep on the way; None keeps none.
    """
    ascending, steps = levels.ascending(), levels.steps
    latent = clean.float()
    latents, features = [latent], {}
    with Injection(svd_places(model.unet)) as injection:
        for index, timestep in enumerate(ascending.timesteps):
            sigma, to_sigma = float(ascending.sigmas[index]), float(ascending.sigmas[index + 1])
            # The sampling step at the same sigma; the first level of inversion is none of the sampler's.
            kinds = keeping.schedule.kinds_at(steps - index) if keeping and index else frozenset()
            with injection.recording(kinds) as tensors:
                velocity = model.predict_velocity(latent, sigma=sigma, timestep=timestep, image=image, control=control)
            if keeping and tensors:
                features[steps - index] = SourceFeatures(tensors).kept_in(keeping.storage)
            latent = euler_move(latent, velocity, sigma=sigma, to_sigma=to_sigma)
            latents.append(latent)
    latents[-1] = latent / levels.start_scale
    return Inversion(latents=torch.stack(latents), image=image, control=control, features=features)
