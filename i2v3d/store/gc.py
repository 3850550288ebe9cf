"""Keeping the store small and sound: list, verify, and remove what was not used for longest."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from i2v3d.errors import StoreError
from i2v3d.store.builds import Builds
from i2v3d.store.digests import digest_file
from i2v3d.store.local import LocalStore, store_error
from i2v3d.store.locks import store_lock
from i2v3d.store.records import ActionRecord

# The last build may have been of a part of a scene only; what others of the last builds made stays too.
_ROOT_BUILDS = 5


@dataclass(frozen=True)
class StoredAction:
    """A record with what a listing shows. used_at_s: clock time of its last use; bytes: of its blobs."""

    record: ActionRecord
    used_at_s: float
    bytes: int

    @property
    def stage(self) -> str:
        """Kind of its stage."""
        return str(self.record.parts.get("stage", ""))


@dataclass(frozen=True)
class Cleaning:
    """What a clean-up did."""

    removed_actions: int
    removed_bytes: int
    kept_bytes: int


def list_actions(store: LocalStore) -> tuple[StoredAction, ...]:
    """Returns every recorded action, the one used last first."""
    found = []
    for path in store.records.all_paths():
        record = store.records.read(path)
        if record is not None:
            size = sum({file.digest: file.size for file in record.files}.values())
            found.append(StoredAction(record, path.stat().st_mtime, size))
    return tuple(sorted(found, key=lambda action: (-action.used_at_s, action.record.key)))


def store_bytes(store: LocalStore) -> int:
    """Returns the size of all blobs."""
    return sum(size for _, size in _blobs(store))


def verify_store(store: LocalStore) -> tuple[str, ...]:
    """Reads every blob, removes those that are not what their name says, and returns their digests.

    What needs them is made again by the next build.
    """
    damaged = []
    for path, size in _blobs(store):
        digest = path.parent.name + path.name
        try:
            is_true = digest_file(path) == digest
        except OSError:
            is_true = False
        if not is_true:
            damaged.append(digest)
            store.objects.path(digest).unlink(missing_ok=True)
        else:
            store.objects.holds(digest, size)  # notes its stamp as good
    store.state.flush()
    return tuple(sorted(damaged))


def clean_store(store: LocalStore, max_bytes: int) -> Cleaning:
    """Removes results until all blobs together take `max_bytes` at most, those unused for longest first.

    What each step of every scene gave when it was last built always stays, and blobs that nothing names always go.

    Raises:
        StoreError: A build is running.
    """
    with store_lock(store.root / "store.lock", is_exclusive=True) as is_ours:
        if not is_ours:
            raise StoreError(f"{store.root}: a build is running in this store", hint="clean it when the build is done")
        try:
            return _clean(store, max_bytes)
        except OSError as error:
            raise store_error(error, store.root) from error


def _clean(store: LocalStore, max_bytes: int) -> Cleaning:
    roots = Builds(store.root / "builds").latest_keys(_ROOT_BUILDS)
    actions = list_actions(store)
    users = Counter(digest for action in actions for digest in {file.digest for file in action.record.files})
    sizes = {path.parent.name + path.name: size for path, size in _blobs(store)}
    before = sum(sizes.values())
    orphans = [digest for digest in sizes if digest not in users]
    total = before - sum(sizes[digest] for digest in orphans)
    removed = 0
    # A record goes before its blobs, so that being stopped here leaves no record without them.
    for action in reversed(actions):
        if total <= max_bytes:
            break
        if action.record.key in roots:
            continue
        store.records.remove(action.record)
        removed += 1
        for digest in {file.digest for file in action.record.files}:
            users[digest] -= 1
            if users[digest] == 0:
                total -= sizes.get(digest, 0)
                orphans.append(digest)
    for digest in orphans:
        store.objects.path(digest).unlink(missing_ok=True)
    for kept in (*(store.root / "failed").iterdir(), *(store.root / "checkpoints").iterdir()):
        shutil.rmtree(kept, ignore_errors=True)
    for lock in (store.root / "locks").iterdir():  # left by builds that were killed; nobody holds one now
        lock.unlink()
    for unfinished in (store.root / "actions").glob("*/*/.*"):
        unfinished.unlink()
    return Cleaning(removed, before - total, total)


def _blobs(store: LocalStore) -> Iterator[tuple[Path, int]]:
    with os.scandir(store.root / "objects") as folders:
        for folder in sorted(folders, key=lambda entry: entry.name):
            with os.scandir(folder.path) as entries:
                yield from [(Path(entry.path), entry.stat().st_size) for entry in entries]
