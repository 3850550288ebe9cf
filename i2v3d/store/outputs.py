"""Outputs as the store knows them: which blobs a file or folder consists of, and slices of sequences."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from i2v3d.errors import ArtifactError
from i2v3d.store.digests import digest_json

_ITEM = re.compile(r"^(\d{6,})")


class StoredFile(NamedTuple):
    """One file of an output: its path below the output (empty for a single file), digest and size in bytes."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True)
class StoredOutput:
    """An output of a recorded action, its files in path order."""

    files: tuple[StoredFile, ...]
    is_folder: bool

    @cached_property
    def content(self) -> str:
        """The content digest. A file's own name never matters; names inside a folder do."""
        if not self.is_folder:
            return self.files[0].digest
        return "folder:" + digest_json([[file.path, file.digest] for file in self.files])

    @cached_property
    def items(self) -> tuple[StoredOutput, ...]:
        """The items of a sequence, in order."""
        by_index: dict[int, list[StoredFile]] = {}
        for file in self.files:
            first, _, rest = file.path.partition("/")
            match = _ITEM.match(first)
            if match:
                by_index.setdefault(int(match[1]), []).append(StoredFile(rest, file.digest, file.size))
        return tuple(
            StoredOutput(tuple(by_index[index]), is_folder=bool(by_index[index][0].path)) for index in sorted(by_index)
        )

    def slice(self, start: int | None, stop: int | None, suffix: str) -> StoredOutput:
        """Returns items [start, stop) of a sequence as one, renumbered from zero.

        Raises:
            ArtifactError: The sequence is shorter than that.
        """
        begin, end = start or 0, len(self.items) if stop is None else stop
        if not 0 <= begin < end <= len(self.items):
            raise ArtifactError(f"items [{begin}:{end}] were asked of a sequence of {len(self.items)}")
        return joined(self.items[begin:end], suffix)

    def to_json(self) -> object:
        """Returns the output as JSON."""
        return {"folder": self.is_folder, "files": [list(file) for file in self.files]}

    @classmethod
    def from_json(cls, document: dict[str, object]) -> StoredOutput:
        """Returns the output that `to_json` gave."""
        files: Iterable[tuple[str, str, int]] = document["files"]  # type: ignore[assignment]  # as written by to_json
        return cls(tuple(StoredFile(*file) for file in files), bool(document["folder"]))


def joined(items: Iterable[StoredOutput], suffix: str) -> StoredOutput:
    """Returns the sequence of these items; `suffix` is that of the item's type, empty for folders."""
    files: list[StoredFile] = []
    for index, item in enumerate(items):
        name = f"{index:06d}{suffix}"
        files += [StoredFile(f"{name}/{f.path}" if f.path else name, f.digest, f.size) for f in item.files]
    return StoredOutput(tuple(files), is_folder=True)
