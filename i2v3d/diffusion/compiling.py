"""Compiled building blocks: the repeated blocks of a model, compiled in place, with injection still at work.

Whole models are not compiled: injection changes what happens in the decoder from step to step. A transformer or
residual block is the largest piece that stays the same, and its many copies share their compiled code. Hooks and
attention across frames inside a block are marked to be left as they are; the block is then compiled around them.
"""

from __future__ import annotations

import torch
from torch import nn

_BLOCKS = (
    "BasicTransformerBlock",
    "TemporalBasicTransformerBlock",
    "ResnetBlock2D",
    "SpatioTemporalResBlock",
)
_MOST_VARIANTS = 64  # shapes times places; the default of 8 would fall back to eager without a word


def compile_blocks(*models: nn.Module, backend: str = "inductor") -> int:
    """Compiles the repeated blocks of models in place and returns how many there are.

    Nothing is compiled yet when this returns: each new shape is when it is first met. Results differ from those of
    eager evaluation by rounding only.

    Args:
        models: UNets and ControlNets.
        backend: Of `torch.compile`.
    """
    # By default a hook that comes after compiling is silently ignored; injection is made of such hooks.
    torch._dynamo.config.skip_nnmodule_hook_guards = False
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _MOST_VARIANTS)
    blocks = [block for model in models for block in _outermost(model)]
    for block in blocks:
        block.compile(dynamic=False, backend=backend)
    return len(blocks)


def _outermost(module: nn.Module) -> list[nn.Module]:
    """The repeated blocks below a module that are in no other of them."""
    if type(module).__name__ in _BLOCKS:
        return [module]
    return [block for child in module.children() for block in _outermost(child)]
