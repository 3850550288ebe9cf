"""A store on this machine's disk: everything that is remembered between builds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from i2v3d.errors import I2V3DError, StoreError, UsageError
from i2v3d.store.objects import Objects
from i2v3d.store.records import ActionRecord, Records
from i2v3d.store.state import State

_FOLDERS = ("objects", "actions", "locks", "work", "failed", "builds", "fast", "checkpoints")


class LocalStore:
    """The store below one folder.

    Attributes:
        root: The folder.
        objects, records, state: Blobs, records of actions, and what can be found out again.
    """

    def __init__(self, root: Path) -> None:
        """Opens the store, making what is missing.

        Raises:
            UsageError: The folder can't be made or written.
            StoreError: The disk is full, or the state can't be opened.
        """
        self.root = root.absolute()
        try:
            for folder in _FOLDERS:
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            _write_ignore_file(self.root)
            if not os.access(self.root / "objects", os.W_OK):
                raise PermissionError(errno.EACCES, "Permission denied")
        except OSError as error:
            raise store_error(error, self.root) from error
        self.state = _open_state(self.root)
        self.objects = Objects(self.root / "objects", self.state)
        self.records = Records(self.root / "actions")

    def is_whole(self, record: ActionRecord) -> bool:
        """Whether every blob of the record is here and is what its name says."""
        return all(self.objects.holds(file.digest, file.size) for file in record.files)

    def lock_path(self, key: str) -> Path:
        """Returns the lock file of an action."""
        return self.root / "locks" / key

    def checkpoint_path(self, key: str) -> Path:
        """Returns the folder in which a long step of this key keeps what it would go on from."""
        return self.root / "checkpoints" / key

    def close(self) -> None:
        """Writes what was noted and lets go of the files."""
        self.state.close()


def store_root(spec_dir: Path, cache_option: Path | None = None) -> Path:
    """Returns where the store of a spec is: `--cache`, else $I2V3D_CACHE, else `.i2v3d` beside the spec."""
    if cache_option is not None:
        return cache_option
    from_environment = os.environ.get("I2V3D_CACHE")
    return Path(from_environment) if from_environment else spec_dir / ".i2v3d"


def store_error(error: OSError, where: Path, *, option: str = "--cache DIR or $I2V3D_CACHE") -> I2V3DError:
    """Returns the error to show for an operating system error below `where`, a place chosen by `option`."""
    named = Path(error.filename) if isinstance(error.filename, str) else where
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"{where}: the disk is full",
            hint="nothing was left half-written; free some space (`i2v3d cache gc --max-size ...`) and build again",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and named.is_relative_to(where):
        return UsageError(f"{where}: no permission to write", hint=f"choose another place with {option}")
    return StoreError(f"{named}: {error.strerror or error}")


def _open_state(root: Path) -> State:
    import sqlite3

    try:
        return State(root / "state.sqlite")
    except sqlite3.Error as error:
        hint = "is the disk full? If not, remove this file: it is made again"
        raise StoreError(f"{root / 'state.sqlite'}: {error}", hint=hint) from error
    except OSError as error:
        raise store_error(error, root) from error


def _write_ignore_file(root: Path) -> None:
    ignore = root / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
