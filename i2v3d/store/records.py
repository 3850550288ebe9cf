"""Records: what came out of an action, one small JSON file each, written after its blobs are safe."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2v3d.store.keys import StepKey
from i2v3d.store.outputs import StoredFile, StoredOutput


@dataclass(frozen=True)
class ActionRecord:
    """A finished action.

    Attributes:
        key: Digest of its key.
        base: Digest of its key's base.
        parts: The key's parts.
        outputs: By name, as its type names them.
        volatile: Names of the outputs that differ between equal runs.
        determinism: `exact` or `seeded`, as the stage or this call of it declares.
        seconds: How long the stage ran.
        warnings: What it told the user, and the field that each is about (see `Node.blamed`).
    """

    key: str
    base: str
    parts: Mapping[str, Any]
    outputs: Mapping[str, StoredOutput]
    volatile: tuple[str, ...]
    determinism: str
    seconds: float
    warnings: tuple[tuple[str, str], ...] = ()

    @property
    def files(self) -> Iterator[StoredFile]:
        """Every file of every output."""
        return (file for output in self.outputs.values() for file in output.files)


class Records:
    """The records of one store: `actions/<base>/<key>.json`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, base: str, key: str) -> Path:
        """Returns where the record is or goes."""
        return self._root / base[:2] / base[2:] / f"{key}.json"

    def find(self, key: StepKey) -> ActionRecord | None:
        """Returns the record of this key; a damaged one counts as missing."""
        return self.read(f"{self._folder(key.base.digest)}/{key.digest}.json")

    def has_base(self, base: str) -> bool:
        """Whether any action with this base was ever recorded and is still here."""
        try:
            with os.scandir(self._folder(base)) as entries:
                return any(True for _ in entries)
        except OSError:
            return False

    def write(self, record: ActionRecord) -> None:
        """Writes a record in one step.

        Raises:
            OSError: It can't be written.
        """
        document = {
            "key": record.key,
            "base": record.base,
            "parts": record.parts,
            "outputs": {name: output.to_json() for name, output in record.outputs.items()},
            "volatile": list(record.volatile),
            "determinism": record.determinism,
            "seconds": record.seconds,
            "warnings": list(record.warnings),
        }
        path = self.path(record.base, record.key)
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(document, file, separators=(",", ":"))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self, record: ActionRecord) -> None:
        """Removes a record."""
        path = self.path(record.base, record.key)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others with the same base are left
            path.parent.rmdir()

    def touch(self, records: Iterable[ActionRecord]) -> None:
        """Notes that these records are in use now, for `gc`."""
        for record in records:
            with contextlib.suppress(OSError):
                os.utime(f"{self._folder(record.base)}/{record.key}.json")

    def read(self, path: str | Path) -> ActionRecord | None:
        """Returns the record in this file, or None when it is missing or damaged."""
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - 10,000 records are read in a plan
                document = json.load(file)
            return ActionRecord(
                key=document["key"],
                base=document["base"],
                parts=document["parts"],
                outputs={name: StoredOutput.from_json(output) for name, output in document["outputs"].items()},
                volatile=tuple(document["volatile"]),
                determinism=document["determinism"],
                seconds=document["seconds"],
                warnings=tuple((message, field) for message, field in document["warnings"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def all_paths(self) -> Iterator[Path]:
        """Yields the file of every record."""
        return self._root.glob("*/*/*.json")

    def _folder(self, base: str) -> str:
        return f"{self._root}/{base[:2]}/{base[2:]}"
