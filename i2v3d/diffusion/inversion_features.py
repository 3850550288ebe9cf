"""Features that the inversion of keyframes saw, for a sampling that does not evaluate the source again.

At a level the source would be evaluated on the latent that the inversion reached there; the inversion has evaluated the
latent one level before, with the same timestep. To take its features is therefore an approximation, the better the more
levels there are, and saves a third of the evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from i2v3d.diffusion.features import FeatureKind, Storage
from i2v3d.diffusion.schedule import KeyframeSchedule


class InversionFeatures:
    """By level and layer, `frames ...`; filled by `invert_keyframes`, read by `sample_keyframes`.

    SDXL at 1024x576 has about 0.15 GiB of them per frame and step in half precision: 38 GiB for 5 keyframes and 50
    steps.

    Args:
        schedule: Of the sampling: what no step injects is not kept.
        frames: Frames of the run.
        storage: Where they are kept; in host memory they come back while the GPU works.
    """

    def __init__(self, schedule: KeyframeSchedule, frames: int, storage: Storage = "device") -> None:
        self._schedule = schedule
        self._frames = frames
        self._storage = storage
        self._levels: dict[int, dict[str, Tensor]] = {}

    @property
    def size_bytes(self) -> int:
        """Memory that they take."""
        return sum(item.numel() * item.element_size() for level in self._levels.values() for item in level.values())

    def kinds_at(self, level: int) -> frozenset[FeatureKind]:
        """What the sampling may inject at a level of the inversion, clean to noisy."""
        return self._schedule.kinds_at(self._schedule.steps - 1 - level)

    def put(self, level: int, chunk: range, features: Mapping[str, Tensor]) -> None:
        """Keeps a copy of the features of some of the frames at a level."""
        kept = self._levels.setdefault(level, {})
        for name, feature in features.items():
            if name not in kept:
                place = torch.device("cpu") if self._storage == "host" else feature.device
                kept[name] = empty_like(feature, self._frames, device=place)
            kept[name][chunk.start : chunk.stop].copy_(feature, non_blocking=True)

    def at(self, level: int) -> Mapping[str, Tensor]:
        """The features of a level."""
        return self._levels.get(level, {})


def empty_like(feature: Tensor, frames: int, *, device: torch.device | None = None) -> Tensor:
    """Memory for a layer's output of so many frames, in the output's own layout.

    Args:
        feature: `some_frames ...`.
        frames: Frames to make room for.
        device: None is that of the output. The CPU's memory is pinned for an output of a GPU.
    """
    device = device or feature.device
    is_channels_last = feature.ndim == 4 and feature.is_contiguous(memory_format=torch.channels_last)
    return torch.empty(
        (frames, *feature.shape[1:]),
        dtype=feature.dtype,
        device=device,
        pin_memory=feature.is_cuda and device.type == "cpu",
        memory_format=torch.channels_last if is_channels_last else torch.contiguous_format,
    )
