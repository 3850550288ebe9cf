"""Attention across the frames of a window (paper Eq. 2), without attention masks.

A mask over all pairs of tokens grows with the square of frames times tokens and keeps the fast attention kernels away.
The same result comes from splitting the queries: foreground and background queries of a frame each see a plain set of
keys, so each is one unmasked attention over gathered keys.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from i2v3d.diffusion.masks import FrameMask

Extension = Literal["all", "background", "none"]
"""`all`: every query sees every frame (Eq. 2). `background`: as published, see below. `none`: its own frame."""


class ExtendedAttention:
    """Which keys the queries of each frame see.

    In mode `background` a foreground query sees its own frame only, and a background query sees its own frame and the
    background tokens of the others: the scene agrees over the frames while a moving object takes nothing from where it
    was.

    Source: paper Eq. 2 for `all`; the published code does `background`.

    Attributes:
        mode: Which of the three.
        is_foreground: Foreground of the frames, those of one window after those of another.
        latent_size: `(height, width)` of the latent, from which token grids follow.
        windows: Frames of each window; a frame sees no other window. None: all frames are one.
    """

    def __init__(
        self,
        mode: Extension,
        *,
        is_foreground: FrameMask,
        latent_size: tuple[int, int],
        windows: tuple[int, ...] | None = None,
    ) -> None:
        self.mode = mode
        self.is_foreground = is_foreground
        self.latent_size = latent_size
        self.windows = windows or (is_foreground.frames,)
        self._splits: dict[int, tuple[_WindowSplit, ...]] = {}

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention output of every token.

        Args:
            query: `branches*frames heads tokens head_dim`, the frames of a branch together.
            key: The same shape.
            value: The same shape.

        Returns:
            The same shape.
        """
        if self.mode == "none" or max(self.windows) == 1:
            return scaled_dot_product_attention(query, key, value)
        frames = self.is_foreground.frames
        per_window = zip(
            *(tensor.unflatten(0, (-1, frames)).split(self.windows, dim=1) for tensor in (query, key, value)),
            self._split(query.shape[2], query.device),
            strict=True,
        )
        attended = [self._attend_window(*tensors, split) for *tensors, split in per_window]
        return torch.cat(attended, dim=1).flatten(0, 1)

    def _attend_window(self, query: Tensor, key: Tensor, value: Tensor, split: _WindowSplit) -> Tensor:
        """Attention over one window, `branches frames heads tokens head_dim`."""
        frames = query.shape[1]
        if frames == 1:
            return scaled_dot_product_attention(query, key, value)
        query, key, value = (tensor.transpose(1, 2).flatten(2, 3) for tensor in (query, key, value))
        if self.mode == "all" or not split.has_foreground:
            output = scaled_dot_product_attention(query, key, value)
        else:
            output = _attend_by_split(query, key, value, split)
        return output.unflatten(2, (frames, -1)).transpose(1, 2)

    def _split(self, tokens: int, device: torch.device) -> tuple[_WindowSplit, ...]:
        if tokens not in self._splits:
            is_foreground = self.is_foreground.tokens(tokens, self.latent_size).to(device)
            self._splits[tokens] = tuple(_WindowSplit(window) for window in is_foreground.split(self.windows))
        return self._splits[tokens]


class _WindowSplit:
    """The tokens of a window, by which keys their queries see."""

    def __init__(self, is_foreground: Tensor) -> None:
        self.frames = tuple(_FrameSplit(is_foreground, frame) for frame in range(is_foreground.shape[0]))
        self.has_foreground = bool(is_foreground.any())


class _FrameSplit:
    """Indices into the tokens of a whole window, for the queries of one of its frames."""

    def __init__(self, is_foreground: Tensor, frame: int) -> None:
        tokens = is_foreground.shape[1]
        own = torch.arange(frame * tokens, (frame + 1) * tokens, device=is_foreground.device)
        is_other_background = ~is_foreground
        is_other_background[frame] = False
        self.own_keys = slice(frame * tokens, (frame + 1) * tokens)
        self.foreground_queries = own[is_foreground[frame]]
        self.background_queries = own[~is_foreground[frame]]
        self.background_keys = torch.cat([own, is_other_background.flatten().nonzero()[:, 0]])


def _attend_by_split(query: Tensor, key: Tensor, value: Tensor, split: _WindowSplit) -> Tensor:
    """Attention over `branches heads frames*tokens head_dim`, each frame's two groups of queries apart."""
    output = torch.empty_like(query)
    for frame in split.frames:
        if frame.foreground_queries.numel():
            seen = scaled_dot_product_attention(
                query.index_select(2, frame.foreground_queries), key[:, :, frame.own_keys], value[:, :, frame.own_keys]
            )
            output.index_copy_(2, frame.foreground_queries, seen)
        if frame.background_queries.numel():
            seen = scaled_dot_product_attention(
                query.index_select(2, frame.background_queries),
                key.index_select(2, frame.background_keys),
                value.index_select(2, frame.background_keys),
            )
            output.index_copy_(2, frame.background_queries, seen)
    return output
