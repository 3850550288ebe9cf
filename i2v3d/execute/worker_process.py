"""The engine's end of a worker process: start it, give it steps, end it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_START = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from i2v3d.execute.worker import main; main()"
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Json = dict[str, Any]


class WorkerGoneError(Exception):
    """The worker process ended in the middle of a step; `status` is its return code."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status


class StepTimeoutError(Exception):
    """The step did not end in time; its worker was killed."""


class WorkerProcess:
    """A child process that runs steps, in its own process group so that all of it can be ended at once.

    The number of threads that numeric libraries may use is fixed by the stage, not by the machine:
    sums in another order would give other bytes.
    """

    def __init__(self, threads: int, variables: Mapping[str, str] | None = None) -> None:
        """Starts it. variables: added to the environment, such as which GPU is its own."""
        counts = dict.fromkeys(_THREAD_COUNTS, str(threads))
        environment = {**os.environ, "PYTHONHASHSEED": "0", **counts, **(variables or {})}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps([os.path.abspath(path) for path in sys.path])],  # noqa: PTH100 - text in, text out
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=environment,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to_worker = self._process.stdin
        self._from_worker = self._process.stdout
        self._rest = b""

    @property
    def pid(self) -> int:
        """Its process id, also that of its group."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can take another step."""
        return self._process.returncode is None

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, whatever is known of it here."""
        return not self.is_alive or os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def load(self, modules: Sequence[str]) -> None:
        """Lets it import modules while it waits for its first step."""
        with contextlib.suppress(BrokenPipeError):
            self._to_worker.write(json.dumps({"load": list(modules)}).encode() + b"\n")
            self._to_worker.flush()

    def run(self, request: Json, timeout_s: float, on_progress: Callable[[float, str], None]) -> Json:
        """Runs one step and returns the answer.

        Raises:
            WorkerGoneError: The process ended.
            StepTimeoutError: The step took longer than `timeout_s`.
        """
        try:
            self._to_worker.write(json.dumps(request).encode() + b"\n")
            self._to_worker.flush()
        except BrokenPipeError:
            raise WorkerGoneError(self._exit_status()) from None
        deadline = time.monotonic() + timeout_s
        while True:
            message = self._receive(deadline)
            if "progress" not in message:
                return message
            on_progress(message["progress"], message["message"])

    def kill(self) -> None:
        """Ends the process and its children at once; whoever waits for an answer sees it gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> int:
        """Ends the process and its children and forgets it; returns its exit status."""
        if self._process.returncode is None:
            self.kill()
        status = self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._to_worker.close()
        self._from_worker.close()
        return status

    def _receive(self, deadline: float) -> Json:
        while b"\n" not in self._rest:
            with selectors.DefaultSelector() as selector:
                selector.register(self._from_worker, selectors.EVENT_READ)
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.end()
                    raise StepTimeoutError
            chunk = os.read(self._from_worker.fileno(), 1 << 16)
            if not chunk:
                raise WorkerGoneError(self._exit_status())
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        message: Json = json.loads(line)
        return message

    def _exit_status(self) -> int:
        # Without reaping, so that the process group's number stays ours until its children are gone too.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return self.end()
