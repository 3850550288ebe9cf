"""What stays on the device, what is moved there while it is used, and how much is evaluated at once.

Pure arithmetic on a budget and on sizes. A choice never changes a result by more than rounding: batches of a sampler,
places of models and of kept features don't show in it. (The one exception says so: `ClipMemory.decode_chunk`.)

An estimate is `RESERVE_GB + weights on the device + the largest of the phases' activations`. Activations are counted in
values per latent pixel (a 64th of a picture's pixels) and frame, as the networks' widest points hold them beside their
skips; `tests/bench` measures the peaks that they stand for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from i2v3d.spec.resolved_generation import Precision

GB = 2**30  # as devices report their memory

# Parameters of the networks, of the published models.
SDXL_UNET = 2_567_463_684
SDXL_TEXT_ENCODERS = 817_719_552
SDXL_CONTROLNET = 1_251_015_120
SDXL_VAE = 83_653_863
SVD_UNET = 1_524_623_082
SVD_CONTROLNET = 681_221_725
SVD_VAE = 97_743_847
SVD_IMAGE_ENCODER = 632_076_800
VACE_TRANSFORMER = 2_150_000_000
VACE_TEXT_ENCODER = 5_680_910_336
VACE_VAE = 126_892_531
CLIP_IMAGE_ENCODER = 303_966_208
DEPTH_ANYTHING = 24_785_089

_SDXL_LORA = 2_616_320  # of a LoRA on its UNet, by rank
_SDXL_PIXELS = 1024 * 1024

# Libraries, kernels' workspaces, and what the allocator can't use.
RESERVE_GB = 1.0

# Values per latent pixel and frame.
_SDXL_ACTIVATIONS = 12_000
_SDXL_FEATURES = 8_400
_SDXL_TRAINING = 260_000  # 204_000 are saved for the gradient (counted on the real UNet), the rest is in passing
_SDXL_TRAINING_CHECKPOINTED = 50_000  # 15_000 saved
_SVD_ACTIVATIONS = 12_000
_SVD_FEATURES = 3_300
_VACE_ACTIVATIONS = 12_000
# Values per pixel that a measuring model sees; on a CPU half of it was measured.
_CLIP_MEASURING = 400
_DEPTH_MEASURING = 300
_MEASURED_AT_ONCE = 4
_CLIP_PIXELS = 224 * 224
# Values per picture pixel: the decoders' widest layers are at full size.
_DECODING = 1_500
_CLIP_DECODING = 1_800

Storage = Literal["device", "host"]
Residency = Literal["all", "one network", "taking turns"]
"""`all`: every network of the step stays on the device. `one network`: the sampler's networks together, the autoencoder
and encoders only while they are used. `taking turns`: UNet and ControlNet one after the other, at each evaluation."""


@dataclass(frozen=True)
class FrameSize:
    """Frames of a step: `height` and `width` in pixels, and the type of weights and activations."""

    height: int
    width: int
    frames: int
    precision: Precision = "fp16"

    @property
    def value_bytes(self) -> int:
        """Bytes of one value."""
        return 4 if self.precision == "fp32" else 2

    def latents_gb(self, values: float, frames: int) -> float:
        """Gigabytes of so many values per latent pixel of some frames."""
        return values * self.value_bytes * frames * self.height * self.width / 64 / GB

    def pixels_gb(self, values: float, frames: int) -> float:
        """The same per pixel of the picture."""
        return values * self.value_bytes * frames * self.height * self.width / GB

    def weights_gb(self, parameters: int) -> float:
        """Gigabytes of so many parameters."""
        return parameters * self.value_bytes / GB


@dataclass(frozen=True)
class KeyframeMemory:
    """Choices for a run of keyframes.

    Attributes:
        residency: Which networks stay on the device.
        source_batch: Frames inverted, or evaluated as source, at once.
        target_batch: Frames of all windows evaluated at once (two branches each).
        is_vae_on_host: Whether even one picture is too large to be decoded on the device.
        needs_gb: The estimate for these choices.
    """

    residency: Residency
    source_batch: int
    target_batch: int
    is_vae_on_host: bool
    needs_gb: float

    @property
    def summary(self) -> str:
        """The choices in words."""
        vae = ", autoencoder on the CPU" if self.is_vae_on_host else ""
        return f"{_in_words(self.residency)}; {self.target_batch} frames at once{vae}"


@dataclass(frozen=True)
class ClipMemory:
    """Choices for an interval.

    Attributes:
        residency: Which networks stay on the device.
        storage: Where source features wait from inversion to sampling; None makes them again (half as much more work).
        decode_chunk: Frames decoded at once; None decodes the clip whole. Chunks show in the result, faintly.
        decode_overlap: Frames that chunks share.
        needs_gb: The estimate for these choices.
    """

    residency: Residency
    storage: Storage | None
    decode_chunk: int | None
    decode_overlap: int
    needs_gb: float

    @property
    def summary(self) -> str:
        """The choices in words."""
        features = {"device": "kept on the device", "host": "kept in host memory", None: "made twice"}[self.storage]
        decoding = "" if self.decode_chunk is None else f", decoded in chunks of {self.decode_chunk}"
        return f"{_in_words(self.residency)}; features {features}{decoding}"


@dataclass(frozen=True)
class TrainingMemory:
    """Choices for a training.

    Attributes:
        is_joint: Whether the photo and the view of a step are evaluated together, else one after the other.
        is_checkpointed: Whether activations are made again for the gradient, for a third more work.
        needs_gb: The estimate for this choice.
    """

    is_joint: bool
    is_checkpointed: bool
    needs_gb: float

    @property
    def summary(self) -> str:
        """The choice in words."""
        activations = "activations made again" if self.is_checkpointed else "activations kept"
        return activations if self.is_joint else f"{activations}, one picture at a time"


@dataclass(frozen=True)
class MeasuringMemory:
    """Pictures that a measuring model sees at once, and the estimate for so many."""

    at_once: int
    needs_gb: float

    @property
    def summary(self) -> str:
        """The choice in words."""
        return f"{self.at_once} pictures at once, single precision"


_Choice = TypeVar("_Choice", KeyframeMemory, ClipMemory, TrainingMemory)


def plan_keyframes(size: FrameSize, budget_gb: float, *, window: int = 4) -> KeyframeMemory:
    """Returns the fastest choices that fit a budget, or the smallest there are where none does.

    Args:
        size: The keyframes of a step.
        budget_gb: Memory of the device that may be used.
        window: Frames generated jointly, which can't be split.
    """
    smallest = min(window, size.frames)
    choices = (
        _keyframe_memory(
            size, residency, source_batch, max(min(target_batch, size.frames), smallest), is_vae_on_host=is_vae_on_host
        )
        for is_vae_on_host in (False, True)
        for residency in ("all", "one network", "taking turns")
        for source_batch, target_batch in ((8, 16), (4, 8), (2, 4), (1, 1))
    )
    return _first_that_fits(choices, budget_gb)


def plan_clip(size: FrameSize, budget_gb: float, *, steps: int = 25, host_gb: float = 0.0) -> ClipMemory:
    """Returns the fastest choices that fit a budget, or the smallest there are where none does.

    Args:
        size: The frames of an interval.
        budget_gb: Memory of the device that may be used.
        steps: Of the sampling; features of both directions are kept for all of them.
        host_gb: Memory of the machine that kept features may take.
    """
    kept_gb = 2 * steps * size.latents_gb(_SVD_FEATURES, size.frames)
    storages: tuple[Storage | None, ...] = ("device", "host", None) if kept_gb <= host_gb else ("device", None)
    chunks = tuple(dict.fromkeys(None if chunk >= size.frames else chunk for chunk in (size.frames, 8, 4, 2)))
    choices = (
        _clip_memory(size, residency, storage, chunk, kept_gb)
        for chunk in chunks
        for residency in ("all", "one network", "taking turns")
        for storage in storages
    )
    return _first_that_fits(choices, budget_gb)


def plan_training(size: FrameSize, budget_gb: float, *, rank: int = 32) -> TrainingMemory:
    """Returns the fastest way to train a LoRA that fits a budget, or the smallest there is where none does.

    Args:
        size: `frames` are the pictures of one step.
        budget_gb: Memory of the device that may be used.
        rank: Of the LoRA.
    """
    return _first_that_fits(iter(training_choices(size, rank=rank)), budget_gb)


def training_choices(size: FrameSize, *, rank: int = 32) -> tuple[TrainingMemory, ...]:
    """Returns the ways to train a LoRA, the fastest first; each further one takes less memory."""
    # Weights, gradient and two moments in float32, the weights and gradients that the UNet sees, one copy in passing.
    lora_gb = rank * _SDXL_LORA * (5 * 4 + 2 * size.value_bytes) / GB
    fixed_gb = RESERVE_GB + size.weights_gb(SDXL_UNET) + lora_gb
    area = min(1.0, _SDXL_PIXELS / (size.height * size.width))  # larger pictures are learnt at SDXL's own size
    return tuple(
        TrainingMemory(
            is_joint, is_checkpointed, fixed_gb + area * size.latents_gb(values, size.frames if is_joint else 1)
        )
        for is_joint, is_checkpointed, values in (
            (True, False, _SDXL_TRAINING),
            (True, True, _SDXL_TRAINING_CHECKPOINTED),
            (False, True, _SDXL_TRAINING_CHECKPOINTED),
        )
    )


def vace_needs_gb(size: FrameSize) -> float:
    """Returns the estimate for an interval by Wan VACE with its networks on the device one after the other."""
    sampling = size.weights_gb(VACE_TRANSFORMER) + size.latents_gb(_VACE_ACTIVATIONS / 4, 2 * size.frames)
    decoding = size.weights_gb(VACE_VAE) + size.pixels_gb(_DECODING, 1)
    return RESERVE_GB + max(size.weights_gb(VACE_TEXT_ENCODER), sampling, decoding)


def plan_embeddings(budget_gb: float) -> MeasuringMemory:
    """Returns how many pictures CLIP's image encoder takes at once."""
    return _measuring_memory(budget_gb, CLIP_IMAGE_ENCODER, _CLIP_MEASURING * _CLIP_PIXELS)


