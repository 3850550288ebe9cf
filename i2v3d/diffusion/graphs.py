"""Recorded evaluations: on a GPU the kernels of a function are recorded once and replayed; Python's time is saved.

At a few frames the thousands of small kernels of an evaluation take longer to launch than to run. A recorded graph
reads and writes fixed memory, so whatever changes between calls must come in through the arguments, which are copied,
or be written in place by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
    """A function of tensors: evaluated at its first call, recorded at its second, replayed from then on.

    The first call fills caches and compiles what is lazily compiled; none of that may happen while recording. On a
    device that is no CUDA device every call evaluates.

    Args:
        function: Tensors to a tensor; equal shapes at every call, no transfers from the CPU at the second.
        pool: Memory shared with other recorded functions that run one after another.
    """

    def __init__(self, function: Callable[..., Tensor], pool: GraphPool) -> None:
        self._function = function
        self._pool = pool
        self._is_warm = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._output: Tensor | None = None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value; it is overwritten by the next call."""
        if not inputs[0].is_cuda or not self._is_warm or not _IS_ON.get():
            self._is_warm = True
            return self._function(*inputs)
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
        with torch.cuda.graph(graph, pool=self._pool.handle):
            self._output = self._function(*self._inputs)
        self._graph = graph


class GraphPool:
    """Memory for the graphs of one run; made when first asked for, so that it costs nothing without a GPU."""

    def __init__(self) -> None:
        self._handle: tuple[int, int] | None = None

    @property
    def handle(self) -> tuple[int, int]:
        """Torch's name for the pool."""
        if self._handle is None:
            self._handle = torch.cuda.graph_pool_handle()
        return self._handle
