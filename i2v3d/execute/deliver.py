"""Places deliverables in the output folder: each file in one step, unchanged ones left alone."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from i2v3d.artifacts.base import Sequence
from i2v3d.compile.graph import Deliverable, StageGraph
from i2v3d.errors import GraphError
from i2v3d.store.digests import digest_bytes
from i2v3d.store.local import LocalStore, store_error
from i2v3d.store.outputs import StoredOutput
from i2v3d.store.records import ActionRecord

_UNFINISHED_AGE_S = 60.0


@dataclass(frozen=True)
class DeliveredItem:
    """A deliverable in place. is_new: False when all of it was there already."""

    deliverable: Deliverable
    path: Path
    is_new: bool


@dataclass
class Delivery:
    """The output folder of one build.

    Attributes:
        placed: Digest by relative path of every file that this build has put or found in place.
    """

    graph: StageGraph
    store: LocalStore
    out_dir: Path
    placed: dict[str, str] = field(default_factory=dict)
    items: dict[str, DeliveredItem] = field(default_factory=dict)

    def place(self, step: str, record: ActionRecord) -> list[DeliveredItem]:
        """Places what this step delivers and returns it.

        Raises:
            StoreError, UsageError: The folder can't be written.
            GraphError: Two deliverables put different files in one place.
        """
        found = []
        for deliverable in self.graph.deliverables:
            output = record.outputs.get(deliverable.ref.output)
            if deliverable.ref.node == step and output is not None:
                try:
                    item = self._place(deliverable, self._sliced(deliverable, output))
                except OSError as error:
                    raise store_error(error, self.out_dir, option="--out DIR") from error
                self.items[deliverable.path] = item
                found.append(item)
        return found

    def finish(self) -> None:
        """Removes what an earlier build placed and this one no longer makes, where nobody touched it.

        Raises:
            StoreError, UsageError: The list of what was placed can't be written.
        """
        name = digest_bytes(str(self.out_dir.absolute()).encode())[:16]
        listing = self.store.root / "builds" / f"delivered-{name}.json"
        before: Mapping[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            before = json.loads(listing.read_text(encoding="utf-8"))
        stale = {path: digest for path, digest in before.items() if path not in self.placed and self._is_stale(path)}
        for relative, digest in stale.items():
            place = self.out_dir / relative
            with contextlib.suppress(OSError):
                if self.store.objects.is_copy(digest, place):
                    place.unlink()
                    place.parent.rmdir()
        self._sweep()
        now = {**{path: digest for path, digest in before.items() if path not in stale}, **self.placed}
        if now == before:
            return
        temporary = listing.with_name(f".{listing.name}.{secrets.token_hex(4)}")
        try:
            temporary.write_text(json.dumps(now, indent=0), encoding="utf-8")
            temporary.replace(listing)
        except OSError as error:
            raise store_error(error, listing) from error

    def files(self) -> tuple[Path, ...]:
        """Returns every file in place."""
        return tuple(self.out_dir / relative for relative in self.placed)

    def _sweep(self) -> None:
        """Removes files that a killed build was about to rename; young ones may be another build's."""
        for folder in {(self.out_dir / relative).parent for relative in self.placed}:
            for unfinished in folder.glob(".*.i2v3d"):
                with contextlib.suppress(OSError):
                    if unfinished.stat().st_ctime < time.time() - _UNFINISHED_AGE_S:
                        unfinished.unlink()

    def _is_stale(self, relative: str) -> bool:
        """Whether a file of an earlier build, not placed now, is made no longer.

        So it is when it belongs to a deliverable of this graph, or to none of the whole scene; a part of a graph leaves
        what the rest delivers alone.
        """
        return _is_within(relative, self.items) or not _is_within(relative, (*self.graph.places, *self.graph.others))

    def _sliced(self, deliverable: Deliverable, output: StoredOutput) -> StoredOutput:
        ref = deliverable.ref
        if ref.start is None and ref.stop is None:
            return output
        (field_type,) = (f for f in self.graph.stage_of(ref.node).outputs if f.name == ref.output)
        assert field_type.artifact is not None and issubclass(field_type.artifact, Sequence)
        suffix = field_type.artifact.item_type.suffix
        sliced = output.slice(ref.start, ref.stop, suffix)
        is_one_file = len(sliced.items) == 1 and suffix and deliverable.path.endswith(suffix)
        return sliced.items[0] if is_one_file else sliced

    def _place(self, deliverable: Deliverable, output: StoredOutput) -> DeliveredItem:
        is_new = False
        for file in output.files:
            relative = f"{deliverable.path}/{file.path}" if file.path else deliverable.path
            if self.placed.setdefault(relative, file.digest) != file.digest and deliverable.path not in self.items:
                raise GraphError(f"two deliverables put different files at {relative}")
            self.placed[relative] = file.digest
            target = self.out_dir / relative
            if not self.store.objects.is_copy(file.digest, target):
                is_new = True
                target.parent.mkdir(parents=True, exist_ok=True)
                self.store.objects.link(file.digest, target)
        if not output.files:
            (self.out_dir / deliverable.path).mkdir(parents=True, exist_ok=True)
        return DeliveredItem(deliverable, self.out_dir / deliverable.path, is_new)


def _is_within(relative: str, places: Iterable[str]) -> bool:
    return any(relative == place or relative.startswith(f"{place}/") for place in places)
