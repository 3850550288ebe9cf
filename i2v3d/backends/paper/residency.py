"""Models that are on the device only while they are used; see `backends.memory.Residency`.

A model's values are the same before and after, and so is what it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

_M = TypeVar("_M", bound=nn.Module)


@contextmanager
def on_device(model: _M, device: torch.device) -> Iterator[_M]:
    """Inside, the model is on the device; after it, where it was."""
    before = _place(model)
    model.to(device)
    try:
        yield model
    finally:
        if before != _place(model):
            model.to(before)
            _give_back(device)


@contextmanager
def taking_turns(models: tuple[nn.Module, ...], device: torch.device) -> Iterator[None]:
    """Inside, each model comes to the device when it is called, and the one that was there leaves it."""
    before = [_place(model) for model in models]

    def come(model: nn.Module, _arguments: Any) -> None:  # any arguments
        for other, place in zip(models, before, strict=True):
            if other is not model and _place(other) != place:
                other.to(place)
        model.to(device)

    with ExitStack() as stack:
        for model in models:
            stack.callback(model.register_forward_pre_hook(come).remove)
        try:
            yield
        finally:
            for model, place in zip(models, before, strict=True):
                model.to(place)
            _give_back(device)


def _place(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _give_back(device: torch.device) -> None:
    """Lets other models have the memory that was freed."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
