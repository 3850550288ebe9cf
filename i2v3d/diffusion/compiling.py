"""Compiled building blocks: the repeated blocks of a model, compiled in place, with injection still at work.

Whole models are not compiled: injection changes what happens in the decoder from step to step. A transformer or
residual block is the largest piece that stays the same, and its many copies share their compiled code. Hooks and
attention across frames inside a block are marked to be left as they are; the block is then compiled around them.

Compiling SDXL or SVD for a GPU takes one to two minutes the first time. What was compiled is kept in the user's cache
folder, for later processes on the same kind of GPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

_BLOCKS = (
    "BasicTransformerBlock",
    "TemporalBasicTransformerBlock",
    "ResnetBlock2D",
    "SpatioTemporalResBlock",
)
_MOST_VARIANTS = 64  # shapes times places; the default of 8 would fall back to eager without a word


COMPILE_VARIABLE = "I2V3D_COMPILE"
"""`1` compiles models on a GPU, `0` never does; anything else leaves it to the amount of work."""

_WORTH_COMPILING_S = 240.0  # of evaluation; compiling saves about a quarter of it and takes one to two minutes once


@contextmanager
def tuned_for_gpu(*models: nn.Module, work_s: float = 0.0) -> Iterator[None]:
    """Models on a CUDA device are evaluated faster inside; on any other device nothing changes.

    Where it pays, the repeated blocks are compiled, and convolutions then read their weights with channels last, as
    tensor cores want them (without compiling, that layout was 5 to 10 % slower on an H200). The models stay so: their
    results are the same but for rounding.

    Args:
        models: UNets and ControlNets, on their device.
        work_s: Roughly how long all evaluations of this process take on a GPU, in seconds; where that is much longer
            than compiling takes, the repeated blocks are compiled. The environment variable I2V3D_COMPILE has the last
            word.
    """
    if next(models[0].parameters()).device.type != "cuda":
        yield
        return
    if is_worth_compiling(work_s):
        for model in models:
            put_channels_last(model)
        keep_compiled_code()
        compile_blocks(*models)
    yield


def is_worth_compiling(work_s: float) -> bool:
    """Whether to compile for so many seconds of evaluation, or as I2V3D_COMPILE says."""
    given = os.environ.get(COMPILE_VARIABLE, "")
    return given == "1" or (given != "0" and work_s >= _WORTH_COMPILING_S)


def keep_compiled_code() -> None:
    """Puts compiled code into the user's cache folder, unless TORCHINDUCTOR_CACHE_DIR names another place.

    Without it, it lies in the folder for temporary files, which many machines empty when they start.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache / "i2v3d" / "compiled"))


def put_channels_last(model: nn.Module) -> None:
    """Lays out the weights of all convolutions, of pictures and of clips, with channels last; values stay."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
            is_clip = isinstance(layer, nn.Conv3d)
            layout = torch.channels_last_3d if is_clip else torch.channels_last
            layer.weight.data = layer.weight.data.contiguous(memory_format=layout)


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
        if block._compiled_call_impl is None:  # so that asking twice changes nothing
            block.compile(dynamic=False, backend=backend)
    return len(blocks)


def _outermost(module: nn.Module) -> list[nn.Module]:
    """The repeated blocks below a module that are in no other of them."""
    if type(module).__name__ in _BLOCKS:
        return [module]
    return [block for child in module.children() for block in _outermost(child)]
