"""Building a graph: the one call that the command line, tests and other programs make."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from i2v3d.compile.graph import StageGraph
from i2v3d.errors import I2V3DError, StoreError
from i2v3d.execute import events
from i2v3d.execute.budget import Budget
from i2v3d.execute.build_log import BuildLog
from i2v3d.execute.cancel import Cancellation
from i2v3d.execute.deliver import Delivery
from i2v3d.execute.devices import DeviceOptions, worker_devices
from i2v3d.execute.events import OnEvent
from i2v3d.execute.fastpath import FastPath
from i2v3d.execute.finished import FinishedBuild, Finisher
from i2v3d.execute.journal import Journal
from i2v3d.execute.schedule import PassResult, Scheduler
from i2v3d.execute.step import StepRunner
from i2v3d.execute.warm import WarmWorkers
from i2v3d.execute.worker_pool import WorkerPool
from i2v3d.execute.workspace import Workspaces
from i2v3d.plan.estimate import expected_seconds, path_lengths
from i2v3d.plan.resolve import Resolver
from i2v3d.store.builds import Builds
from i2v3d.store.local import LocalStore, store_error
from i2v3d.store.locks import store_lock

_PASSES = 4
_RECORDING_THREADS = 4


@dataclass(frozen=True)
class BuildOptions:
    """How to build; none of it may change what comes out.

    Attributes:
        out_dir: Where deliverables go (the scene's own folder); None delivers nothing.
        jobs: Cores to keep busy; all of them when None.
        memory_gb: Memory to use; all of it when None.
        keep_going: After a failed step, still run what does not need it.
        force: Node names or stage kinds to run even if up to date.
        retries: How often a step is tried again after an error that can pass by itself.
        retry_wait_s: Wait before the first retry; doubled for each further one.
        devices: Which devices models run on, and how much of their memory they may take.
        fast_path: What to remember for the next no-op, see `fastpath`; None remembers nothing.
        finishers: Called in turn after a build that succeeded and delivered, see `finished`.
        warm: Workers to use and to leave running; None starts some and ends them.
        cancellation: Ends this build from another thread.
    """

    out_dir: Path | None = None
    jobs: int | None = None
    memory_gb: float | None = None
    keep_going: bool = False
    force: tuple[str, ...] = ()
    retries: int = 2
    retry_wait_s: float = 0.5
    devices: DeviceOptions = field(default_factory=DeviceOptions)
    fast_path: FastPath | None = None
    finishers: tuple[Finisher, ...] = ()
    warm: WarmWorkers | None = None
    cancellation: Cancellation | None = None


@dataclass(frozen=True)
class BuildResult:
    """What a build came to.

    Attributes:
        delivered: Path of each deliverable in place, by its relative path.
        executed, reused: Steps that ran, and steps taken from the store.
        skipped: Steps that could not run, or were not reached, because of a failure.
        failures: Error by step; the build succeeded when there are none.
        seconds_by_stage: Work done now, by stage kind.
        log_dir: Folder with this build's events (`.jsonl`) and trace (`.trace.json`).
        number: Number of the build record, for `explain`.
        written: What the finishers left beside the deliverables.
    """

    delivered: Mapping[str, Path]
    executed: tuple[str, ...]
    reused: tuple[str, ...]
    skipped: tuple[str, ...]
    failures: Mapping[str, I2V3DError]
    seconds_by_stage: Mapping[str, float]
    log_dir: Path
    number: int
    written: tuple[Path, ...] = ()

    @property
    def is_success(self) -> bool:
        """Whether every step is done."""
        return not self.failures


def build(
    graph: StageGraph, store: LocalStore, options: BuildOptions, on_event: OnEvent = lambda event: None
) -> BuildResult:
    """Brings everything in the graph up to date, delivers it, and returns what was done.

    A failed step is in the result; what finished stays recorded, and the next build goes on from there.

    Raises:
        StoreError, UsageError: The store, a user's file or the output folder can't be used.
        GraphError: Params that can't be hashed, or deliverables that collide.
        KeyboardInterrupt: Passed on after every worker has ended.
        BuildCancelledError: It was asked to end, and every running step has.
    """
    forced = frozenset(graph.match(options.force))
    try:
        with ExitStack() as stack:
            if not stack.enter_context(store_lock(store.root / "store.lock", is_exclusive=False)):
                raise StoreError(f"{store.root}: the store is being cleaned", hint="build again in a moment")
            name = Builds(store.root / "builds").new_name(graph.scene)
            journal = stack.enter_context(Journal(name))
            workspaces = stack.enter_context(Workspaces(store))
            stack.callback(store.state.flush)
            return _Build(graph, store, options, BuildLog(graph, (journal.write, on_event))).run(
                workspaces, forced, name
            )
    except OSError as error:
        raise store_error(error, store.root) from error


@dataclass
class _Build:
    graph: StageGraph
    store: LocalStore
    options: BuildOptions
    log: BuildLog
    resolver: Resolver = field(init=False)

    def __post_init__(self) -> None:
        self.resolver = Resolver(self.graph, self.store)

    def run(self, workspaces: Workspaces, forced: frozenset[str], name: Path) -> BuildResult:
        options = self.options
        delivery = Delivery(self.graph, self.store, options.out_dir.absolute()) if options.out_dir else None
        devices = worker_devices(options.devices)
        budget = Budget(options.jobs, options.memory_gb, gpus=len(devices))
        self.resolver.prepare()
        if options.warm is not None:
            options.warm.check(self.resolver)
        expected = expected_seconds(self.graph, self.store)
        self.log.begin(expected, delivery)
        stop = threading.Event()
        workers = options.warm.pool if options.warm else WorkerPool(budget.jobs, devices)
        runner = StepRunner(
            self.store, workspaces, workers, stop=stop, retries=options.retries, retry_wait_s=options.retry_wait_s
        )
        priorities = path_lengths(self.graph, expected)
        threads = ThreadPoolExecutor(budget.jobs + _RECORDING_THREADS)
        try:
            for _ in range(_PASSES):
                scheduler = Scheduler(
                    self.resolver,
                    self.store,
                    runner,
                    watch=self.log.watch,
                    budget=budget,
                    priorities=priorities,
                    forced=forced,
                    keep_going=options.keep_going,
                )
                if options.cancellation is not None:
                    options.cancellation.bind(scheduler.cancel)
                result = scheduler.walk(threads)
                if result.failed or not result.has_changed_source:
                    break
                # Steps may have read different states of a file that changed: go over all of them again.
                forced = frozenset()
        finally:
            stop.set()
            workers.interrupt()
            threads.shutdown(wait=True, cancel_futures=True)
            if options.warm is None:
                workers.close()
            else:
                workers.resume()
        return self._finish(result, delivery, name)

    def _finish(self, result: PassResult, delivery: Delivery | None, name: Path) -> BuildResult:
        number = int(name.name)
        record = self.log.build_record(number, time.time(), self.resolver, result)
        Builds(self.store.root / "builds").write(record)
        if delivery is not None and not result.failed:
            delivery.finish()
        executed = tuple(self.log.executed)
        reused = tuple(step for step in result.reused if step not in self.log.executed)
        for step, seconds in self.log.seconds.items():
            self.store.state.set_duration(f"{self.graph.scene}/{step}", seconds)
            self.store.state.set_duration(f"stage/{self.graph.nodes[step].stage}", seconds)
        self.store.records.touch(result.records.values())
        self.store.state.flush()
        written: tuple[Path, ...] = ()
        if delivery is not None and not result.failed:
            written = self._written_by_finishers(result, delivery, number)
        if self.options.fast_path is not None and not result.failed:
            files = (*(delivery.files() if delivery else ()), *written)
            with suppress(OSError):  # a file went away meanwhile: the next no-op is only slower
                fast_path = self.options.fast_path.with_warnings(self.log.warnings)
                fast_path.remember(self.store, self.resolver, result.records, files)
        self.log.emit(events.BuildFinished(self.log.now(), len(executed), len(reused), len(result.failed)))
        return BuildResult(
            delivered={path: item.path for path, item in delivery.items.items()} if delivery else {},
            executed=executed,
            reused=reused,
            skipped=tuple(
                step for step in self.graph.nodes if step not in result.records and step not in result.failed
            ),
            failures=result.failed,
            seconds_by_stage=self.log.seconds_by_stage(),
            log_dir=name.parent,
            number=number,
            written=written,
        )

    def _written_by_finishers(self, result: PassResult, delivery: Delivery, number: int) -> tuple[Path, ...]:
        if not self.options.finishers:
            return ()
        finished = FinishedBuild(
            graph=self.graph,
            store=self.store,
            resolver=self.resolver,
            records=result.records,
            delivered={path: item.path for path, item in delivery.items.items()},
            events=tuple(self.log.events),
            out_dir=delivery.out_dir,
            number=number,
            placed=dict(delivery.placed),
        )
        return tuple(path for finisher in self.options.finishers for path in finisher(finished))
