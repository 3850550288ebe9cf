"""Recorded evaluations: on a GPU the kernels of a function are recorded once and replayed; Python's time is saved.

At a few frames the thousands of small kernels of an evaluation take longer to launch than to run. A recorded graph
reads and writes fixed memory, so whatever changes between calls must come in through the arguments, which are copied,
or be written in place by the caller.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

import torch
from torch import Tensor

_IS_ON = ContextVar("is_recording_on", default=True)


@contextmanager
def recording_off() -> Iterator[None]:
    """Every call inside evaluates: for profilers and counters, which see nothing of a replay."""
    token = _IS_ON.set(False)
    try:
        yield
    finally:
        _IS_ON.reset(token)


class RecordedFunction:
    """A function of tensors: evaluated at first, then recorded, replayed from then on.

    The first call fills caches, and it and those after it compile what is lazily compiled; none of that may happen
    while recording, so the first call after one that compiled nothing is recorded. On a device that is no CUDA device
    every call evaluates.

    Args:
        function: Tensors to a tensor; equal shapes at every call, no transfers from the CPU.
        pool: Memory shared with other recorded functions that run one after another.
    """

    def __init__(self, function: Callable[..., Tensor], pool: GraphPool) -> None:
        self._function = function
        self._pool = pool
        self._is_warm = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._output: Tensor | None = None
        pool.functions.append(self)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value; it is overwritten by the next call."""
        if not inputs[0].is_cuda or not self._is_warm or not _IS_ON.get():
            before = _compiled_frames()
            output = self._function(*inputs)
            self._is_warm = _compiled_frames() == before
            return output
        if self._graph is None:
            self._record(inputs)
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        assert self._graph is not None and self._output is not None
        self._graph.replay()
        return self._output

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(tensor.clone() for tensor in inputs)
        graph = torch.cuda.CUDAGraph()
        with _garbage_left_alone(), torch.cuda.graph(graph, pool=self._pool.handle):
            self._output = self._function(*self._inputs)
        self._graph = graph

    def forget(self) -> None:
        """Gives the recorded evaluation and its memory back."""
        self._graph, self._inputs, self._output, self._is_warm = None, (), None, False


def _compiled_frames() -> int:
    """How many pieces of code `torch.compile` has looked at in this process."""
    if "torch._dynamo" not in sys.modules:
        return 0
    return int(torch._dynamo.utils.counters["frames"]["total"])


@contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """A graph of an earlier run that is collected while another is recorded would spoil the recording."""
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class GraphPool:
    """The recorded functions of one run and their memory, while a `with` block lasts."""

    def __init__(self) -> None:
        self.functions: list[RecordedFunction] = []
        self._handle: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for function in self.functions:
            function.forget()
        self.functions.clear()

    @property
    def handle(self) -> tuple[int, int]:
        """Torch's name for the memory; made when first asked for, so that it costs nothing without a GPU."""
        if self._handle is None:
            self._handle = torch.cuda.graph_pool_handle()
        return self._handle
