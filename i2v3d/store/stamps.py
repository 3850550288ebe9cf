"""A file's stamp: what its stat says that moves whenever its content may have changed.

The change time is in it because nothing short of setting the clock can put it back, so it catches
edits that keep size and modification time.
"""

from __future__ import annotations

import os
from typing import NamedTuple

# Two writes within one step of the file system's clock leave equal stamps. Linux stamps files with the
# time of the last timer tick (10 ms at most); file systems without fractions of a second step by two.
_CLOCK_STEP_NS = 30_000_000
_COARSE_CLOCK_STEP_NS = 2_000_000_000


class Stamp(NamedTuple):
    """Size, times in nanoseconds, inode and device of a file."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    def is_settled(self, read_at_ns: int) -> bool:
        """Whether a later write must give another stamp, when the content was read at this clock time."""
        step = _CLOCK_STEP_NS if self.ctime_ns % 1_000_000_000 else _COARSE_CLOCK_STEP_NS
        return self.ctime_ns + step < read_at_ns


def stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """Returns the stamp of the file that `path` names, through links.

    Raises:
        OSError: There is no such file, or it can't be looked at.
    """
    found = os.stat(path)  # noqa: PTH116 - this runs for every stored file of a build; Path.stat costs twice as much
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
