"""Which steps would run, and why. Nothing is run and nothing is written but digests of what was read.

A plan is never wrong in either direction: a step called up to date does not run, one that will run
does, and where the result of another step decides, the step is one that *may* run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from i2v3d.compile.graph import StageGraph
from i2v3d.errors import ArtifactError
from i2v3d.plan.compare import changes, step_now
from i2v3d.plan.estimate import expected_seconds
from i2v3d.plan.resolve import Resolver
from i2v3d.store.builds import BuildRecord, Builds
from i2v3d.store.local import LocalStore
from i2v3d.store.records import ActionRecord

# A build may have been of a part of the graph only, so a step is looked for in several.
_COMPARED_BUILDS = 5

Status = Literal["up_to_date", "will_run", "may_run"]


@dataclass(frozen=True)
class PlannedStep:
    """What is to become of one step.

    Attributes:
        reasons: Why it will or may run, one short text each; empty when up to date.
        waits_for: For a step that may run: the steps whose results decide.
        expected_s: How long it takes when it runs, or None when its stage never ran in this store.
    """

    name: str
    stage: str
    status: Status
    reasons: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    expected_s: float | None = None


@dataclass(frozen=True)
class Plan:
    """What is to become of every step of a graph, in graph order."""

    scene: str
    steps: Mapping[str, PlannedStep]

    def names(self, status: Status) -> tuple[str, ...]:
        """Returns the steps with this status."""
        return tuple(step.name for step in self.steps.values() if step.status == status)

    @property
    def is_up_to_date(self) -> bool:
        """Whether a build would run nothing."""
        return all(step.status == "up_to_date" for step in self.steps.values())

    def expected_s(self, *statuses: Status) -> float | None:
        """Returns seconds of work of the steps with these statuses; None when one of them is unknown."""
        seconds = [step.expected_s for step in self.steps.values() if step.status in statuses]
        return None if None in seconds else sum(second for second in seconds if second is not None)


def make_plan(graph: StageGraph, store: LocalStore, force: Iterable[str] = ()) -> Plan:
    """Returns the plan of a build of this graph now.

    Args:
        graph: What to build.
        store: Where results are looked up.
        force: Node names or stage kinds that run even if up to date.

    Raises:
        GraphError: Params that can't be hashed, or an unknown name in `force`.
        UsageError: A user's file can't be read.
    """
    plan = _Planner(graph, store, frozenset(graph.match(force))).plan()
    store.state.flush()
    return plan


class _Planner:
    def __init__(self, graph: StageGraph, store: LocalStore, forced: frozenset[str]) -> None:
        self._graph = graph
        self._store = store
        self._forced = forced
        self._resolver = Resolver(graph, store)
        self._expected = expected_seconds(graph, store)
        self._records: dict[str, ActionRecord] = {}
        self._first_with_key: dict[str, str] = {}
        self._base_counts = Counter(self._resolver.base(name).digest for name in graph.nodes)
        self._bases_in_store: dict[str, bool] = {}

    @cached_property
    def _past(self) -> list[BuildRecord]:
        return list(Builds(self._store.root / "builds").latest(self._graph.scene, _COMPARED_BUILDS))

    def plan(self) -> Plan:
        return Plan(self._graph.scene, {name: self._step(name) for name in self._graph.nodes})

    def _step(self, name: str) -> PlannedStep:
        unknown = tuple(producer for producer in self._graph.producers(name) if producer not in self._records)
        if unknown:
            return self._step_that_waits(name, unknown)
        try:
            key = self._resolver.key(name, self._resolver.inputs(name, self._records))
        except ArtifactError as error:  # a slice past the end; running the step will fail
            return self._planned(name, "will_run", (error.message,))
        record = None if name in self._forced else self._store.records.find(key)
        if record is not None and self._store.is_whole(record):
            self._records[name] = record
            return self._planned(name, "up_to_date")
        twin = self._first_with_key.setdefault(key.digest, name)
        if twin != name:
            return self._planned(name, "may_run", (f"does the same work as {twin}",), (twin,))
        return self._planned(name, "will_run", self._reasons(name))

    def _step_that_waits(self, name: str, unknown: tuple[str, ...]) -> PlannedStep:
        if name in self._forced:
            return self._planned(name, "will_run", ("forced",))
        base = self._resolver.base(name).digest
        # Whatever it will read: it can only be found in the store, or done by another step of this
        # build, under a key with the same base.
        if self._base_counts[base] == 1 and not self._has_base(base):
            return self._planned(name, "will_run", self._reasons(name))
        # Steps that were never built may still turn out to do the same work as each other.
        new = "" if self._has_base(base) else "never built like this; "
        return self._planned(name, "may_run", (f"{new}waits for {_listed(unknown)}",), unknown)

    def _has_base(self, base: str) -> bool:
        if base not in self._bases_in_store:
            self._bases_in_store[base] = self._store.records.has_base(base)
        return self._bases_in_store[base]

    def _planned(
        self, name: str, status: Status, reasons: tuple[str, ...] = (), waits_for: tuple[str, ...] = ()
    ) -> PlannedStep:
        stage = self._graph.nodes[name].stage
        return PlannedStep(name, stage, status, reasons, waits_for, self._expected.get(name))

    def _reasons(self, name: str) -> tuple[str, ...]:
        if name in self._forced:
            return ("forced",)
        before = next((build.steps[name] for build in self._past if name in build.steps), None)
        if before is None:
            return ("never built",)
        found = changes(before, step_now(self._resolver, name, self._records))
        if found:
            return tuple(str(change) for change in found)
        return ("failed last time",) if before.status == "failed" else ("its stored result is missing or damaged",)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"
