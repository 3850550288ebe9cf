"""Boolean images on the grids of a model's features.

A mask is drawn at image size and needed at the size of each layer. The sizes follow from the latent's own size, so any
resolution works. Resizing is by nearest neighbour: a mask stays a mask, and each token asks one pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def token_grid(tokens: int, latent_size: tuple[int, int]) -> tuple[int, int]:
    """The `(height, width)` of a level that has this many tokens.

    Levels halve the latent by convolutions of stride 2 and padding 1, so an odd side rounds up.

    Raises:
        ValueError: If no level of a latent of this size has so many tokens.
    """
    height, width = latent_size
    while height * width > tokens:
        height, width = (height + 1) // 2, (width + 1) // 2
    if height * width != tokens:
        message = f"a latent of {latent_size[0]}x{latent_size[1]} has no level of {tokens} tokens"
        raise ValueError(message)
    return height, width


def picked_frames(tensor: Tensor, frames: Sequence[int]) -> Tensor:
    """Some of the frames along the first dimension, as a view where they are a run."""
    if isinstance(frames, range):
        return tensor[frames.start : frames.stop]
    return tensor.index_select(0, torch.tensor(frames, device=tensor.device))


def brought_to(device: torch.device, tensor: Tensor) -> Tensor:
    """A tensor on a device; from the CPU's memory to a GPU without waiting for what the GPU has still to do."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()  # the copy from other memory waits
    return tensor.to(device, non_blocking=True)


class FrameMask:
    """One boolean image per frame, resized on demand and remembered at each size.

    A mask is resized where its image lies. One whose image lies in the CPU's memory and that is read on a GPU brings
    small tensors there, without waiting for the GPU.

    Attributes:
        is_set: `frames height width`, bool, at image size.
        device: Where resized masks are read.
        is_everywhere: Whether every pixel of every frame is set; injection is then a plain exchange.
    """

    def __init__(self, is_set: Tensor, device: torch.device | None = None) -> None:
        if is_set.dtype != torch.bool or is_set.ndim != 3:
            message = f"a frame mask is frames x height x width, bool; got {tuple(is_set.shape)}, {is_set.dtype}"
            raise ValueError(message)
        self.is_set = is_set
        self.device = device or is_set.device
        self.is_everywhere = bool(is_set.all())
        self._resized: dict[tuple[int, int], Tensor] = {}

    @classmethod
    def everywhere(cls, frames: int, *, device: torch.device | None = None) -> FrameMask:
        """A mask that is set at every pixel of every frame, at any size."""
        return cls(torch.ones(frames, 1, 1, dtype=torch.bool, device=device))

    @property
    def frames(self) -> int:
        """The number of frames."""
        return self.is_set.shape[0]

    @classmethod
    def changing(cls, is_set: Tensor, device: torch.device | None = None) -> FrameMask:
        """A mask that `assign` may change later; never taken for one that is set everywhere."""
        mask = cls(is_set.clone(), device)
        mask.is_everywhere = False
        return mask

    def assign(self, is_set: Tensor) -> None:
        """Changes the mask in place, at every size that was asked for: whoever holds a tensor of it sees the change."""
        if is_set.device.type == "cpu" and torch.equal(is_set, self.is_set):
            return
        self.is_set.copy_(is_set)
        for (height, width), resized in self._resized.items():
            resized.copy_(self._at(height, width))

    def at(self, height: int, width: int) -> Tensor:
        """The mask at a size: `frames height width`, bool."""
        if (height, width) not in self._resized:
            self._resized[height, width] = self._at(height, width)
        return self._resized[height, width]

    def _at(self, height: int, width: int) -> Tensor:
        resized = functional.interpolate(self.is_set[None].float(), size=(height, width), mode="nearest")
        return brought_to(self.device, resized[0] > 0.5)

    def tokens(self, tokens: int, latent_size: tuple[int, int]) -> Tensor:
        """The mask on the token grid of a level: `frames tokens`, bool, rows first."""
        return self.at(*token_grid(tokens, latent_size)).flatten(1)

    def window(self, frames: Sequence[int]) -> FrameMask:
        """The mask of some of the frames, in the order given."""
        return FrameMask(picked_frames(self.is_set, frames), self.device)

    def reversed_in_time(self) -> FrameMask:
        """The mask of the clip played backwards."""
        return FrameMask(self.is_set.flip(0), self.device)
