"""Models that a backend keeps from one step of its worker process to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from i2v3d.backends.base import ModelFiles

_T = TypeVar("_T")


class KeptModels:
    """One value per slot, loaded anew when what it was made from changes."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[object, Any]] = {}  # any model

    def get(self, slot: str, made_from: object, load: Callable[[], _T]) -> _T:
        """Returns what `load` returned for an equal `made_from`, or its result now; what the slot held is freed first.

        Args:
            slot: What the value is for, `unet`.
            made_from: Everything that the value depends on, comparable.
            load: Makes the value.
        """
        if slot not in self._values or self._values[slot][0] != made_from:
            self._values.pop(slot, None)
            self._values[slot] = (made_from, load())
        value: _T = self._values[slot][1]
        return value


def identity_of(files: ModelFiles, role: str) -> tuple[object, ...]:
    """Returns what tells the weights of a role from others: place, precision, and each file's size and time."""
    folder = files.folders[role].resolve()
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return (str(folder), files.precision, *((str(path), *_stamp(path)) for path in found))


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
