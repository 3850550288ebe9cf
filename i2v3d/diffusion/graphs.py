"""Recorded evaluations: on a GPU the kernels of a function are recorded once and replayed; Python's time is saved.

At a few frames the thousands of small kernels of an evaluation take longer to launch than to run. A recorded graph
reads and writes fixed memory, so whatever changes between calls must come in through the arguments, which are copied,
or be written in place by the caller.

Nothing here waits for the GPU but the end of a run: while it works off replays, Python goes on to the next steps, and
what is recorded meanwhile costs no time.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any, Self

import torch
from torch import Tensor

_LOG = logging.getLogger(__name__)
_MOST_FAILURES = 2  # recordings that fail before a function is given up and evaluated
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
    every call evaluates, and so it does where recording fails.

    Args:
        function: Tensors to a tensor; equal shapes at every call, no transfers from the CPU, and nothing that waits for
            the GPU.
        pool: Memory shared with other recorded functions that run one after another.
        is_warm: Whether an earlier evaluation has filled all caches and compiled all code that this one meets, so that
            its first call may be recorded.
    """

    def __init__(self, function: Callable[..., Tensor], pool: GraphPool, *, is_warm: bool = False) -> None:
        self._function = function
        self._pool = pool
        self._is_warm = is_warm
        self._failures = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._output: Tensor | None = None
        pool.functions.append(self)

    @property
    def is_warm(self) -> bool:
        """Whether a function that meets no more than this one may be recorded at its first call."""
        return self._is_warm

    @property
    def is_recorded(self) -> bool:
        """Whether calls replay."""
        return self._graph is not None

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's value; it is overwritten by the next call."""
        if not inputs[0].is_cuda or not _IS_ON.get() or self._failures >= _MOST_FAILURES:
            return self._evaluated(inputs)
        if self._graph is None and self._is_warm:
            self._record(inputs)
        if self._graph is None or self._output is None:
            return self._evaluated(inputs)
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._output

    def _evaluated(self, inputs: tuple[Tensor, ...]) -> Tensor:
        before = _compiled_frames()
        output = self._function(*inputs)
        self._is_warm = _compiled_frames() == before
        return output

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        """Records the function, or leaves it to be evaluated for now."""
        kept = tuple(tensor.clone() for tensor in inputs)
        graph = torch.cuda.CUDAGraph()
        before = _compiled_frames()
        try:
            with _garbage_left_alone(), _capturing(graph, self._pool.handle, inputs[0].device):
                output = self._function(*kept)
        except Exception as error:  # noqa: BLE001 - of torch, its compiler, CUDA, or a library that waits for the GPU
            self._failures += 1
            self._is_warm = False
            _LOG.warning("an evaluation could not be recorded and is evaluated instead: %s", error)
            return
        if _compiled_frames() != before:  # it was not warm after all: evaluated once more, then recorded again
            self._failures += 1
            self._is_warm = False
            return
        self._graph, self._inputs, self._output = graph, kept, output

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
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _capturing(graph: torch.cuda.CUDAGraph, pool: Any, device: torch.device) -> Iterator[None]:
    """What is launched inside goes into the graph and does not run.

    `torch.cuda.graph` would wait for the GPU and empty torch's memory cache first; here work that is under way goes on.
    Only what this thread does can spoil the recording.
    """
    current, aside = torch.cuda.current_stream(device), _stream_aside(device)
    aside.wait_stream(current)
    with torch.cuda.stream(aside):
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            yield
        except BaseException:
            with suppress(RuntimeError):  # the recording is lost either way; the first error says why
                graph.capture_end()
            raise
        graph.capture_end()
    current.wait_stream(aside)


@cache
def _stream_aside(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings of a process, since libraries keep work space for each stream they have seen."""
    return torch.cuda.Stream(device)


class GraphPool:
    """The recorded functions of one run and their memory, while a `with` block lasts."""

    def __init__(self) -> None:
        self.functions: list[RecordedFunction] = []
        self._handle: Any = None  # torch has no public name for its type

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if any(function.is_recorded for function in self.functions):
            torch.cuda.synchronize()  # replays that are still to run read what is given back here
        for function in self.functions:
            function.forget()
        self.functions.clear()

    @property
    def handle(self) -> Any:
        """Torch's name for the memory; made when first asked for, so that it costs nothing without a GPU."""
        if self._handle is None:
            self._handle = torch.cuda.graph_pool_handle()
        return self._handle
