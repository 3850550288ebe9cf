"""Turns what the scheduler tells into events, and into the record of the build."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Mapping

from i2v3d.compile.graph import StageGraph
from i2v3d.errors import I2V3DError
from i2v3d.execute import events
from i2v3d.execute.deliver import Delivery
from i2v3d.execute.events import Event, OnEvent
from i2v3d.execute.schedule import PassResult, Watch
from i2v3d.plan.compare import step_now
from i2v3d.plan.resolve import Resolver
from i2v3d.store.builds import BuildRecord, Status
from i2v3d.store.records import ActionRecord


class BuildLog:
    """The story of one build.

    Attributes:
        executed: Steps that ran, in the order in which they ended.
        seconds: How long each of them ran.
        warnings: What each step had to tell (see `ActionRecord`), those that were reused too.
        events: What was told so far, progress within steps left out.
        watch: What the scheduler tells.
    """

    def __init__(self, graph: StageGraph, listeners: tuple[OnEvent, ...]) -> None:
        self._graph = graph
        self._listeners = listeners
        self._began = time.perf_counter()
        self._expected: Mapping[str, float] = {}
        self._delivery: Delivery | None = None
        self._lanes: dict[str, int] = {}
        self.executed: dict[str, None] = {}
        self.seconds: dict[str, float] = {}
        self.events: list[Event] = []
        self.warnings: dict[str, tuple[tuple[str, str], ...]] = {}
        self.watch = Watch(
            started=self._started,
            progress=lambda step, share, message: self.emit(events.StepProgress(step, self.now(), share, message)),
            finished=self._finished,
            reused=self._reused,
            failed=self._failed,
            skipped=self._skipped,
        )

    def now(self) -> float:
        """Returns seconds since the build began."""
        return time.perf_counter() - self._began

    def emit(self, event: Event) -> None:
        """Tells every listener."""
        if not isinstance(event, events.StepProgress):
            self.events.append(event)
        for listener in self._listeners:
            listener(event)

    def begin(self, expected: Mapping[str, float], delivery: Delivery | None) -> None:
        """Tells that the build begins; from now on finished steps are delivered."""
        self._expected = expected
        self._delivery = delivery
        total = sum(expected.values()) if len(expected) == len(self._graph.nodes) else None
        self.emit(events.BuildStarted(self._graph.scene, len(self._graph.nodes), time.time(), total))

    def seconds_by_stage(self) -> Mapping[str, float]:
        """Returns the seconds of work done now, by stage kind."""
        sums: dict[str, float] = defaultdict(float)
        for step, seconds in self.seconds.items():
            sums[self._stage(step)] += seconds
        return dict(sums)

    def build_record(self, number: int, at_s: float, resolver: Resolver, result: PassResult) -> BuildRecord:
        """Returns the record of this build."""
        steps = {}
        for name in self._graph.nodes:
            record = result.records.get(name)
            status: Status = "failed" if record is None else "executed" if name in self.executed else "reused"
            if record is None and name not in result.failed:
                continue  # not reached; what it would have read is not known
            steps[name] = dataclasses.replace(
                step_now(resolver, name, result.records),
                status=status,
                key=record.key if record else "",
                seconds=self.seconds.get(name, 0.0),
            )
        return BuildRecord(number, self._graph.scene, at_s, steps)

    def _stage(self, step: str) -> str:
        return self._graph.nodes[step].stage

    def _started(self, step: str) -> None:
        lane = next(lane for lane in range(1, len(self._lanes) + 2) if lane not in self._lanes.values())
        self._lanes[step] = lane
        self.emit(events.StepStarted(step, self._stage(step), self.now(), lane, self._expected.get(step)))

    def _finished(self, step: str, record: ActionRecord) -> None:
        self.executed[step] = None
        self.seconds[step] = record.seconds
        lane = self._lanes.pop(step, 0)
        self.emit(events.StepFinished(step, self._stage(step), self.now(), record.seconds, lane))
        self._warn(step, record)
        self._deliver(step, record)

    def _reused(self, step: str, record: ActionRecord) -> None:
        self._lanes.pop(step, None)
        self.emit(events.StepReused(step, self._stage(step), self.now()))
        self._warn(step, record)
        self._deliver(step, record)

    def _failed(self, step: str, error: I2V3DError, will_retry: bool) -> None:
        if not will_retry:
            self._lanes.pop(step, None)
        self.emit(events.StepFailed(step, self._stage(step), self.now(), error, will_retry))

    def _skipped(self, step: str, because_of: str) -> None:
        self.emit(events.StepSkipped(step, self._stage(step), self.now(), because_of))

    def _warn(self, step: str, record: ActionRecord) -> None:
        if self.warnings.get(step) != record.warnings:  # a second pass over the graph says nothing again
            self.warnings[step] = record.warnings
            for message, field in record.warnings:
                spec_path = self._graph.nodes[step].blamed(field)
                self.emit(events.StepWarned(step, self._stage(step), self.now(), message, spec_path))

    def _deliver(self, step: str, record: ActionRecord) -> None:
        if self._delivery is not None:
            for item in self._delivery.place(step, record):
                self.emit(events.Delivered(item.path, self.now(), item.is_new))
