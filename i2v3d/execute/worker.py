"""The worker process: runs one step after another, told by JSON lines.

It is started by `worker_process` and knows nothing of stores or keys: it gets paths, runs the stage,
checks and digests what was written, and answers. When its input ends (the engine is gone, however it
went) it ends its whole process group at once, so that no Blender is left behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import random
import signal
import stat
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i2v3d.artifacts.base import Artifact
from i2v3d.errors import ArtifactError, GraphError, I2V3DError, StageError
from i2v3d.stages.base import FieldType, Stage

Json = dict[str, Any]  # one message


class StepWorkDir:
    """The work directory of the running step; what stages know as `WorkDir`."""

    def __init__(self, path: Path, checkpoints: Path, stage: Stage, tell: _Teller) -> None:
        self._path = path
        self._checkpoints = checkpoints
        self._types = {field.name: field.artifact for field in stage.outputs}
        self._tell = tell
        self.warnings: list[tuple[str, str]] = []

    @property
    def path(self) -> Path:
        """The private folder of this step."""
        return self._path

    @property
    def checkpoints(self) -> Path:
        """The folder of the step's key that outlives a killed run; made when it is first asked for."""
        self._checkpoints.mkdir(parents=True, exist_ok=True)
        return self._checkpoints

    def output(self, name: str) -> Path:
        """Returns where the output of this name goes, with its type's suffix; nothing is created."""
        artifact = self._types.get(name)
        if artifact is None:
            raise GraphError(f"the stage has no output `{name}`; it has {', '.join(self._types)}")
        return self._path / f"{name}{artifact.suffix}"

    def progress(self, share: float, message: str = "") -> None:
        """Reports the share of the work that is done, 0 to 1."""
        self._tell({"progress": min(max(float(share), 0.0), 1.0), "message": str(message)})

    def warn(self, message: str, *, field: str = "") -> None:
        """Notes what the user should know; it is kept with the result."""
        self.warnings.append((str(message), field))


class _Teller:
    """Writes messages to the engine."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")

    def __call__(self, message: Json) -> None:
        self._file.write(json.dumps(message) + "\n")
        self._file.flush()


def main() -> None:
    """Runs steps until the input ends."""
    requests: queue.SimpleQueue[Json] = queue.SimpleQueue()
    tell = _Teller(os.dup(1))
    source = os.fdopen(os.dup(0), encoding="utf-8")
    _point_at(os.devnull, (0,), os.O_RDONLY)
    _point_at(os.devnull, (1, 2), os.O_WRONLY)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the engine decides what a Ctrl-C ends
    threading.Thread(target=_listen, args=(source, requests), daemon=True).start()
    backends: dict[tuple[str, str], Any] = {}
    while True:
        request = requests.get()
        if "load" in request:
            _load(request["load"])
        else:
            tell(run_step(request, tell, backends))


def _load(modules: list[str]) -> None:
    """Imports modules ahead of the steps that need them; those will tell what is wrong with one."""
    import importlib

    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)


def run_step(request: Json, tell: _Teller, backends: dict[tuple[str, str], Any]) -> Json:
    """Runs one step and returns the answer; everything that goes wrong is in the answer."""
    started = time.perf_counter()
    with _captured(request["log"]), _logged_warnings() as logged:
        try:
            done = _run(request, tell, backends)
            done["warnings"] += logged
        # A stage may raise anything, SystemExit included; the engine makes a StageError of it.
        except BaseException as error:  # noqa: BLE001
            traceback.print_exc()
            return {"failed": _described(error)}
    return {**done, "seconds": time.perf_counter() - started}


def _run(request: Json, tell: _Teller, backends: dict[tuple[str, str], Any]) -> Json:
    from i2v3d.store.canonical import from_canonical

    work = Path(request["work"])
    _enter(work, Path(request["temporary"]))
    stage = _stage(request["module"], request["stage"])
    _reset_random()
    inputs = stage.inputs_type(**{field.name: _input(field, request["inputs"][field.name]) for field in stage.inputs})
    backend = None if request["backend"] is None else _backend(stage.kind, request["backend"], backends)
    step = StepWorkDir(work, Path(request["checkpoints"]), stage, tell)
    result = stage.run(inputs, from_canonical(request["params"]), backend, step)
    if not isinstance(result, stage.outputs_type):
        raise ArtifactError(f"returned {type(result).__name__} where {stage.outputs_type.__name__} was promised")
    outputs = {field.name: _described_output(field, getattr(result, field.name), work) for field in stage.outputs}
    return {"outputs": outputs, "warnings": step.warnings}


def _enter(work: Path, temporary: Path) -> None:
    """Makes the step's own folders the current and the temporary one, for child processes too."""
    os.chdir(work)
    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = None


