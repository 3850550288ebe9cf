"""Worker processes of one build, reused where a step is small and started anew where it is not."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from i2v3d.execute.worker_process import WorkerProcess
from i2v3d.stages.base import Stage

# A step of a larger stage gets a process that ends with it, so that its memory is certainly freed.
_REUSED_BELOW_GB = 2.0


class WorkerPool:
    """Workers by the number of threads they may use; safe to use from several threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._idle: dict[int, list[WorkerProcess]] = {}
        self._busy: set[WorkerProcess] = set()
        self._is_open = True

    @contextlib.contextmanager
    def worker(self, stage: Stage) -> Iterator[WorkerProcess]:
        """Lends a worker for one step of a stage; one whose step went wrong in any way is not lent again."""
        threads = stage.resources.cpu
        worker = self._take(threads)
        is_reusable = False
        try:
            yield worker
            is_reusable = worker.is_alive and _may_be_reused(stage)
        finally:
            self._give_back(worker, threads, is_reusable=is_reusable)

    def kill_all(self) -> None:
        """Ends every worker at once; the threads that wait for one see it gone."""
        with self._lock:
            self._is_open = False
            for worker in self._busy:
                worker.kill()
        self.close()

    def close(self) -> None:
        """Ends every idle worker."""
        with self._lock:
            self._is_open = False
            idle = [worker for workers in self._idle.values() for worker in workers]
            self._idle.clear()
        for worker in idle:
            worker.end()

    def _take(self, threads: int) -> WorkerProcess:
        with self._lock:
            waiting = self._idle.get(threads)
            worker = waiting.pop() if waiting else WorkerProcess(threads)
            self._busy.add(worker)
            if not self._is_open:
                worker.kill()
            return worker

    def _give_back(self, worker: WorkerProcess, threads: int, *, is_reusable: bool) -> None:
        with self._lock:
            self._busy.discard(worker)
            idle_count = sum(len(workers) for workers in self._idle.values())
            if is_reusable and self._is_open and idle_count < self._size:
                self._idle.setdefault(threads, []).append(worker)
                return
        worker.end()


def _may_be_reused(stage: Stage) -> bool:
    return stage.is_batched or (stage.resources.memory_gb < _REUSED_BELOW_GB and stage.resources.gpu == 0)
