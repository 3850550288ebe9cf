"""What is injected at a step, and where: lengths in steps, masks from the render (paper section 3.2.2).

Strength scales the lengths pixel by pixel, so one object, or one second of the video, may follow the render longer than
the rest. Strength 1 everywhere is the published schedule.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from i2v3d.diffusion.features import FeatureKind
from i2v3d.diffusion.masks import FrameMask


@dataclass(frozen=True)
class StepMasks:
    """Where source features replace the target's at one step; None where nothing does."""

    attention: FrameMask | None
    convolution: FrameMask | None

    @property
    def kinds(self) -> frozenset[FeatureKind]:
        """The features that this step injects; where there are none the source needn't be evaluated."""
        kinds: set[FeatureKind] = set()
        kinds |= {"attention"} if self.attention else set()
        kinds |= {"convolution"} if self.convolution else set()
        return frozenset(kinds)


@dataclass(frozen=True)
class KeyframeSchedule:
    """Lengths of the injection for keyframes, as shares of all steps (0 to 1).

    Attributes:
        steps: Steps of the run.
        convolution_until: Residual features, on the foreground.
        attention_until_foreground: Self-attention q and k on the foreground.
        attention_until_background: The same on the rest of what the source photo shows.
    """

    steps: int
    convolution_until: float = 0.6
    attention_until_foreground: float = 1.0
    attention_until_background: float = 0.8

    def masks_at(
        self, step: int, *, is_foreground: Tensor, is_visible: Tensor, strength: Tensor | None = None
    ) -> StepMasks:
        """The masks of a step.

        As published: everything visible up to and with step `int(steps * shorter share)`, then the foreground up to
        `int(steps * longer share)`. Where we differ: the published code takes the foreground for the second part even
        if the background has the longer share; here it is then the visible background.

        Args:
            step: Zero-based index of the denoising step.
            is_foreground: `frames height width`, bool.
            is_visible: `frames height width`, bool: seen in the source photo.
            strength: `frames height width`, 0 to 1: scales the lengths; None is 1 everywhere.
        """
        foreground_steps = _length(self.steps, self.attention_until_foreground, strength)
        background_steps = _length(self.steps, self.attention_until_background, strength)
        favoured = (
            is_foreground
            if self.attention_until_foreground >= self.attention_until_background
            else is_visible & ~is_foreground
        )
        is_shared_part = step <= torch.minimum(foreground_steps, background_steps)
        is_running = step < torch.maximum(foreground_steps, background_steps)
        attention = torch.where(is_shared_part.to(is_visible.device), is_visible, favoured)
        is_convolution_running = step < _length(self.steps, self.convolution_until, strength)
        return StepMasks(
            attention=_mask_or_none(attention, is_running),
            convolution=_mask_or_none(is_foreground, is_convolution_running),
        )

    def kinds_at(self, step: int) -> frozenset[FeatureKind]:
        """What a step may inject, whatever the masks."""
        is_foreground = torch.tensor([[[True, False]]])
        return self.masks_at(step, is_foreground=is_foreground, is_visible=torch.ones_like(is_foreground)).kinds


@dataclass(frozen=True)
class VideoSchedule:
    """Lengths of the injection for video, as shares of all steps (0 to 1).

    Attributes:
        steps: Steps of the run.
        convolution_until: The residual block's whole output, everywhere.
        attention_until: Spatial self-attention q and k, where visible.
    """

    steps: int
    convolution_until: float = 1.0
    attention_until: float = 1.0

    def masks_at(self, step: int, *, is_visible: Tensor, strength: Tensor | None = None) -> StepMasks:
        """The masks of a step.

        Args:
            step: Zero-based index of the denoising step.
            is_visible: `frames height width`, bool: where q and k are injected; all set for the whole picture.
            strength: `frames height width`, 0 to 1: scales the lengths; None is 1 everywhere.
        """
        return StepMasks(
            attention=_mask_or_none(is_visible, step < _length(self.steps, self.attention_until, strength)),
            convolution=_mask_or_none(
                torch.ones_like(is_visible), step < _length(self.steps, self.convolution_until, strength)
            ),
        )

    def kinds_at(self, step: int) -> frozenset[FeatureKind]:
        """What a step may inject, whatever the masks."""
        return self.masks_at(step, is_visible=torch.ones(1, 1, 1, dtype=torch.bool)).kinds


def _length(steps: int, share: float, strength: Tensor | None) -> Tensor:
    """`int(steps * share)` per pixel, float64 so that it rounds as Python does."""
    if strength is None:
        return torch.tensor(float(int(steps * share)), dtype=torch.float64)
    return torch.floor(steps * share * strength.double())


def _mask_or_none(is_set: Tensor, is_running: Tensor) -> FrameMask | None:
    """The part of a mask whose injection still runs; None when there is none."""
    is_set = is_set & is_running.to(is_set.device)
    return FrameMask(is_set) if bool(is_set.any()) else None
