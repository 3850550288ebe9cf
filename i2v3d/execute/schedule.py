"""Which step runs next: every step as soon as its inputs are known, longest remaining path first.

One thread decides; steps run in a thread pool and answer through a queue. A step's key is computed
when its inputs are known, not before, so a step that ran with an unchanged result stops the rerun.
"""

from __future__ import annotations

import heapq
import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from i2v3d.compile.graph import StageGraph
from i2v3d.errors import ArtifactError, I2V3DError, StageError
from i2v3d.execute.budget import Budget
from i2v3d.execute.cancel import BuildCancelledError
from i2v3d.execute.step import Done, SourceChangedError, StepRunner, StoppedError, Task, make_task
from i2v3d.plan.resolve import Resolver
from i2v3d.store.local import LocalStore
from i2v3d.store.records import ActionRecord

_SOURCE_RETRIES = 3


@dataclass(frozen=True)
class Watch:
    """What the scheduler tells of: called from its own thread only."""

    started: Callable[[str], None]
    progress: Callable[[str, float, str], None]
    finished: Callable[[str, ActionRecord], None]
    reused: Callable[[str, ActionRecord], None]
    failed: Callable[[str, I2V3DError, bool], None]
    skipped: Callable[[str, str], None]


@dataclass
class PassResult:
    """What one walk over the graph came to.

    Attributes:
        records: By node, those that are done.
        executed, reused, failed: Node names.
        has_changed_source: A user's file changed during the walk, so that steps may have read different states of it.
    """

    records: dict[str, ActionRecord] = field(default_factory=dict)
    executed: dict[str, None] = field(default_factory=dict)
    reused: dict[str, None] = field(default_factory=dict)
    failed: dict[str, I2V3DError] = field(default_factory=dict)
    has_changed_source: bool = False


