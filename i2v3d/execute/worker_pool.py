"""Worker processes of one build or of several, reused where a step is small and started anew where it is not.

A step with models has a GPU of its own while it runs. Its worker waits there with the models loaded for the next step
of the same stage, and ends when a step of another stage needs the GPU.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence

from i2v3d.execute.worker_process import WorkerProcess
from i2v3d.stages.base import Stage

# A step of a larger stage gets a process that ends with it, so that its memory is certainly freed.
_REUSED_BELOW_GB = 2.0


class WorkerPool:
    """Workers by the number of threads they may use; safe to use from several threads.

    Args:
        size: How many may wait idle.
        devices: Environment variables of a worker with models, one mapping per GPU.
    """

    def __init__(self, size: int, devices: Sequence[Mapping[str, str]] = ({},)) -> None:
        self._size = size
        self._devices = tuple(devices)
        self._free_devices = list(range(len(self._devices)))
        self._waiting_on_device: dict[int, tuple[str, WorkerProcess]] = {}
        self._lock = threading.Lock()
        self._idle: dict[int, list[WorkerProcess]] = {}
        self._busy: set[WorkerProcess] = set()
        self._kinds: dict[WorkerProcess, set[str]] = {}
        self._is_open = True
        self._is_interrupted = False

    @contextlib.contextmanager
    def worker(self, stage: Stage) -> Iterator[WorkerProcess]:
        """Lends a worker for one step of a stage; one whose step went wrong in any way is not lent again."""
        if stage.resources.gpu:
            with self._worker_on_device(stage) as worker:
                yield worker
            return
        threads = stage.resources.cpu
        worker = self._take(stage)
        is_reusable = False
        try:
            yield worker
            is_reusable = worker.is_alive and _may_be_reused(stage)
        finally:
            self._give_back(worker, threads, is_reusable=is_reusable)

    def interrupt(self) -> None:
        """Ends every worker that runs a step, and those lent from now on; the threads that wait for one see it gone."""
        with self._lock:
            self._is_interrupted = True
            for worker in self._busy:
                worker.kill()

    def kill_all(self) -> None:
        """Ends every worker at once, for good."""
        self.interrupt()
        self.close()

    def resume(self) -> None:
        """Lends workers again after `interrupt`."""
        with self._lock:
            self._is_interrupted = False

    def warm_up(self, count: int, modules: Sequence[str] = ()) -> None:
        """Starts idle workers of one thread until so many wait for the next build, these modules loaded."""
        with self._lock:
            waiting = self._living(1)
            while self._is_open and len(waiting) < min(count, self._size):
                waiting.insert(0, WorkerProcess(1))
                waiting[0].load(modules)

    def close(self) -> None:
        """Ends every idle worker."""
        with self._lock:
            self._is_open = False
            idle = [worker for workers in self._idle.values() for worker in workers]
            idle += [worker for _, worker in self._waiting_on_device.values()]
            self._idle.clear()
            self._waiting_on_device.clear()
        for worker in idle:
            worker.end()

    @contextlib.contextmanager
    def _worker_on_device(self, stage: Stage) -> Iterator[WorkerProcess]:
        device, worker = self._take_device(stage)
        try:
            yield worker
        finally:
            with self._lock:
                self._busy.discard(worker)
                is_kept = worker.is_alive and self._is_open
                if is_kept:
                    self._waiting_on_device[device] = (stage.kind, worker)
                self._free_devices.append(device)
            if not is_kept:
                worker.end()

    def _take_device(self, stage: Stage) -> tuple[int, WorkerProcess]:
        """Takes a free GPU, one where a worker of the stage waits if there is one, and a worker on it."""
        with self._lock:
            if not self._free_devices:
                raise AssertionError("the budget lets no more steps with models run than there are GPUs")
            kinds = {device: kind for device, (kind, _) in self._waiting_on_device.items()}
            device = min(self._free_devices, key=lambda free: (kinds.get(free) != stage.kind, free))
            self._free_devices.remove(device)
            kind, waiting = self._waiting_on_device.pop(device, ("", None))
            if waiting is not None and (kind != stage.kind or not waiting.is_alive):
                waiting.end()
                waiting = None
            worker = waiting or WorkerProcess(stage.resources.cpu, self._devices[device])
            self._lend(worker)
            return device, worker

    def _take(self, stage: Stage) -> WorkerProcess:
        threads = stage.resources.cpu
        with self._lock:
            waiting = self._living(threads)
            worker = self._chosen(waiting, stage) if waiting else WorkerProcess(threads)
            self._kinds.setdefault(worker, set()).add(stage.kind)
            self._lend(worker)
            return worker

    def _living(self, threads: int) -> list[WorkerProcess]:
        """Returns the idle workers of this many threads, those left out that have died while they waited."""
        waiting = self._idle.setdefault(threads, [])
        for worker in [worker for worker in waiting if worker.has_ended]:
            waiting.remove(worker)
            self._kinds.pop(worker, None)
            worker.end()
        return waiting

    def _chosen(self, waiting: list[WorkerProcess], stage: Stage) -> WorkerProcess:
        """Takes out the worker that has run this stage before, else the one that has run the fewest stages."""
        kinds = [self._kinds.get(worker, set()) for worker in waiting]
        best = min(range(len(waiting)), key=lambda index: (stage.kind not in kinds[index], len(kinds[index]), -index))
        return waiting.pop(best)

    def _lend(self, worker: WorkerProcess) -> None:
        self._busy.add(worker)
        if self._is_interrupted or not self._is_open:
            worker.kill()

    def _give_back(self, worker: WorkerProcess, threads: int, *, is_reusable: bool) -> None:
        with self._lock:
            self._busy.discard(worker)
            idle_count = sum(len(workers) for workers in self._idle.values())
            if is_reusable and self._is_open and not self._is_interrupted and idle_count < self._size:
                self._idle.setdefault(threads, []).append(worker)
                return
            self._kinds.pop(worker, None)
        worker.end()


def _may_be_reused(stage: Stage) -> bool:
    return stage.is_batched or stage.resources.memory_gb < _REUSED_BELOW_GB
