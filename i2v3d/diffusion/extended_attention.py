"""Attention across the frames of a window (paper Eq. 2), without attention masks.

A mask over all pairs of tokens grows with the square of frames times tokens and keeps the fast attention kernels away.
The same result comes from splitting the queries: foreground and background queries of a frame each see a plain set of
keys, so each is one unmasked attention over gathered keys. Queries, keys and values are gathered once for all frames;
the keys of a frame are a slice of what was gathered, and two neighbouring frames share the background in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from i2v3d.diffusion.masks import FrameMask, brought_to

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
        self._splits: dict[int, _Split] = {}

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
        frames, tokens = self.is_foreground.frames, query.shape[2]
        # As a projection has left them in memory, so that this is a view: `branches frames*tokens heads head_dim`.
        joined = [tensor.transpose(1, 2).unflatten(0, (-1, frames)).flatten(1, 2) for tensor in (query, key, value)]
        split = self._split(tokens, query.device)
        output = split.attend(*joined)
        return output.unflatten(1, (frames, tokens)).flatten(0, 1).transpose(1, 2)

    def _split(self, tokens: int, device: torch.device) -> _Split:
        if tokens not in self._splits:
            is_foreground = self.is_foreground.tokens(tokens, self.latent_size).cpu()
            if self.mode == "all":
                is_foreground = torch.zeros_like(is_foreground)
            self._splits[tokens] = _Split(is_foreground, self.windows, device)
        return self._splits[tokens]


@dataclass(frozen=True)
class _Group:
    """Queries that see the same keys; both are slices.

    Attributes:
        queries: Of the gathered queries.
        keys: Of the gathered keys, or of the keys as they came.
        is_gathered: Which of the two.
    """

    queries: slice
    keys: slice
    is_gathered: bool


class _Split:
    """The tokens of all windows, by which keys their queries see.

    A background query sees the window's background and the foreground of its own frame. Keys are gathered for two
    frames at a time, as `foreground of one, background of all, foreground of the other`: each sees a slice of it.

    Args:
        is_foreground: `frames tokens`, bool, on the CPU.
        windows: Frames of each window.
        device: Where the tensors to attend to are.
    """

    def __init__(self, is_foreground: Tensor, windows: tuple[int, ...], device: torch.device) -> None:
        self._groups: list[_Group] = []
        self._tokens = is_foreground.shape[1]
        queries: list[Tensor] = []
        keys: list[Tensor] = []
        first = 0
        for frames in windows:
            window = range(first, first + frames)
            if frames == 1 or not is_foreground[first : window.stop].any():
                self._add_whole(window, queries)
            else:
                self._add_split(window, is_foreground, queries, keys)
            first = window.stop
        order = torch.cat(queries)
        self._is_in_order = bool((order.diff() == 1).all())
        self._queries = brought_to(device, order)
        self._places = brought_to(device, order.argsort())
        self._keys = brought_to(device, torch.cat(keys)) if keys else None

    def _add_whole(self, window: range, queries: list[Tensor]) -> None:
        """A window in which every query sees every key."""
        tokens = slice(window.start * self._tokens, window.stop * self._tokens)
        self._groups.append(_Group(tokens, tokens, is_gathered=False))
        queries.append(torch.arange(tokens.start, tokens.stop))

    def _add_split(self, window: range, is_foreground: Tensor, queries: list[Tensor], keys: list[Tensor]) -> None:
        """A window with a foreground."""
        own = {frame: torch.arange(frame * self._tokens, (frame + 1) * self._tokens) for frame in window}
        foreground = {frame: own[frame][is_foreground[frame]] for frame in window}
        background = {frame: own[frame][~is_foreground[frame]] for frame in window}
        shared = torch.cat(list(background.values()))
        end = sum(map(len, keys))
        for frame in window:
            start = frame * self._tokens
            middle = start + len(foreground[frame])
            whole = slice(start, start + self._tokens)
            is_second = (frame - window.start) % 2 == 1
            if not is_second:
                keys += [foreground[frame], shared]
                seen = slice(end, end + len(foreground[frame]) + len(shared))
                end = seen.stop
            else:
                keys.append(foreground[frame])
                seen = slice(end - len(shared), end + len(foreground[frame]))
                end = seen.stop
            queries += [foreground[frame], background[frame]]
            if middle > start:
                self._groups.append(_Group(slice(start, middle), whole, is_gathered=False))
            if middle < whole.stop:
                self._groups.append(_Group(slice(middle, whole.stop), seen, is_gathered=True))

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention over `branches frames*tokens heads head_dim`; returns the same shape."""
        gathered_query = query if self._is_in_order else query.index_select(1, self._queries)
        gathered = (key, value)
        if self._keys is not None:
            gathered = (key.index_select(1, self._keys), value.index_select(1, self._keys))
        seen = []
        for group in self._groups:
            keys, values = gathered if group.is_gathered else (key, value)
            attended = scaled_dot_product_attention(
                gathered_query[:, group.queries].transpose(1, 2),
                keys[:, group.keys].transpose(1, 2),
                values[:, group.keys].transpose(1, 2),
            )
            seen.append(attended.transpose(1, 2))
        output = seen[0] if len(seen) == 1 else torch.cat(seen, dim=1)
        return output if self._is_in_order else output.index_select(1, self._places)
