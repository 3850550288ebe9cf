"""How much may run at once: cores, memory and GPUs."""

from __future__ import annotations

import os

from i2v3d.execute.devices import visible_gpus
from i2v3d.stages.base import Resources


class Budget:
    """What is still free. A step that asks for more than there is gets all of it, alone."""

    def __init__(self, jobs: int | None = None, memory_gb: float | None = None, gpus: int | None = None) -> None:
        """Sets the limits; the machine's own where None. jobs: cores to keep busy; gpus: places for models."""
        self._cpu_total = jobs or available_cores()
        self._memory_total_gb = memory_gb or _memory_gb()
        self._gpu_total = gpus if gpus is not None else max(1, len(visible_gpus()))
        self._cpu = self._cpu_total
        self._memory_gb = self._memory_total_gb
        self._gpu = self._gpu_total

    @property
    def jobs(self) -> int:
        """Cores to keep busy."""
        return self._cpu_total

    @property
    def has_room(self) -> bool:
        """Whether any step could still start."""
        return self._cpu > 0

    def take(self, wanted: Resources) -> bool:
        """Takes what a step needs, or nothing and returns False."""
        cpu, memory_gb, gpu = self._share(wanted)
        if cpu > self._cpu or memory_gb > self._memory_gb or gpu > self._gpu:
            return False
        self._cpu -= cpu
        self._memory_gb -= memory_gb
        self._gpu -= gpu
        return True

    def give_back(self, wanted: Resources) -> None:
        """Gives back what `take` took."""
        cpu, memory_gb, gpu = self._share(wanted)
        self._cpu += cpu
        self._memory_gb += memory_gb
        self._gpu += gpu

    def _share(self, wanted: Resources) -> tuple[int, float, int]:
        return (
            min(wanted.cpu, self._cpu_total),
            min(wanted.memory_gb, self._memory_total_gb),
            min(wanted.gpu, self._gpu_total),
        )


def available_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gb() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return 8.0
