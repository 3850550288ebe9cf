"""What an evaluation of the source left behind: layer outputs, by the name of the layer.

The source branch of a step depends on nothing that the targets do. So it is evaluated alone (or was, at inversion), its
features are kept, and the targets of any number of windows read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from torch import Tensor

from i2v3d.diffusion.masks import picked_frames

FeatureKind = Literal["attention", "convolution"]
Storage = Literal["device", "host"]


class SourceFeatures(Mapping[str, Tensor]):
    """Outputs of layers for a run of frames; every tensor's first dimension is the frame."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def size_bytes(self) -> int:
        """Memory that the tensors take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._tensors.values())

    def window(self, frames: Sequence[int]) -> SourceFeatures:
        """The features of some of the frames, as views where they are a run."""
        return SourceFeatures({name: picked_frames(tensor, frames) for name, tensor in self._tensors.items()})

    def kept_in(self, storage: Storage) -> SourceFeatures:
        """The features on the device where they are, or in host memory (pinned, if they come from a GPU)."""
        if storage == "device":
            return self
        return SourceFeatures({name: _in_host_memory(tensor) for name, tensor in self._tensors.items()})


def _in_host_memory(tensor: Tensor) -> Tensor:
    copy = tensor.to("cpu", copy=not tensor.is_cuda)
    return copy.pin_memory() if tensor.is_cuda else copy
