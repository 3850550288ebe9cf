"""Running one step: lock, work directory, worker, checks, store. Called from several threads."""

from __future__ import annotations

import errno
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2v3d import errors
from i2v3d.errors import I2V3DError, StageError, StepFailure, StoreError
from i2v3d.execute.worker_pool import WorkerPool
from i2v3d.execute.worker_process import StepTimeoutError, WorkerGoneError
from i2v3d.execute.workspace import StepDir, Workspaces
from i2v3d.plan.resolve import ResolvedInputs, Resolver, Results, SourceInput, StoredInput
from i2v3d.stages.base import Node, Stage
from i2v3d.store.code import CodeDigest
from i2v3d.store.keys import StepKey
from i2v3d.store.local import LocalStore, store_error
from i2v3d.store.locks import action_lock
from i2v3d.store.outputs import StoredFile, StoredOutput
from i2v3d.store.records import ActionRecord
from i2v3d.store.sources import SourceDigest

_TRANSIENT = {errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ETIMEDOUT, errno.ESTALE, errno.ENETDOWN, errno.ECONNRESET}


class StoppedError(Exception):
    """The build was told to stop while this step waited or ran."""


class SourceChangedError(Exception):
    """A user's file changed while the step ran, so that nobody knows what it read."""


@dataclass(frozen=True)
class Task:
    """A step that is ready to run."""

    node: Node
    stage: Stage
    key: StepKey
    inputs: ResolvedInputs
    sources: tuple[SourceDigest, ...]
    code: CodeDigest
    is_forced: bool


@dataclass(frozen=True)
class Done:
    """A step's record, and whether somebody else had made it by the time we came to run it."""

    record: ActionRecord
    was_reused: bool


class StepRunner:
    """Runs tasks in worker processes and records their results.

    Args:
        stop: Set when the build must end now; steps then raise `StoppedError`.
        retries: How often a step is tried again after an error that can pass by itself.
        retry_wait_s: Time before the first retry, doubled for each further one.
    """

    def __init__(
        self,
        store: LocalStore,
        workspaces: Workspaces,
        workers: WorkerPool,
        *,
        stop: threading.Event,
        retries: int,
        retry_wait_s: float,
    ) -> None:
        self._store = store
        self._workspaces = workspaces
        self._workers = workers
        self._stop = stop
        self._retries = retries
        self._retry_wait_s = retry_wait_s

    def run(
        self,
        task: Task,
        *,
        on_progress: Callable[[float, str], None],
        on_retry: Callable[[I2V3DError], None],
        on_computed: Callable[[], None],
    ) -> Done:
        """Returns the step's record, from this run or from another build's.

        Args:
            task: The step.
            on_progress: Called with the share that is done and a message.
            on_retry: Called with the error before another try.
            on_computed: Called when the worker is free again, before the result is recorded.

        Raises:
            I2V3DError: The step failed, or its result can't be stored.
            StoppedError, SourceChangedError: See there.
        """
        with action_lock(self._store.lock_path(task.key.digest), self._wait):
            if not task.is_forced:
                found = self._store.records.find(task.key)
                if found is not None and self._store.is_whole(found):
                    on_computed()
                    return Done(found, was_reused=True)
            return Done(self._run_locked(task, on_progress, on_retry, on_computed), was_reused=False)

    def run_apart(self, task: Task) -> ActionRecord:
        """Returns the record that a run of the step now would leave, without storing anything.

        Raises:
            I2V3DError: The step failed.
        """
        folder, paths = self._workspaces.make(self._fetched(task))
        request = _request(task, folder, paths, folder.checkpoints)
        answer = self._ask(task, folder, request, lambda share, message: None)
        if "failed" in answer:
            raise self._failure(task, folder, request, answer["failed"])
        folder.remove()
        return _record_of(task, answer)

    def _run_locked(
        self,
        task: Task,
        on_progress: Callable[[float, str], None],
        on_retry: Callable[[I2V3DError], None],
        on_computed: Callable[[], None],
    ) -> ActionRecord:
        checkpoints = self._store.checkpoint_path(task.key.digest)
        if task.is_forced:  # anew means from the beginning
            shutil.rmtree(checkpoints, ignore_errors=True)
        try:
            for attempt in range(self._retries + 1):
                folder, paths = self._workspaces.make(self._fetched(task))
                request = _request(task, folder, paths, checkpoints)
                answer = self._ask(task, folder, request, on_progress)
                if "failed" not in answer:
                    on_computed()
                    return self._record(task, folder, answer)
                self._raise_if_full(answer["failed"])
                error = self._failure(task, folder, request, answer["failed"])
                if attempt == self._retries or answer["failed"].get("errno") not in _TRANSIENT:
                    raise error
                on_retry(error)
                self._wait(self._retry_wait_s * 2**attempt)
        except OSError as error:
            raise store_error(error, self._store.root) from error
        raise AssertionError("the last attempt returns or raises")

    def _ask(
        self, task: Task, folder: StepDir, request: Mapping[str, Any], on_progress: Callable[[float, str], None]
    ) -> Mapping[str, Any]:
        with self._workers.worker(task.stage) as worker:
            try:
                answer = worker.run(dict(request), task.stage.resources.timeout_s, on_progress)
                if "failed" in answer and task.stage.resources.gpu:
                    worker.end()  # what it left on the device goes with it
                return answer
            except StepTimeoutError:
                return {
                    "failed": {"message": f"still running after {task.stage.resources.timeout_s:g} s, so it was ended"}
                }
            except WorkerGoneError as gone:
                if self._stop.is_set():
                    folder.remove()
                    raise StoppedError from None
                return {"failed": {"message": _death(gone.status)}}

    def _fetched(self, task: Task) -> ResolvedInputs:
        for value in task.inputs.values():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, StoredInput) and not all(
                    self._store.objects.holds(file.digest, file.size) for file in item.output.files
                ):
                    raise StoreError(
                        f"{task.node.name}: a stored input was damaged or removed during the build", hint="build again"
                    )
        return task.inputs

    def _record(self, task: Task, folder: StepDir, answer: Mapping[str, Any]) -> ActionRecord:
        if not all(source.is_unchanged() for source in task.sources):
            folder.remove()
            raise SourceChangedError
        if not task.code.is_unchanged():
            folder.remove()
            raise StageError(f"{task.node.name}: the stage's code was edited while it ran", hint="build again")
        record = _record_of(task, answer)
        for name, output in record.outputs.items():
            written = Path(answer["outputs"][name]["path"])
            for file in output.files:
                self._store.objects.adopt(written / file.path if file.path else written, file.digest, file.size)
        for file in record.files:
            self._store.objects.seal(file.digest)
        self._store.records.write(record)
        folder.remove()
        self._workspaces.failed(task.node.name).remove()
        shutil.rmtree(self._store.checkpoint_path(task.key.digest), ignore_errors=True)
        return record

    def _failure(
        self, task: Task, folder: StepDir, request: Mapping[str, Any], failed: Mapping[str, Any]
    ) -> I2V3DError:
        what = _with_users_names(task, folder, failed["message"])
        kept = self._workspaces.keep_failed(folder, task.node.name, request)
        is_expected = bool(failed.get("is_ours"))
        failure = StepFailure(
            task.node.name,
            kept.work,
            kept.log,
            tuple(_shown_inputs(task)),
            is_expected=is_expected,
            spec_path=task.node.blamed(failed.get("field", "")) if is_expected else "",
        )
        message, hint = f"{task.node.name}: {what}", failed.get("hint", "")
        kind = getattr(errors, failed.get("type", ""), StageError) if is_expected else StageError
        if issubclass(kind, StageError):
            return kind(message, hint=hint, failure=failure)
        if kind is errors.MissingBackendError:
            return errors.MissingBackendError(message, hint=hint)
        return StageError(message, hint=hint, failure=failure)

    def _raise_if_full(self, failed: Mapping[str, Any]) -> None:
        if failed.get("errno") in (errno.ENOSPC, errno.EDQUOT):
            raise store_error(OSError(failed["errno"], "no space left"), self._store.root)

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise StoppedError


