"""What generative backends read of a scene: guidance, sampling numbers, and where the models' weights are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

Precision = Literal["fp16", "bf16", "fp32"]
Extension = Literal["all", "background", "none"]


@dataclass(frozen=True)
class StrengthKey:
    """A strength at a frame (a time between frames is a fraction)."""

    frame: float
    value: float


@dataclass(frozen=True)
class FeatureLengths:
    """Until which share of the steps features of the render are injected, 0 to 1 each.

    Attributes:
        convolution_until: Residual convolution features.
        attention_until_foreground: Self-attention queries and keys of objects.
        attention_until_background: The same of the background.
    """

    convolution_until: float
    attention_until_foreground: float
    attention_until_background: float


@dataclass(frozen=True)
class Guidance:
    """How strictly the render is followed (paper section 5.1).

    Attributes:
        strength: Of everything, keyed over time and linear between keys; 1 is the paper's.
        object_strength: (object, keys), which multiply `strength` where that object is.
        depth: Scale of the depth condition.
        depth_range: Over what the depth condition is normalised.
        features: None injects no features.
        extended_attention: How the frames of a window see each other.
    """

    strength: tuple[StrengthKey, ...] = (StrengthKey(0.0, 1.0),)
    object_strength: tuple[tuple[str, tuple[StrengthKey, ...]], ...] = ()
    depth: float = 1.0
    depth_range: Literal["clip", "frame"] = "clip"
    features: FeatureLengths | None = FeatureLengths(0.6, 1.0, 0.8)
    extended_attention: Extension = "background"

    def strengths_at(self, frame: int, objects: tuple[str, ...]) -> tuple[float, ...]:
        """Returns the strength by id at a frame: nothing (0), the background (1), then `objects` (2, 3, ...)."""
        everywhere = _at(self.strength, frame)
        own = dict(self.object_strength)
        return (
            everywhere,
            everywhere,
            *(everywhere * _at(own[name], frame) if name in own else everywhere for name in objects),
        )


@dataclass(frozen=True)
class Customization:
    """Training of the appearance model (paper Eq. 1).

    Attributes:
        augmentation_weight: Lambda, the weight of the novel views.
        is_flipped: Whether pictures may be mirrored.
        views: `single` leaves the novel views out (the paper's ablation).
    """

    rank: int = 32
    steps: int = 500
    learning_rate: float = 1e-4
    augmentation_weight: float = 1.0
    is_flipped: bool = False
    views: Literal["all", "single"] = "all"


@dataclass(frozen=True)
class KeyframeSampling:
    """Numbers of keyframe generation; `window` and `overlap` in keyframes.

    Attributes:
        source_every: The render's branch is evaluated at every so many steps only; 1 is exact.
        control_every: The same of the depth ControlNet.
        guided_until: Share of the steps that have guidance; 1 is exact.
    """

    steps: int = 50
    guidance_scale: float = 7.5
    window: int = 4
    overlap: int = 1
    negative_prompt: str = ""
    source_every: int = 1
    control_every: int = 1
    guided_until: float = 1.0


@dataclass(frozen=True)
class ClipSampling:
    """Numbers of clip generation.

    Attributes:
        noise_augmentation: Noise put on the keyframe that conditions SVD.
        backward_every: The trajectory from the last keyframe is evaluated at every so many steps only; 1 is exact.
        control_every: The same of the depth ControlNet.
    """

    steps: int = 25
    guidance_scale: float = 1.5
    motion_bucket: int = 127
    noise_augmentation: float = 0.02
    backward_every: int = 1
    control_every: int = 1


@dataclass(frozen=True)
class ClipFeatures:
    """Until which share of the steps a video model gets features of the render, 0 to 1 each.

    Attributes:
        convolution_until: The output of a residual block, over the whole picture.
        attention_until: Spatial self-attention queries and keys, where the photo shows something.
    """

    convolution_until: float = 1.0
    attention_until: float = 1.0


@dataclass(frozen=True)
class ClipGuidance:
    """How strictly the frames between keyframes follow the render (paper section 3.3; Fig. 6 leaves out either).

    Attributes:
        depth: Scale of the depth condition.
        features: None injects no features.
    """

    depth: float = 1.0
    features: ClipFeatures | None = ClipFeatures()


@dataclass(frozen=True)
class ModelChoice:
    """Where the weights of a role come from: a folder of the user's, or a repository of the hub at a revision.

    Attributes:
        role: `sdxl`, a name of `backends.weights.MODELS`.
        repo: `owner/name`; empty when a folder is given.
        revision: Commit or tag; empty for the newest that is on this machine.
        folder: A folder in the layout of the hub, or None.
    """

    role: str
    repo: str
    revision: str
    folder: Path | None = None


@dataclass(frozen=True)
class Generation:
    """Everything that only generative backends read; the defaults are the paper's.

    Attributes:
        customization: None trains nothing.
        models: Every role, chosen or by default.
        precision: Number type of the models' weights and activations.
    """

    guidance: Guidance = Guidance()
    customization: Customization | None = Customization()
    keyframes: KeyframeSampling = KeyframeSampling()
    clips: ClipSampling = ClipSampling()
    clip_guidance: ClipGuidance = ClipGuidance()
    models: tuple[ModelChoice, ...] = ()
    precision: Precision = "fp16"

    def model(self, role: str) -> ModelChoice:
        """Returns the choice for a role."""
        return next(model for model in self.models if model.role == role)


def _at(keys: tuple[StrengthKey, ...], frame: float) -> float:
    """Returns the value at a frame: linear between keys, constant before the first and after the last."""
    if frame <= keys[0].frame:
        return keys[0].value
    for before, after in pairwise(keys):
        if frame <= after.frame:
            share = (frame - before.frame) / (after.frame - before.frame)
            return before.value + share * (after.value - before.value)
    return keys[-1].value
