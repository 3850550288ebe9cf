"""Kernel locks by name: they end with their process, so nothing is ever left locked."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

_WAIT_S = 0.05


@contextlib.contextmanager
def action_lock(path: Path, wait: Callable[[float], None]) -> Iterator[bool]:
    """Holds the lock on `path` while the body runs; gives whether somebody else held it first.

    Args:
        path: The lock file; made and removed as needed.
        wait: Called between attempts with a number of seconds; may raise to give up.
    """
    has_waited = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            has_waited = True
            wait(_WAIT_S)
            continue
        if _is_file_at(descriptor, path):
            break
        os.close(descriptor)  # its last holder removed the file after we opened it
    try:
        yield has_waited
    finally:
        path.unlink(missing_ok=True)  # before the lock goes, so that no one locks a file without a name for long
        os.close(descriptor)


@contextlib.contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Holds the lock on `path` while the body runs, waiting for it as long as it takes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def store_lock(path: Path, *, is_exclusive: bool) -> Iterator[bool]:
    """Holds the store's lock, shared or exclusive; gives False when it could not be had at once."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if is_exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _is_file_at(descriptor: int, path: Path) -> bool:
    try:
        named = path.stat()
    except OSError:
        return False
    return (named.st_ino, named.st_dev) == (os.fstat(descriptor).st_ino, os.fstat(descriptor).st_dev)