class Scheduler:
    """One walk over a graph."""

    def __init__(
        self,
        resolver: Resolver,
        store: LocalStore,
        runner: StepRunner,
        *,
        watch: Watch,
        budget: Budget,
        priorities: Mapping[str, float],
        forced: frozenset[str],
        keep_going: bool,
    ) -> None:
        self._resolver = resolver
        self._graph: StageGraph = resolver.graph
        self._store = store
        self._runner = runner
        self._watch = watch
        self._budget = budget
        self._priorities = priorities
        self._forced = forced
        self._keep_going = keep_going
        self._names = tuple(self._graph.nodes)
        self._rank = {name: index for index, name in enumerate(self._graph.nodes)}
        self._waiting = {name: len(self._graph.producers(name)) for name in self._graph.nodes}
        self._ready: list[tuple[float, int, Task]] = []
        self._same_key: dict[str, list[str]] = {}
        self._messages: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._in_flight = 0
        self._source_retries: dict[str, int] = {}
        self._is_ending = False
        self._result = PassResult()

    def walk(self, threads: ThreadPoolExecutor) -> PassResult:
        """Runs what has to run and returns what came of it.

        Raises:
            I2V3DError: The store or a user's file can't be used; a failed step is in the result instead.
            BuildCancelledError: `cancel` was called.
        """
        self._arrive([name for name, count in self._waiting.items() if count == 0])
        while True:
            self._dispatch(threads)
            if not self._in_flight:
                return self._result
            self._messages.get()()

    def cancel(self) -> None:
        """Ends the walk with an error; may be called from any thread, also before it begins."""
        self._messages.put(_raise_cancelled)

    def _arrive(self, names: list[str]) -> None:
        """Takes up steps whose inputs have become known, these and those that follow by reuse.

        In graph order, so that of several steps with one key the first is the one that runs.
        """
        arrived = [self._rank[name] for name in names]
        heapq.heapify(arrived)
        while arrived:
            name = self._names[heapq.heappop(arrived)]
            record = self._resolve(name)
            if record is not None:
                self._watch.reused(name, record)
                self._result.reused[name] = None
                for reader in self._settle(name, record):
                    heapq.heappush(arrived, self._rank[reader])

    def _resolve(self, name: str) -> ActionRecord | None:
        """Returns the step's record if there is one, else queues the step."""
        try:
            task = make_task(self._resolver, name, self._result.records, is_forced=name in self._forced)
        except ArtifactError as error:  # a slice of what turned out to be too short
            self._fail(name, StageError(f"{name}: {error.message}", hint=error.hint))
            return None
        if not task.is_forced:
            record = self._store.records.find(task.key)
            if record is not None and self._store.is_whole(record):
                return record
        if task.key.digest in self._same_key:
            self._same_key[task.key.digest].append(name)
            return None
        self._same_key[task.key.digest] = []
        heapq.heappush(self._ready, (-self._priorities.get(name, 0.0), self._rank[name], task))
        return None

    def _settle(self, name: str, record: ActionRecord) -> list[str]:
        """Notes a result; returns the readers whose inputs are now all known."""
        self._result.records[name] = record
        known = []
        for reader in self._graph.readers(name):
            self._waiting[reader] -= 1
            if self._waiting[reader] == 0:
                known.append(reader)
        return known

    def _dispatch(self, threads: ThreadPoolExecutor) -> None:
        if self._is_ending:
            return
        held_back = []
        while self._ready and self._budget.has_room:
            entry = heapq.heappop(self._ready)
            task = entry[2]
            if not self._budget.take(task.stage.resources):
                held_back.append(entry)
                continue
            self._in_flight += 1
            self._watch.started(task.node.name)
            threads.submit(self._run, task)
        for entry in held_back:
            heapq.heappush(self._ready, entry)

    def _run(self, task: Task) -> None:
        """Runs in a thread of the pool; says everything through the queue."""
        name = task.node.name
        is_freed = False

        def free() -> None:
            nonlocal is_freed
            if not is_freed:
                is_freed = True
                self._messages.put(lambda: self._budget.give_back(task.stage.resources))

        try:
            done = self._runner.run(
                task,
                on_progress=lambda share, message: self._messages.put(
                    lambda: self._watch.progress(name, share, message)
                ),
                on_retry=lambda error: self._messages.put(lambda: self._watch.failed(name, error, True)),
                on_computed=free,
            )
        except BaseException as error:  # noqa: BLE001 - handed to the scheduler's thread, which raises what is no step's
            caught, was_freed = error, is_freed
            # One message: nothing may start between the freed place and the news of the failure.
            self._messages.put(lambda: self._ended(task, caught, was_freed))
        else:
            free()
            self._messages.put(lambda: self._done(task, done))

    def _done(self, task: Task, done: Done) -> None:
        self._in_flight -= 1
        name = task.node.name
        if done.was_reused:
            self._watch.reused(name, done.record)
            self._result.reused[name] = None
        else:
            self._watch.finished(name, done.record)
            self._result.executed[name] = None
        known = self._settle(name, done.record)
        for twin in self._same_key.pop(task.key.digest):
            self._watch.reused(twin, done.record)
            self._result.reused[twin] = None
            known += self._settle(twin, done.record)
        self._arrive(known)

    def _ended(self, task: Task, error: BaseException, was_freed: bool) -> None:
        self._in_flight -= 1
        if not was_freed:
            self._budget.give_back(task.stage.resources)
        name = task.node.name
        twins = self._same_key.pop(task.key.digest)
        if isinstance(error, SourceChangedError):
            self._source_changed([name, *twins])
        elif isinstance(error, StoppedError):
            self._is_ending = True
        elif isinstance(error, StageError | I2V3DError) and not _is_of_the_store(error):
            for failed in [name, *twins]:
                self._fail(failed, error)
        else:
            self._is_ending = True
            raise error

    def _source_changed(self, names: list[str]) -> None:
        self._result.has_changed_source = True
        self._resolver.sources.refresh()
        for name in names:
            self._source_retries[name] = self._source_retries.get(name, 0) + 1
            if self._source_retries[name] > _SOURCE_RETRIES:
                self._fail(name, StageError(f"{name}: a file it reads changes again and again while it runs"))
            else:
                self._arrive([name])

    def _fail(self, name: str, error: I2V3DError) -> None:
        import networkx as nx

        self._result.failed[name] = error
        self._watch.failed(name, error, False)
        self._is_ending = self._is_ending or not self._keep_going
        for reader in sorted(nx.descendants(self._graph.network, name), key=self._rank.__getitem__):
            self._watch.skipped(reader, name)


def _raise_cancelled() -> None:
    raise BuildCancelledError


def _is_of_the_store(error: I2V3DError) -> bool:
    from i2v3d.errors import StoreError, UsageError

    return isinstance(error, StoreError | UsageError)