def _stage(module: str, kind: str) -> Stage:
    import importlib

    from i2v3d.stages.base import registered

    importlib.import_module(module)
    return registered()[kind]


def _backend(kind: str, backend_id: str, backends: dict[tuple[str, str], Any]) -> Any:
    from i2v3d.backends.catalog import find_backend, load_backend

    if (kind, backend_id) not in backends:
        backends[kind, backend_id] = load_backend(find_backend(kind, backend_id))
    return backends[kind, backend_id]


def _input(field: FieldType, paths: str | list[str] | None) -> Any:
    make = Path if field.artifact is None else lambda path: field.artifact(Path(path))
    if isinstance(paths, list):
        return tuple(make(path) for path in paths)
    return None if paths is None else make(paths)


def _described_output(field: FieldType, artifact: Any, work: Path) -> Json | None:
    """Returns the output's files with digests, after its own check."""
    if artifact is None and field.is_optional:
        return None
    if not isinstance(artifact, Artifact) or field.artifact is None or not isinstance(artifact, field.artifact):
        wanted = field.artifact.__name__ if field.artifact else "an artifact"
        raise ArtifactError(f"output {field.name}: {type(artifact).__name__} where {wanted} was promised")
    path = artifact.path
    if work not in path.parents:
        raise ArtifactError(f"output {field.name}: written outside the work directory, at {path}")
    artifact.check()
    files = [path] if not artifact.path.is_dir() else sorted(_files_below(path), key=lambda file: file.as_posix())
    return {
        "path": str(path),
        "folder": path.is_dir(),
        "files": [_described_file(file, path, field.name) for file in files],
    }


def _files_below(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            yield from _files_below(entry)
        else:
            yield entry


def _described_file(file: Path, output: Path, name: str) -> list[object]:
    from i2v3d.store.digests import digest_file

    found = file.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ArtifactError(f"output {name}: {file.name} is a link or device; write a plain file")
    relative = "" if file == output else file.relative_to(output).as_posix()
    return [relative, digest_file(file), found.st_size]


def _described(error: BaseException) -> Json:
    known = isinstance(error, I2V3DError)
    return {
        "type": type(error).__name__,
        "is_ours": known,
        "message": str(error) if known else f"{type(error).__name__}: {error}",
        "hint": error.hint if isinstance(error, I2V3DError) else "",
        "field": error.field if isinstance(error, StageError) else "",
        "errno": error.errno if isinstance(error, OSError) else None,
    }


def _reset_random() -> None:
    """Gives every step the same global random state, so that none can depend on the step before it."""
    random.seed(0)
    if "numpy" in sys.modules:
        import numpy as np

        np.random.seed(0)


@contextlib.contextmanager
def _captured(log: str) -> Iterator[None]:
    """Sends standard output and error to the log, those of child processes and C code too."""
    _point_at(log, (1, 2), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        _point_at(os.devnull, (1, 2), os.O_WRONLY)


@contextlib.contextmanager
def _logged_warnings() -> Iterator[list[tuple[str, str]]]:
    """Gathers what this package logs as a warning, for backends have no other way to tell; see `StepWorkDir.warn`."""
    gathered: list[tuple[str, str]] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: gathered.append((record.getMessage(), getattr(record, "field", "")))  # type: ignore[method-assign]
    logger = logging.getLogger("i2v3d")
    logger.addHandler(handler)
    try:
        yield gathered
    finally:
        logger.removeHandler(handler)


def _point_at(path: str, descriptors: tuple[int, ...], flags: int) -> None:
    opened = os.open(path, flags, 0o644)
    for descriptor in descriptors:
        os.dup2(opened, descriptor)
    os.close(opened)


def _listen(source: Any, requests: queue.SimpleQueue[Json]) -> None:
    for line in source:
        requests.put(json.loads(line))
    os.killpg(os.getpgid(0), signal.SIGKILL)