def plan_depths(budget_gb: float, height: int, width: int) -> MeasuringMemory:
    """Returns how many pictures of a size, in pixels after preprocessing, Depth Anything takes at once."""
    return _measuring_memory(budget_gb, DEPTH_ANYTHING, _DEPTH_MEASURING * height * width)


def _measuring_memory(budget_gb: float, parameters: int, values: int) -> MeasuringMemory:
    fixed_gb, picture_gb = RESERVE_GB + 4 * parameters / GB, 4 * values / GB
    at_once = int(min(max((budget_gb - fixed_gb) / picture_gb, 1), _MEASURED_AT_ONCE))
    return MeasuringMemory(at_once, fixed_gb + at_once * picture_gb)


def _keyframe_memory(
    size: FrameSize, residency: Residency, source_batch: int, target_batch: int, *, is_vae_on_host: bool
) -> KeyframeMemory:
    unet, controlnet = size.weights_gb(SDXL_UNET), size.weights_gb(SDXL_CONTROLNET)
    vae = 0.0 if is_vae_on_host else size.weights_gb(SDXL_VAE)
    at_once = min(max(source_batch, 2 * target_batch), 2 * size.frames)
    sampling = size.latents_gb(_SDXL_ACTIVATIONS, at_once) + size.latents_gb(_SDXL_FEATURES, size.frames)
    decoding = 0.0 if is_vae_on_host else size.pixels_gb(_DECODING, 1)
    networks = max(unet, controlnet) if residency == "taking turns" else unet + controlnet
    needs_gb = RESERVE_GB + max(
        size.weights_gb(SDXL_TEXT_ENCODERS),
        networks + (vae if residency == "all" else 0.0) + sampling,
        (unet + controlnet if residency == "all" else 0.0) + vae + decoding,
    )
    return KeyframeMemory(residency, source_batch, target_batch, is_vae_on_host, needs_gb)


