"""Records of past builds: what each step's key was made of, so that changes can be explained afterwards."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from i2v3d.store.digests import digest_bytes

KEPT_BUILDS = 50

Status = Literal["executed", "reused", "failed", "planned"]


@dataclass(frozen=True)
class BuiltStep:
    """A step in a past build.

    Attributes:
        status: What became of it.
        key: Digest of its key; with `base` it names the record.
        base: Digest of the key's base.
        parts: The key's parts.
        reads: By input field: what it read, as text (`render[3].colour`, `photo.jpg`).
        producers: By input field: the nodes it read from.
        origins: Params or input field -> dotted spec path.
        code: Digest by module or template file.
        seconds: How long it ran, 0 when reused.
    """

    status: Status
    key: str
    base: str
    parts: Mapping[str, Any]
    reads: Mapping[str, list[str]] = field(default_factory=dict)
    producers: Mapping[str, list[str]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class BuildRecord:
    """A past build. number: counts up per scene; at_s: clock time of its end."""

    number: int
    scene: str
    at_s: float
    steps: Mapping[str, BuiltStep]


class Builds:
    """The build records of one store, by scene."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, scene: str) -> Path:
        """Returns the folder of a scene, named readably but safe for any scene name."""
        readable = re.sub(r"[^A-Za-z0-9_-]+", "_", scene)[:60]
        return self._root / (readable if readable == scene else f"{readable}-{digest_bytes(scene.encode())[:8]}")

    def new_name(self, scene: str) -> Path:
        """Returns a free name for the files of a new build, its folder made: `builds/rocket/000012`.

        Raises:
            OSError: The folder can't be made.
        """
        folder = self.folder(scene)
        folder.mkdir(parents=True, exist_ok=True)
        number = max(self._numbers(scene), default=0) + 1
        while True:
            try:
                (folder / f"{number:06d}.jsonl").open("x").close()
            except FileExistsError:
                number += 1
                continue
            return folder / f"{number:06d}"

    def write(self, record: BuildRecord) -> None:
        """Writes a record in one step and removes the oldest beyond `KEPT_BUILDS`.

        Raises:
            OSError: It can't be written.
        """
        path = self.folder(record.scene) / f"{record.number:06d}.json.gz"
        temporary = path.with_name(f".{secrets.token_hex(8)}")
        codes: dict[str, Mapping[str, str]] = {}
        steps = {}
        for name, step in record.steps.items():
            code = str(step.parts.get("code"))
            codes.setdefault(code, step.code)  # once for all steps of a stage
            steps[name] = {**vars(step), "code": code}
        document = {"scene": record.scene, "at_s": record.at_s, "codes": codes, "steps": steps}
        try:
            with gzip.open(temporary, "wt", compresslevel=1, encoding="utf-8") as file:
                json.dump(document, file, separators=(",", ":"), default=dict)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        for number in sorted(self._numbers(record.scene))[:-KEPT_BUILDS]:
            for old in self.folder(record.scene).glob(f"{number:06d}.*"):
                old.unlink(missing_ok=True)

    def read(self, scene: str, number: int) -> BuildRecord | None:
        """Returns a record, or None when there is none or it is damaged."""
        path = self.folder(scene) / f"{number:06d}.json.gz"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, EOFError):
            with gzip.open(path, "rt", encoding="utf-8") as file:
                document = json.load(file)
            codes = document["codes"]
            steps = {
                name: BuiltStep(**{**step, "code": codes[step["code"]]}) for name, step in document["steps"].items()
            }
            return BuildRecord(number, document["scene"], document["at_s"], steps)
        return None

    def numbers(self, scene: str) -> tuple[int, ...]:
        """Returns the numbers of the kept records of a scene, oldest first."""
        return tuple(
            number for number in sorted(self._numbers(scene)) if (self.folder(scene) / f"{number:06d}.json.gz").exists()
        )

    def latest(self, scene: str, count: int) -> Iterator[BuildRecord]:
        """Yields the newest records of a scene, newest first."""
        for number in reversed(self.numbers(scene)[-count:]):
            if record := self.read(scene, number):
                yield record

    def latest_keys(self, count: int) -> set[str]:
        """Returns the keys with which each step of each scene was last built, looking at `count` builds."""
        keys: set[str] = set()
        for folder in self._root.iterdir():
            if not folder.is_dir():
                continue
            seen: set[str] = set()
            for path in sorted(folder.glob("*.json.gz"), reverse=True)[:count]:
                steps = _steps_in(path)
                keys.update(step["key"] for name, step in steps.items() if name not in seen)
                seen.update(steps)
        return keys

    def _numbers(self, scene: str) -> set[int]:
        with contextlib.suppress(OSError):
            return {int(path.name[:6]) for path in self.folder(scene).iterdir() if path.name[:6].isdigit()}
        return set()


def _steps_in(path: Path) -> Mapping[str, Any]:
    with contextlib.suppress(OSError, ValueError, KeyError, EOFError), gzip.open(path, "rt", encoding="utf-8") as file:
        steps: Mapping[str, Any] = json.load(file)["steps"]
        return steps
    return {}
