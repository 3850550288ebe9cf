"""Inversion: the latents that a sampler would have denoised into the renders (paper sections 3.2.2 and 3.3).

Keyframes go up DDIM's levels, each frame alone; clips go up the continuous sigmas by explicit Euler steps, once in time
order and once reversed. The evaluations are those of the source branch later on, so a clip's features may be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from i2v3d.diffusion.features import FeatureKind, SourceFeatures, Storage
from i2v3d.diffusion.graphs import GraphPool, RecordedFunction
from i2v3d.diffusion.injection import Injection, sdxl_places, svd_places
from i2v3d.diffusion.inversion_features import InversionFeatures, empty_like
from i2v3d.diffusion.keyframe_model import DepthControl, KeptResiduals, KeyframeModel, TextCondition
from i2v3d.diffusion.noise_levels import DdimLevels, EulerLevels, ddim_move, euler_move
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.video_model import ClipControl, ImageCondition, VideoModel
from i2v3d.diffusion.windows import overlapping_windows

OnShare = Callable[[float], None]
"""Called with the share of an inversion that is done, 0 to 1."""

_ALL_KINDS: frozenset[FeatureKind] = frozenset({"attention", "convolution"})


def invert_keyframes(
    model: KeyframeModel,
    clean: Tensor,
    *,
    levels: DdimLevels,
    text: TextCondition,
    control: DepthControl,
    batch: int = 8,
    control_every: int = 1,
    features: InversionFeatures | None = None,
    on_share: OnShare = lambda share: None,
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
        features: Where to put what the evaluations see; None keeps nothing.
        on_share: Called after each step.

    Returns:
        `steps frames channels height width`, float32, clean to noisy.
    """
    run = _KeyframeInversion(model, levels, text, control_every, features)
    inverted = []
    for chunk in overlapping_windows(clean.shape[0], size=batch, overlap=0):
        done, share = chunk.start / len(clean), len(chunk) / len(clean)
        inverted.append(
            run.inverted(
                clean[chunk.start : chunk.stop],
                control.window(chunk),
                chunk,
                partial(_part_of, on_share, done, share),
            )
        )
    return torch.cat(inverted, dim=1)


def _part_of(on_share: OnShare, done: float, share: float, of_part: float) -> None:
    on_share(done + share * of_part)


@dataclass(frozen=True)
class _KeyframeInversion:
    """What is the same for all frames of a run."""

    model: KeyframeModel
    levels: DdimLevels
    text: TextCondition
    control_every: int
    features: InversionFeatures | None

    def inverted(self, clean: Tensor, control: DepthControl, chunk: range, on_share: OnShare) -> Tensor:
        """The inverted latents of some of the frames, `steps frames ...`."""
        latent, inverted = clean.float(), []
        timesteps = torch.tensor(self.levels.timesteps, device=latent.device)  # at once: each transfer waits
        with ExitStack() as exits:
            pool = exits.enter_context(GraphPool())
            injection = exits.enter_context(Injection(sdxl_places(self.model.unet))) if self.features else None
            branch = _InversionBranch(self, control, injection, pool)
            for index, alpha in enumerate(self.levels.alphas):
                noise = branch.noise(latent, timesteps[index], is_kept_used=index % self.control_every != 0)
                if self.features and injection:
                    wanted = injection.names(self.features.kinds_at(index))
                    self.features.put(index, chunk, {name: branch.seen[name] for name in wanted})
                latent = ddim_move(latent, noise, alpha=self.levels.alpha_before(index), to_alpha=alpha)
                inverted.append(latent)
                on_share((index + 1) / len(self.levels.alphas))
        return torch.stack(inverted)


class _InversionBranch:
    """The evaluations of some of the frames, recorded.

    Attributes:
        seen: Features of the last evaluation, in memory that stays where it is; empty without an injection.
    """

    def __init__(
        self, run: _KeyframeInversion, control: DepthControl, injection: Injection | None, pool: GraphPool
    ) -> None:
        self.seen: dict[str, Tensor] = {}
        self._run = run
        self._control = control
        self._injection = injection
        self._pool = pool
        self._kept = KeptResiduals() if run.control_every > 1 else None
        self._recorded: dict[bool, RecordedFunction] = {}

    def noise(self, latent: Tensor, timestep: Tensor, *, is_kept_used: bool) -> Tensor:
        """The predicted noise."""
        if is_kept_used not in self._recorded:
            self._recorded[is_kept_used] = RecordedFunction(
                partial(self._predicted, is_kept_used),
                self._pool,
                # Nothing is met without the ControlNet that is not with it.
                is_warm=is_kept_used and self._recorded[False].is_warm,
            )
        return self._recorded[is_kept_used](latent, timestep)

    def _predicted(self, is_kept_used: bool, latent: Tensor, timestep: Tensor) -> Tensor:
        def predict() -> Tensor:
            return self._run.model.predict_noise(
                latent,
                timestep,
                texts=(self._run.text,),
                control=self._control,
                kept=self._kept,
                is_kept_used=is_kept_used,
            )

        if self._injection is None:
            return predict()
        with self._injection.recording(_ALL_KINDS, store=self._store):
            return predict()

    def _store(self, name: str, output: Tensor) -> Tensor:
        if name not in self.seen:
            self.seen[name] = empty_like(output, output.shape[0])
        return self.seen[name].copy_(output)


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
    on_share: OnShare = lambda share: None,
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
        on_share: Called after each step.
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
            on_share((index + 1) / steps)
    latents[-1] = latent / levels.start_scale
    return Inversion(latents=torch.stack(latents), image=image, control=control, features=features)
