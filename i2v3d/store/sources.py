"""Digests of users' files: by content, spared by stamp, and watched while steps read them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from i2v3d.errors import UsageError
from i2v3d.store.digests import digest_file, digest_json
from i2v3d.store.stamps import Stamp, stamp_of
from i2v3d.store.state import State


@dataclass(frozen=True)
class SourceDigest:
    """A user's file or folder as it was read.

    Attributes:
        content: Its content digest.
        stamps: Stamp by file, taken before the content was read.
        is_settled: Whether any later edit must show in a stamp.
    """

    content: str
    stamps: tuple[tuple[str, Stamp], ...]
    is_settled: bool

    def is_unchanged(self) -> bool:
        """Whether every file still has the stamp with which it was read."""
        try:
            return all(stamp_of(path) == stamp for path, stamp in self.stamps)
        except OSError:
            return False


class Sources:
    """The users' files of one build, each read once; safe to use from several threads."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._known: dict[Path, SourceDigest] = {}

    def digest(self, path: Path) -> SourceDigest:
        """Returns the digest of a file or folder, as it was when first asked for.

        Raises:
            UsageError: There is no such file, or it can't be read.
        """
        with self._lock:
            if path not in self._known:
                self._known[path] = self._read(path)
            return self._known[path]

    def refresh(self) -> bool:
        """Forgets every file that has changed since it was read; returns whether there was one."""
        with self._lock:
            changed = [path for path, known in self._known.items() if not known.is_unchanged()]
            for path in changed:
                del self._known[path]
        return bool(changed)

    def known(self) -> tuple[SourceDigest, ...]:
        """Returns every file read so far."""
        with self._lock:
            return tuple(self._known.values())

    def _read(self, path: Path) -> SourceDigest:
        try:
            if not path.is_dir():
                content, stamp, is_settled = self._read_file(path)
                return SourceDigest(content, ((str(path), stamp),), is_settled)
            files = sorted(file for file in path.rglob("*") if file.is_file())
            read = [(file, *self._read_file(file)) for file in files]
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}") from error
        listing = [[file.relative_to(path).as_posix(), content] for file, content, _, _ in read]
        return SourceDigest(
            # The folders' own stamps show files that come and go.
            "folder:" + digest_json(listing),
            (*((str(file), stamp) for file, _, stamp, _ in read), *_folder_stamps(path)),
            all(is_settled for _, _, _, is_settled in read),
        )

    def _read_file(self, path: Path) -> tuple[str, Stamp, bool]:
        stamp = stamp_of(path)
        read_at_ns = time.time_ns()
        if known := self._state.digest(str(path), stamp):
            return known, stamp, True
        content = digest_file(path)
        is_settled = stamp.is_settled(read_at_ns)
        if is_settled:
            self._state.set_digest(str(path), stamp, content)
        return content, stamp, is_settled


def _folder_stamps(path: Path) -> tuple[tuple[str, Stamp], ...]:
    folders = [path, *(folder for folder in path.rglob("*") if folder.is_dir())]
    return tuple((str(folder), stamp_of(folder)) for folder in folders)
