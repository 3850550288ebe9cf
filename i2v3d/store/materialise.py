"""A second name or copy of a file, as cheaply as the file system can."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h: share the extents of another file (btrfs, xfs, bcachefs)


def place_copy(source: Path, target: Path) -> None:
    """Makes `target`, a new file with the content of `source`: reflink, hard link or copy.

    Raises:
        OSError: `target` exists, or can't be written.
    """
    if _reflink(source, target):
        return
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def _reflink(source: Path, target: Path) -> bool:
    import fcntl

    with contextlib.suppress(OSError), source.open("rb") as read, target.open("xb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:
            target.unlink()
            return False
        return True
    return False