def _clip_memory(
    size: FrameSize, residency: Residency, storage: Storage | None, chunk: int | None, kept_gb: float
) -> ClipMemory:
    unet, controlnet = size.weights_gb(SVD_UNET), size.weights_gb(SVD_CONTROLNET)
    others = size.weights_gb(SVD_VAE + SVD_IMAGE_ENCODER)
    features = kept_gb if storage == "device" else size.latents_gb(_SVD_FEATURES, size.frames)
    networks = max(unet, controlnet) if residency == "taking turns" else unet + controlnet
    # The autoencoder encodes in float32, a picture at a time.
    encoding = 4 * SVD_VAE / GB + 4 / size.value_bytes * size.pixels_gb(_DECODING / 2, 1)
    decoding = size.weights_gb(SVD_VAE) + size.pixels_gb(_CLIP_DECODING, chunk or size.frames)
    needs_gb = RESERVE_GB + max(
        networks
        + (others if residency == "all" else 0.0)
        + size.latents_gb(_SVD_ACTIVATIONS, 2 * size.frames)
        + features,
        (unet + controlnet + others if residency == "all" else 0.0) + max(encoding, decoding),
    )
    return ClipMemory(residency, storage, chunk, 0 if chunk is None else chunk // 2, needs_gb)


def _in_words(residency: Residency) -> str:
    return {
        "all": "all networks stay on the device",
        "one network": "networks move to the device while they are used",
        "taking turns": "UNet and ControlNet take turns on the device",
    }[residency]


def _first_that_fits(choices: Iterable[_Choice], budget_gb: float) -> _Choice:
    smallest: _Choice | None = None
    for choice in choices:
        if choice.needs_gb <= budget_gb:
            return choice
        if smallest is None or choice.needs_gb < smallest.needs_gb:
            smallest = choice
    assert smallest is not None
    return smallest
