"""Ending a build that runs in another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from i2v3d.errors import I2V3DError


class BuildCancelledError(I2V3DError):
    """The build was asked to end before it was done; what had finished is kept."""

    def __init__(self) -> None:
        super().__init__("the build was cancelled")


class Cancellation:
    """Asks one build to end; it then raises `BuildCancelledError` after every running step has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._tell: Callable[[], None] | None = None

    @property
    def is_set(self) -> bool:
        """Whether the build is to end."""
        return self._is_set

    def cancel(self) -> None:
        """Asks the build to end, now or as soon as it begins; a build that is done is left as it is."""
        with self._lock:
            self._is_set = True
            if self._tell is not None:
                self._tell()

    def bind(self, tell: Callable[[], None]) -> None:
        """Names what ends the build, in the place of what did before; called at once when it is to end already."""
        with self._lock:
            self._tell = tell
            if self._is_set:
                tell()