def make_task(resolver: Resolver, name: str, results: Results, *, is_forced: bool = False) -> Task:
    """Returns the task of a node whose producers are all in `results`.

    Raises:
        ArtifactError: A slice reaches past the end of its sequence.
        UsageError: A user's file can't be read.
    """
    inputs = resolver.inputs(name, results)
    return Task(
        node=resolver.graph.nodes[name],
        stage=resolver.graph.stage_of(name),
        key=resolver.key(name, inputs),
        inputs=inputs,
        sources=tuple(resolver.sources.digest(path) for path in resolver.source_paths(name)),
        code=resolver.code(name),
        is_forced=is_forced,
    )


def _record_of(task: Task, answer: Mapping[str, Any]) -> ActionRecord:
    outputs = {
        name: StoredOutput(tuple(StoredFile(*file) for file in output["files"]), output["folder"])
        for name, output in answer["outputs"].items()
        if output is not None
    }
    return ActionRecord(
        key=task.key.digest,
        base=task.key.base.digest,
        parts=task.key.parts,
        outputs=outputs,
        volatile=tuple(f.name for f in task.stage.outputs if f.artifact is not None and f.artifact.is_volatile),
        determinism=task.node.determinism or task.stage.determinism,
        seconds=answer["seconds"],
        warnings=tuple((message, field) for message, field in answer["warnings"]),
    )


def _request(task: Task, folder: StepDir, paths: Mapping[str, Any], checkpoints: Path) -> dict[str, Any]:
    return {
        "module": task.stage.module,
        "stage": task.stage.kind,
        "backend": task.node.backend,
        "params": task.key.base.parts["params"],
        "inputs": dict(paths),
        "work": str(folder.work),
        "checkpoints": str(checkpoints),
        "temporary": str(folder.temporary),
        "log": str(folder.log),
    }


def _shown_inputs(task: Task) -> list[tuple[str, str]]:
    shown = []
    for field, value in task.inputs.items():
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None:
                name = item.path.name if isinstance(item, SourceInput) else ""
                shown.append((field, f"{name} {item.content[:19]}".strip()))
    return shown


def _with_users_names(task: Task, folder: StepDir, message: str) -> str:
    """Returns the message with the users' file names for the neutral ones that a step sees."""
    for field, value in task.inputs.items():
        if isinstance(value, SourceInput) and value.path.is_dir():
            # A folder's neutral name may be a word of the message; its whole place is none.
            place = re.escape(str(folder.root / "in" / f"{field}{value.path.suffix}"))
            message = re.sub(rf"{place}(?![\w.-])", str(value.path).replace("\\", r"\\"), message)
        elif isinstance(value, SourceInput):
            message = message.replace(f"{field}{value.path.suffix}", value.path.name)
    return message


def _death(status: int) -> str:
    if status == -9:
        return "its process was killed, most likely because memory ran out"
    return f"its process died of signal {-status}" if status < 0 else f"its process ended with status {status}"
