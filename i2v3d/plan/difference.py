"""Which steps one scene costs when another is built, without building either.

A step is shared when it follows from the same (`lineage`), or when the store already knows that both read
equal content. One whose own part of the key is new will run; any other may, when what it reads changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from i2v3d.compile.graph import StageGraph, references
from i2v3d.errors import ArtifactError
from i2v3d.plan.estimate import expected_seconds
from i2v3d.plan.lineage import lineages
from i2v3d.plan.resolve import Resolver
from i2v3d.stages.base import OutputRef
from i2v3d.store.local import LocalStore
from i2v3d.store.records import ActionRecord

StepState = Literal["shared", "same", "differs", "may_differ"]
# Whether a read of this slice of an output is expected to be unchanged although its producer's work differs.
IsUnchanged = Callable[[OutputRef], bool]


@dataclass(frozen=True)
class ComparedStep:
    """A step of the second scene, held against the first.

    Attributes:
        state: `shared` with the first; `same` (expected to be: it reads frames that do not change);
            `differs` for certain; `may_differ`, when what it reads does.
        is_stored: Its result is in the store, so it would not run.
        expected_s: How long it takes when it runs, None when not known.
    """

    name: str
    stage: str
    state: StepState
    is_stored: bool
    expected_s: float | None


@dataclass(frozen=True)
class StepsDifference:
    """steps: of the second scene, in graph order. gone: steps of the first whose work the second has no use for."""

    steps: tuple[ComparedStep, ...]
    gone: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether both scenes do the same work."""
        return not self.gone and all(step.state == "shared" for step in self.steps)


def compare_steps(
    old: StageGraph, new: StageGraph, store: LocalStore, is_unchanged: IsUnchanged = lambda reference: False
) -> StepsDifference:
    """Returns what the second graph does that the first does not.

    Raises:
        GraphError: Params that can't be hashed.
        UsageError: A user's file can't be read.
    """
    before, after = _Known(old, store), _Known(new, store)
    expected = expected_seconds(new, store)
    states: dict[str, StepState] = {}
    for name in new.nodes:
        states[name] = _state(name, new, before, after, states, is_unchanged)
    steps = tuple(
        ComparedStep(name, node.stage, states[name], name in after.records, expected.get(name))
        for name, node in new.nodes.items()
    )
    gone = tuple(
        name
        for name, lineage in before.lineages.items()
        if lineage not in after.all_lineages
        and before.keys.get(name) not in after.all_keys
        and states.get(name) not in ("shared", "same")
    )
    return StepsDifference(steps, gone)


class _Known:
    """What is known of a graph: lineages, bases, and the keys and records that the store has."""

    def __init__(self, graph: StageGraph, store: LocalStore) -> None:
        resolver = Resolver(graph, store)
        self.lineages: Mapping[str, str] = lineages(graph, store)
        self.bases = {name: resolver.base(name).digest for name in graph.nodes}
        self.names_of: dict[str, list[str]] = {}
        for name, base in self.bases.items():
            self.names_of.setdefault(base, []).append(name)
        self.keys: dict[str, str] = {}
        self.records: dict[str, ActionRecord] = {}
        for name in graph.nodes:
            if any(producer not in self.records for producer in graph.producers(name)):
                continue
            try:
                key = resolver.key(name, resolver.inputs(name, self.records))
            except ArtifactError:  # a slice past the end: running the step will say so
                continue
            self.keys[name] = key.digest
            record = store.records.find(key)
            if record is not None and store.is_whole(record):
                self.records[name] = record
        self.all_lineages, self.all_keys = set(self.lineages.values()), set(self.keys.values())


def _state(
    name: str,
    graph: StageGraph,
    before: _Known,
    after: _Known,
    states: Mapping[str, StepState],
    is_unchanged: IsUnchanged,
) -> StepState:
    key = after.keys.get(name)
    if after.lineages[name] in before.all_lineages or key in before.all_keys:
        return "shared"
    alike = before.names_of.get(after.bases[name], [])
    if not alike or (key is not None and all(other in before.keys for other in alike)):
        return "differs"
    reads = [ref for _, ref in references(graph.nodes[name]) if isinstance(ref, OutputRef)]
    changing = [ref for ref in reads if states[ref.node] in ("differs", "may_differ")]
    return "same" if name in alike and all(map(is_unchanged, changing)) else "may_differ"
