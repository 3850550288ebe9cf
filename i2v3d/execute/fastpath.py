"""A build that has nothing to do, found out in milliseconds: nothing but the standard library is imported.

After a build that succeeded, the stamps of everything it depended on and everything it made are kept:
spec files, users' files, this package's code, stored blobs, delivered files. While all of them are as
they were, the build is up to date. Anything else is for the real plan to judge.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import i2v3d
from i2v3d.resources import templates_dir
from i2v3d.store.stamps import Stamp, stamp_of

if TYPE_CHECKING:
    from i2v3d.plan.resolve import Resolver
    from i2v3d.store.local import LocalStore
    from i2v3d.store.records import ActionRecord


# One per spec, options and version of the code; an old one is only a slower no-op.
_KEPT = 32


@dataclass(frozen=True)
class FastPath:
    """What names a build, and which files say what it is.

    Attributes:
        identity: What `identify` gave.
        spec_files: Every file that was read to make the scene: spec, includes, templates.
        loaded_at_ns: `time.time_ns()` from before the first of them was read.
        summary: JSON to give back on a hit, for the command line to print.
    """

    identity: str
    spec_files: tuple[Path, ...]
    loaded_at_ns: int
    summary: Mapping[str, Any]

    def with_warnings(self, warnings: Mapping[str, tuple[tuple[str, str], ...]]) -> FastPath:
        """Returns one that gives back what the steps had to tell, too, as `warnings`."""
        told = [f"{step}: {message}" for step, messages in warnings.items() for message, _ in messages]
        return replace(self, summary={**self.summary, "warnings": told}) if told else self

    def remember(
        self,
        store: LocalStore,
        resolver: Resolver,
        records: Mapping[str, ActionRecord],
        delivered: Iterable[Path],
    ) -> None:
        """Keeps the stamps of everything that this build rests on, unless a file was edited a moment ago."""
        stamps: dict[str, Stamp] = {}
        for path in self.spec_files:
            stamps[str(path.absolute())] = stamp_of(path)
            if not stamps[str(path.absolute())].is_settled(self.loaded_at_ns):
                return
        for source in resolver.sources.known():
            # Older than the loading of the spec, too: sizes read from it may be in the params.
            is_settled = source.is_settled and all(stamp.is_settled(self.loaded_at_ns) for _, stamp in source.stamps)
            if not (is_settled and source.is_unchanged()):
                return
            stamps.update(source.stamps)
        for name in resolver.graph.nodes:
            stamps.update(resolver.code(name).stamps)
        # Files that come to a template folder show in the folder's own stamp.
        stamps.update({str(path): stamp_of(path) for path in _folders(templates_dir())})
        digests = {file.digest for record in records.values() for file in record.files}
        stamps.update({str(path): stamp_of(path) for path in map(store.objects.path, digests)})
        stamps.update({str(path): stamp_of(path) for path in delivered})
        document = {"summary": self.summary, "stamps": {path: list(stamp) for path, stamp in stamps.items()}}
        target = _place(store.root, self.identity)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
        temporary.replace(target)
        _forget_oldest(target.parent)


def identify(spec: Path, options: Iterable[str]) -> str:
    """Returns what names a build: the spec, the options that matter, this package's code, the interpreter."""
    listing = [str(spec.absolute()), list(options), i2v3d.__version__, sys.version, sys.prefix, sys.path]
    return hashlib.blake2b(json.dumps([listing, _code_stamps()]).encode(), digest_size=32).hexdigest()


def find_up_to_date(store_root: Path, identity: str) -> Mapping[str, Any] | None:
    """Returns the summary of the build of this name when nothing it rests on has changed, else None."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(_place(store_root.absolute(), identity).read_text(encoding="utf-8"))
        if all(stamp_of(path) == tuple(stamp) for path, stamp in document["stamps"].items()):
            summary: Mapping[str, Any] = document["summary"]
            return summary
    return None


def _place(store_root: Path, identity: str) -> Path:
    return store_root / "fast" / f"{identity}.json"


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-_KEPT]:
        file.unlink(missing_ok=True)


def _folders(root: Path) -> list[Path]:
    return [root, *(path for path in root.rglob("*") if path.is_dir())] if root.is_dir() else []


def _code_stamps() -> list[Stamp]:
    """Returns the stamps of this package's folders and files, and of the folders of installed packages."""
    package = os.path.dirname(os.path.abspath(i2v3d.__file__))  # noqa: PTH100, PTH120 - pathlib would double the time
    sites = [path for path in sys.path if path.endswith("-packages")]
    return [*(stamp_of(path) for path in sites), *_tree(package)]


def _tree(folder: str) -> Iterator[Stamp]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _tree(entry.path)
        elif entry.name.endswith((".py", ".j2", ".json", ".yaml")):
            yield stamp_of(entry.path)


__all__ = ["FastPath", "find_up_to_date", "identify"]
