"""Why a step runs, or ran: every changed field of its key, and the first cause upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from i2v3d.compile.graph import StageGraph
from i2v3d.errors import UsageError
from i2v3d.plan.compare import Change, changes, step_now
from i2v3d.plan.make import make_plan
from i2v3d.plan.resolve import Resolver
from i2v3d.store.builds import BuildRecord, Builds, BuiltStep
from i2v3d.store.local import LocalStore
from i2v3d.store.records import ActionRecord

Outcome = Literal["up_to_date", "will_run", "may_run", "executed", "reused", "failed"]


@dataclass(frozen=True)
class Cause:
    """Where a change began: a field of this step's own, or (without `change`) the step itself.

    Attributes:
        note: Why the step itself is the cause (`never built`), empty when `change` says it.
    """

    step: str
    change: Change | None
    note: str = ""


@dataclass(frozen=True)
class Explanation:
    """Why a step runs or ran.

    Attributes:
        outcome: What is to become of it, or what became of it.
        compared_with: Number of the earlier build, None when the step was in none.
        changes: Every changed field of its key against that build.
        causes: Where these changes began, upstream or here.
        reasons: What the plan says; empty for a past build.
    """

    step: str
    outcome: Outcome
    compared_with: int | None
    changes: tuple[Change, ...]
    causes: tuple[Cause, ...]
    reasons: tuple[str, ...] = ()


def explain(graph: StageGraph, store: LocalStore, step: str) -> Explanation:
    """Returns why `step` would run or not, against the last build that had it.

    Raises:
        UsageError: There is no such step.
        UsageError: A user's file can't be read.
    """
    (name,) = graph.match([step])[:1]
    plan = make_plan(graph, store)
    resolver = Resolver(graph, store)
    records: dict[str, ActionRecord] = {}
    for known in plan.names("up_to_date"):
        record = store.records.find(resolver.key(known, resolver.inputs(known, records)))
        assert record is not None  # the plan has just seen it
        records[known] = record
    now = {node: step_now(resolver, node, records) for node in graph.nodes}
    last = _last_with(store, graph.scene, name, None)
    planned = plan.steps[name]
    return _explanation(name, planned.status, now, last, planned.reasons)


def explain_past(store: LocalStore, scene: str, step: str, number: int) -> Explanation:
    """Returns why `step` ran or not in a past build, against the build before it.

    Raises:
        UsageError: That build is not kept, or had no such step.
    """
    builds = Builds(store.root / "builds")
    record = builds.read(scene, number)
    if record is None:
        kept = ", ".join(map(str, builds.numbers(scene))) or "none"
        raise UsageError(f"build {number} of {scene} is not kept", hint=f"kept: {kept}")
    if step not in record.steps:
        found = [name for name in record.steps if name.partition("[")[0] == step]
        if not found:
            raise UsageError(f"build {number} of {scene} had no step `{step}`")
        step = found[0]
    outcome = record.steps[step].status
    assert outcome != "planned"  # only steps that were reached are recorded
    return _explanation(step, outcome, record.steps, _last_with(store, scene, step, number), ())


def _explanation(
    step: str,
    outcome: Outcome,
    now: Mapping[str, BuiltStep],
    before: BuildRecord | None,
    reasons: tuple[str, ...],
) -> Explanation:
    if before is None:
        note = Cause(step, None, "never built before")
        return Explanation(step, outcome, None, (), (note,) if outcome != "up_to_date" else (), reasons)
    found = changes(before.steps[step], now[step])
    causes = dict.fromkeys(_causes(step, now, before.steps, set()))
    return Explanation(step, outcome, before.number, found, tuple(causes), reasons)


def _causes(step: str, now: Mapping[str, BuiltStep], before: Mapping[str, BuiltStep], seen: set[str]) -> list[Cause]:
    if step in seen:
        return []
    seen.add(step)
    if step not in before:
        return [Cause(step, None, "new in this build")]
    if step not in now:
        return []
    causes: list[Cause] = []
    for change in changes(before[step], now[step]):
        upstream = [producer for producer in change.producers if producer]
        if not upstream:
            causes.append(Cause(step, change))
        for producer in upstream:
            if producer not in now:
                causes.append(Cause(step, change))
                continue
            found = _causes(producer, now, before, seen)
            is_same = producer in before and not changes(before[producer], now[producer])
            causes += found or (
                [Cause(producer, None, "its stored result is missing, damaged or was made anew")] if is_same else []
            )
    return causes


def _last_with(store: LocalStore, scene: str, step: str, before: int | None) -> BuildRecord | None:
    builds = Builds(store.root / "builds")
    for number in reversed(builds.numbers(scene)):
        if before is None or number < before:
            record = builds.read(scene, number)
            if record is not None and step in record.steps:
                return record
    return None
