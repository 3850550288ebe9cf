"""What an interval keeps where, by the memory that the device may give.

Sizes of weights and features are counted, those of activations estimated from above. The result is the same whatever is
chosen, but for a clip that can't be decoded whole (see `diffusion.latents.decode_clip`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from i2v3d.backends.device import GIB, Device, memory_gb
from i2v3d.diffusion.features import Storage
from i2v3d.diffusion.injection import svd_places
from i2v3d.diffusion.schedule import VideoSchedule

if TYPE_CHECKING:
    from diffusers import UNetSpatioTemporalConditionModel

    from i2v3d.backends.paper.svd_models import SvdModels

_HOST = torch.device("cpu")
_SPARE = 0.9  # of the budget: allocators waste some
_HOST_SHARE = 0.5  # of the machine's memory that features may take
# Bytes per value type's byte: of an evaluation of two branches, per frame and pixel of the latent, and of decoding, per
# frame and pixel of the picture. The widest layers of SVD's UNet and decoder, with their inputs and outputs.
_SAMPLING_VALUES = 14_000
_DECODING_VALUES = 800
_FEWEST_DECODED = 2


@dataclass(frozen=True)
class ClipMemory:
    """Choices for one interval.

    Attributes:
        is_resident: Whether all networks stay on the device at once.
        storage: Where source features are kept from inversion to sampling; None makes them again.
        decode_chunk: Frames decoded at once.
    """

    is_resident: bool
    storage: Storage | None
    decode_chunk: int

    @property
    def decode_overlap(self) -> int:
        """Frames that neighbouring chunks share."""
        return self.decode_chunk // 2


def plan_clip_memory(
    models: SvdModels, device: Device, *, frames: int, height: int, width: int, schedule: VideoSchedule
) -> ClipMemory:
    """Returns the choices for an interval.

    Args:
        models: The networks.
        device: The device and its budget.
        frames: Of the interval.
        height: Of its pictures, padded.
        width: The same.
        schedule: Which steps inject.
    """
    budget = device.vram_gb * GIB * _SPARE
    value_bytes = models.unet.dtype.itemsize
    pixels = frames * height * width
    sampling = pixels // 64 * _SAMPLING_VALUES * value_bytes
    is_resident = models.size_bytes + sampling <= budget
    weights = models.size_bytes if is_resident else _size_bytes(models.unet) + _size_bytes(models.controlnet)
    features = feature_bytes(models.unet, frames=frames, height=height, width=width, schedule=schedule)
    storage: Storage | None = None
    if weights + sampling + features <= budget:
        storage = "device"
    elif device.torch_device.type == "cuda" and features <= memory_gb(_HOST) * GIB * _HOST_SHARE:
        storage = "host"
    held = models.size_bytes if is_resident else _size_bytes(models.vae)
    per_frame = height * width * _DECODING_VALUES * value_bytes
    chunk = int(max(_FEWEST_DECODED, min(frames, (budget - held) // per_frame)))
    return ClipMemory(is_resident=is_resident, storage=storage, decode_chunk=chunk)


def feature_bytes(
    unet: UNetSpatioTemporalConditionModel, *, frames: int, height: int, width: int, schedule: VideoSchedule
) -> int:
    """Memory of all features that both inversions of a clip keep for the sampling after them.

    Args:
        unet: SVD's.
        frames: Of the clip.
        height: Of its pictures, padded.
        width: The same.
        schedule: Which steps inject.
    """
    places, levels = svd_places(unet), len(unet.config.block_out_channels)
    per_kind = {"attention": 0, "convolution": 0}
    for name, module, kind in places.layers():
        block = int(name.split(".")[1])
        side = 8 * 2 ** (levels - 1 - block)
        channels = module.out_features if kind == "attention" else unet.config.block_out_channels[levels - 1 - block]
        per_kind[kind] += channels * (height // side) * (width // side)
    values = sum(per_kind[kind] for step in range(1, schedule.steps) for kind in schedule.kinds_at(step))
    return 2 * values * frames * unet.dtype.itemsize


def _size_bytes(network: object) -> int:
    return sum(weight.numel() * weight.element_size() for weight in network.parameters())  # type: ignore[attr-defined]
