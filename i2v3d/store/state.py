"""What can be found out again: digests by stamp, code digests, durations. SQLite beside the objects.

Losing it costs time, never correctness, so a damaged file is replaced, and writes are gathered and
go in with one transaction at the end of a build.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from i2v3d.store.locks import exclusive_lock
from i2v3d.store.stamps import Stamp

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE digests (path TEXT PRIMARY KEY, size INT, mtime_ns INT, ctime_ns INT, inode INT, device INT, digest TEXT)
    WITHOUT ROWID;
CREATE TABLE memos (name TEXT PRIMARY KEY, stamp TEXT, value TEXT) WITHOUT ROWID;
CREATE TABLE durations (name TEXT PRIMARY KEY, seconds REAL) WITHOUT ROWID;
"""


class State:
    """The state database of one store; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[Stamp, str]] = {}
        self._memos: dict[str, tuple[str, str]] = {}
        self._durations: dict[str, float] = {}
        self._base = self._open()

    def digest(self, path: str, stamp: Stamp) -> str | None:
        """Returns the digest recorded for this file with this very stamp."""
        with self._lock:
            pending = self._digests.get(path)
            if pending is not None:
                return pending[1] if pending[0] == stamp else None
            row = self._one("SELECT size, mtime_ns, ctime_ns, inode, device, digest FROM digests WHERE path = ?", path)
        return row[5] if row and tuple(row[:5]) == stamp else None

    def set_digest(self, path: str, stamp: Stamp, digest: str) -> None:
        """Records the digest of a file as it is with this stamp."""
        with self._lock:
            self._digests[path] = (stamp, digest)

    def memo(self, name: str, stamp: str) -> Any:  # Any: JSON
        """Returns the value recorded under this name and stamp, or None."""
        with self._lock:
            row = self._memos.get(name) or self._one("SELECT stamp, value FROM memos WHERE name = ?", name)
        return json.loads(row[1]) if row and row[0] == stamp else None

    def set_memo(self, name: str, stamp: str, value: Any) -> None:
        """Records a JSON value that is right as long as the stamp is."""
        with self._lock:
            self._memos[name] = (stamp, json.dumps(value))

    def durations(self, names: Iterable[str]) -> Mapping[str, float]:
        """Returns the recorded seconds of those names that have any."""
        with self._lock:
            if len(self._durations) == 0 and (rows := self._all("SELECT name, seconds FROM durations")):
                self._durations.update(rows)
            return {name: self._durations[name] for name in names if name in self._durations}

    def set_duration(self, name: str, seconds: float) -> None:
        """Records how long something took."""
        with self._lock:
            self._durations[name] = seconds

    def flush(self) -> None:
        """Writes what was recorded; when the database is busy or full, it is only forgotten."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            digests = [(path, *stamp, digest) for path, (stamp, digest) in self._digests.items()]
            memos = [(name, stamp, value) for name, (stamp, value) in self._memos.items()]
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", digests)
                self._base.executemany("INSERT OR REPLACE INTO memos VALUES (?, ?, ?)", memos)
                self._base.executemany("INSERT OR REPLACE INTO durations VALUES (?, ?)", self._durations.items())
            self._digests.clear()
            self._memos.clear()

    def close(self) -> None:
        """Writes what was recorded and lets go of the file."""
        self.flush()
        self._base.close()

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError:  # busy or unreadable: nothing that a new file would mend
            raise
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        base = sqlite3.connect(self._path, timeout=10, check_same_thread=False)
        try:
            (version,) = base.execute("PRAGMA user_version").fetchone()
            if version != _SCHEMA_VERSION:
                with exclusive_lock(self._path.with_suffix(".lock")):
                    _create(base)
            base.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.DatabaseError:
            base.close()
            raise
        return base

    def _one(self, query: str, name: str) -> Any:
        try:
            return self._base.execute(query, (name,)).fetchone()
        except sqlite3.Error:
            return None

    def _all(self, query: str) -> list[Any]:
        try:
            return self._base.execute(query).fetchall()
        except sqlite3.Error:
            return []


def _create(base: sqlite3.Connection) -> None:
    (version,) = base.execute("PRAGMA user_version").fetchone()
    if version == _SCHEMA_VERSION:  # another process made it while we waited
        return
    base.execute("PRAGMA journal_mode = WAL")
    drops = [
        f"DROP TABLE {name};"
        for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    ]
    base.executescript(f"BEGIN;{''.join(drops)}{_SCHEMA}PRAGMA user_version = {_SCHEMA_VERSION};COMMIT;")
