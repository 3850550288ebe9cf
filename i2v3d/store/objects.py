"""Blobs: read-only files named by the digest of their content.

A blob is looked at before every use: with an unchanged stamp it is trusted, else it is read again,
and one that does not match its name is removed, so that it counts as missing and is made again.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from i2v3d.store.digests import digest_file
from i2v3d.store.stamps import Stamp, stamp_of
from i2v3d.store.state import State


class Objects:
    """The blobs of one store."""

    def __init__(self, root: Path, state: State) -> None:
        self._root = str(root)
        self._state = state

    def path(self, digest: str) -> Path:
        """Returns where the blob is or goes."""
        return Path(self._place(digest))

    def holds(self, digest: str, size: int) -> bool:
        """Whether the blob is here and is what its name says."""
        place = self._place(digest)
        try:
            stamp = stamp_of(place)
        except OSError:
            return False
        if self._state.digest(place, stamp) == digest:
            return True
        if not self._is_true(place, digest, size, stamp):
            return False
        self._state.set_digest(place, stamp, digest)
        return True

    def adopt(self, file: Path, digest: str, size: int) -> None:
        """Moves a written file in under its digest; `seal` must follow before a record may name it.

        Raises:
            OSError: The disk is full, or the file is gone.
        """
        place = self._place(digest)
        try:
            stamp = stamp_of(place)
        except OSError:
            is_here = False
        else:
            # Another build may just have put it here, unsealed: it is not noted as good before `seal`.
            is_here = self._state.digest(place, stamp) == digest or self._is_true(place, digest, size, stamp)
        if is_here:
            file.unlink()
            return
        file.chmod(0o444)
        try:
            os.replace(file, place)  # noqa: PTH105 - `place` is text; see `_place`
        except FileNotFoundError:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, place)  # noqa: PTH105 - as above

    def seal(self, digest: str) -> None:
        """Returns when the blob's content has reached the disk."""
        place = self._place(digest)
        stamp = stamp_of(place)
        if self._state.digest(place, stamp) == digest:
            return
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._state.set_digest(place, stamp, digest)

    def link(self, digest: str, target: Path) -> None:
        """Puts the blob at `target` by hard link or copy, replacing what is there in one step.

        The caller has asked `holds` just before. A hard link moves the blob's change time, so its
        stamp is noted anew, but only when nothing else moved.
        """
        from i2v3d.store.materialise import place_copy

        place = self._place(digest)
        before = stamp_of(place)
        was_good = self._state.digest(place, before) == digest
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.i2v3d")
        try:
            place_copy(Path(place), temporary)
            os.replace(temporary, target)  # noqa: PTH105 - pairs with the line above
        finally:
            temporary.unlink(missing_ok=True)
        after = stamp_of(place)
        if was_good and after._replace(ctime_ns=0) == before._replace(ctime_ns=0):
            self._state.set_digest(place, after, digest)
        if (stamp := stamp_of(target)).inode != after.inode:
            self._state.set_digest(str(target), stamp, digest)

    def is_copy(self, digest: str, target: Path) -> bool:
        """Whether the file at `target` is the blob's other name, or a copy that nobody has touched."""
        try:
            stamp = stamp_of(target)
            blob = stamp_of(self._place(digest))
        except OSError:
            return False
        is_same_file = (stamp.inode, stamp.device) == (blob.inode, blob.device)
        return is_same_file or self._state.digest(str(target), stamp) == digest

    def _is_true(self, place: str, digest: str, size: int, stamp: Stamp) -> bool:
        try:
            if stamp.size == size and digest_file(Path(place)) == digest:
                return True
            os.unlink(place)  # noqa: PTH108 - as in `_place`
        except OSError:
            pass  # someone else removed it, or it can't be read: missing either way
        return False

    def _place(self, digest: str) -> str:
        # Text, not Path: this is on the way of each stored file of each step, Path costs ten times as much.
        return f"{self._root}/{digest[:2]}/{digest[2:]}"
