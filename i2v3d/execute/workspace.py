"""Private work directories of steps, on the store's file system, so that results move in by renaming."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from i2v3d.plan.resolve import Resolved, ResolvedInputs, SourceInput
from i2v3d.store.digests import digest_bytes
from i2v3d.store.local import LocalStore
from i2v3d.store.locks import exclusive_lock


@dataclass(frozen=True)
class StepDir:
    """One step's folder: `in/` holds its inputs as links, `run/` is where it writes, `log.txt` what it printed."""

    root: Path

    @property
    def work(self) -> Path:
        """Where the stage writes."""
        return self.root / "run"

    @property
    def temporary(self) -> Path:
        """Where libraries and child processes put temporary files."""
        return self.root / "tmp"

    @property
    def checkpoints(self) -> Path:
        """Where a run that must not go on from another one's checkpoints keeps its own."""
        return self.root / "checkpoints"

    @property
    def log(self) -> Path:
        """What the stage printed."""
        return self.root / "log.txt"

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.root, ignore_errors=True)


class Workspaces:
    """The work directories of one build. Those of builds that were killed are swept when the next one begins."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._base = store.root / "work" / secrets.token_hex(6)
        with exclusive_lock(store.root / "work.lock"):
            _sweep(store.root / "work")
            self._base.mkdir()
            self._lock = os.open(self._base / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Workspaces:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._base, ignore_errors=True)
        os.close(self._lock)

    def make(self, inputs: ResolvedInputs) -> tuple[StepDir, Mapping[str, Any]]:
        """Returns a new step folder, and the path or paths of each input field in it.

        Inputs are symbolic links: unlike hard links they leave a blob's change time alone, and they
        show a step neither names nor places of anything else.
        """
        folder = StepDir(self._base / secrets.token_hex(6))
        folder.work.mkdir(parents=True)
        folder.temporary.mkdir()
        paths: dict[str, Any] = {}
        for field, value in inputs.items():
            if isinstance(value, tuple):
                many = folder.root / "in" / field
                paths[field] = [self._place(item, many, f"{index:04d}") for index, item in enumerate(value)]
            else:
                paths[field] = None if value is None else self._place(value, folder.root / "in", field)
        return folder, paths

    def keep_failed(self, folder: StepDir, step: str, request: Mapping[str, Any]) -> StepDir:
        """Moves the folder of a failed step to where it stays until the step fails or succeeds again."""
        kept = self.failed(step)
        (folder.root / "step.json").write_text(json.dumps(request, indent=1), encoding="utf-8")
        kept.remove()
        with contextlib.suppress(OSError):  # another build keeps the same step's folder at this moment
            folder.root.rename(kept.root)
        return kept

    def failed(self, step: str) -> StepDir:
        """Returns where the folder of this step is kept when it fails."""
        readable = re.sub(r"[^A-Za-z0-9._-]+", "_", step)[:60]
        return StepDir(self._store.root / "failed" / f"{readable}-{digest_bytes(step.encode())[:8]}")

    def _place(self, item: Resolved, folder: Path, name: str) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(item, SourceInput):
            link = folder / f"{name}{item.path.suffix}"
            link.symlink_to(item.path.absolute())
            return str(link)
        target = f"{folder}/{name}{item.suffix}"
        if item.output.is_folder:
            os.mkdir(target)  # noqa: PTH102 - a step may read hundreds of files; see also below
        made = {""}
        for file in item.output.files:
            parent = file.path.rpartition("/")[0]
            if parent not in made:
                os.makedirs(f"{target}/{parent}", exist_ok=True)  # noqa: PTH103
                made.add(parent)
            place = f"{target}/{file.path}" if file.path else target
            os.symlink(self._store.objects.path(file.digest), place)  # noqa: PTH211
        return target


def _sweep(work: Path) -> None:
    for folder in work.iterdir():
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass  # a build that is running now
        finally:
            os.close(lock)
