"""Whether files have changed since they were last looked at, found out from their stamps.

Looking is portable (network drives, containers, every editor's way to save) and cheap: a scene reads few files.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from i2v3d.store.stamps import Stamp, stamp_of

QUIET_S = 0.1
_LONGEST_SETTLING_S = 2.0
_MOST_FILES = 10_000

Stamps = Mapping[Path, Stamp | None]


class FileWatch:
    """A set of files, folders among them with everything below; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: frozenset[Path] = frozenset()
        self._listed: frozenset[Path] = frozenset()
        self._known: dict[Path, Stamp | None] = {}

    @property
    def paths(self) -> frozenset[Path]:
        """What is watched."""
        return self._paths

    def look_after(self, paths: Iterable[Path], *, since_ns: int, listed: Iterable[Path] = ()) -> None:
        """Watches these paths from now on, in the place of others.

        Args:
            paths: Files and folders; they need not exist.
            since_ns: `time.time_ns()` from before they were read: what was written later counts as changed.
            listed: Folders of which only new, gone or other entries count, hidden ones left out.
        """
        with self._lock:
            self._paths, self._listed = frozenset(paths), frozenset(listed)
            now = self._stamps()
            before = self._known
            self._known = {
                path: before[path] if path in before else None if _is_newer(stamp, since_ns) else stamp
                for path, stamp in now.items()
            }
            # What was in a folder when it was read and is gone now must show.
            gone = {path for path in before if path not in now and not self._paths.isdisjoint(path.parents)}
            self._known.update({path: before[path] for path in gone})

    def changed(self) -> tuple[Path, ...]:
        """Returns what has changed since it was looked after or accepted."""
        with self._lock:
            return _differing(self._known, self._stamps())

    def accept_when_quiet(self, wait: Callable[[float], None] = time.sleep) -> tuple[Path, ...]:
        """Waits until nothing has changed for a tenth of a second, takes that state as known, returns what changed.

        An editor that saves by renaming, or several saves in a row, are one change so.
        """
        deadline = time.monotonic() + _LONGEST_SETTLING_S
        with self._lock:
            before = self._stamps()
        while True:
            wait(QUIET_S)
            with self._lock:
                now = self._stamps()
                if now == before or time.monotonic() > deadline:
                    changed = _differing(self._known, now)
                    self._known = dict(now)
                    return changed
            before = now

    def _stamps(self) -> Stamps:
        found: dict[Path, Stamp | None] = {}
        for path in self._paths:
            found[path] = _stamp(path)
            if path.is_dir():
                found.update({inner: _stamp(inner) for inner in _below(path)})
        for folder in self._listed:
            with contextlib.suppress(OSError):
                found.update({path: _stamp(path) for path in folder.iterdir() if not path.name.startswith(".")})
        return found


def last_written_s(paths: Iterable[Path]) -> float | None:
    """Returns the clock time of the newest change of these files, or None when all of them are gone."""
    stamps = [stamp for path in paths if (stamp := _stamp(path)) is not None]
    return max((stamp.ctime_ns for stamp in stamps), default=0) / 1e9 or None


def _below(folder: Path) -> Iterable[Path]:
    count = 0
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            if count > _MOST_FILES:
                return
            yield Path(place, name)


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except (OSError, ValueError):
        return None


def _is_newer(stamp: Stamp | None, since_ns: int) -> bool:
    return stamp is not None and not stamp.is_settled(since_ns)


def _differing(before: Stamps, now: Stamps) -> tuple[Path, ...]:
    return tuple(sorted(path for path in {*before, *now} if before.get(path) != now.get(path)))
