"""What of a locked build would be made otherwise now: the first causes, field by field, not all that follows from them.

A step is compared by its own key, with the inputs that the lock names for it; so a step is named when its own code,
packages, parameters, backend, weights or source files changed, not because one before it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from i2v3d.compile.graph import StageGraph
from i2v3d.errors import I2V3DError
from i2v3d.plan.compare import Change, changes, step_now
from i2v3d.plan.manifest import InputEntry, Manifest, ModelEntry
from i2v3d.plan.resolve import UNKNOWN, Resolver
from i2v3d.store.builds import BuiltStep
from i2v3d.store.keys import StepBase

_SHOWN_STEPS = 3


@dataclass(frozen=True)
class Drifted:
    """One field that is not as locked, and the steps that it is a field of. why: in place of `change`, as text."""

    change: Change | None
    steps: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True)
class Drift:
    """How a graph differs from its lock.

    Attributes:
        fields: What differs, in the order of the steps.
        new: Steps that the lock does not have.
        gone: Steps that only the lock has.
        follows: How many more steps read from what differs.
    """

    fields: tuple[Drifted, ...] = ()
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    follows: int = 0

    def __bool__(self) -> bool:
        return bool(self.fields or self.new or self.gone)


def find_drift(graph: StageGraph, resolver: Resolver, lock: Manifest, *, is_part: bool = False) -> Drift:
    """Returns how a graph differs from its lock; nothing is run.

    Args:
        graph: What would be built now.
        resolver: Of this graph.
        lock: What was built.
        is_part: Whether the graph is only a part of its scene's, so that steps may be missing in it.
    """
    grouped: dict[tuple[Any, ...], list[str]] = {}
    kept: dict[tuple[Any, ...], Drifted] = {}
    for name in graph.nodes:
        if name in lock.steps:
            for found in _of_step(resolver, name, lock):
                # Producers and reads differ from step to step where the change itself is the same.
                change = found.change
                key = (found.why, *((change.field, change.old, change.new, change.origin) if change else ()))
                kept.setdefault(key, found)
                grouped.setdefault(key, []).append(name)
    fields = tuple(replace(found, steps=tuple(grouped[key])) for key, found in kept.items())
    new = tuple(name for name in graph.nodes if name not in lock.steps)
    gone = () if is_part else tuple(name for name in lock.steps if name not in graph.nodes)
    named = {*new, *(step for found in fields for step in found.steps)}
    return Drift(fields, new, gone, _following(graph, named))


def drift_of_models(now: Iterable[ModelEntry], lock: Manifest, roles: Iterable[str]) -> tuple[str, ...]:
    """Returns a line for each weight file of the same commit that is another file than the locked one."""
    locked, wanted = {model.role: model for model in lock.models}, frozenset(roles)
    found = []
    for model in now:
        before = locked.get(model.role)
        if model.role not in wanted or before is None or before.revision != model.revision:
            continue  # another commit or folder shows in the steps' keys
        both = sorted(set(before.files) & set(model.files))
        found += [
            f"weights of {model.role}: {name} {before.files[name][:12]} -> {model.files[name][:12]}"
            for name in both
            if before.files[name] != model.files[name]
        ]
    return tuple(found)


def drift_lines(drift: Drift, place: Callable[[str], str]) -> tuple[str, ...]:
    """Returns a line for each difference. place: turns a dotted spec path into `file:line:column`."""
    lines = []
    for found in drift.fields:
        if found.change is None:
            what = found.why
        else:
            what = f"{found.change}{_digests(found.change)}"
            if found.change.origin:
                what += f"  [{place(found.change.origin)}]"
        lines.append(f"{what}: {listed(found.steps)}")
    if drift.new:
        lines.append(f"not in the lock: {listed(drift.new)}")
    if drift.gone:
        lines.append(f"only in the lock: {listed(drift.gone)}")
    if drift.follows:
        lines.append(f"and {drift.follows} {'step that reads' if drift.follows == 1 else 'steps that read'} from these")
    return tuple(lines)


def listed(names: tuple[str, ...]) -> str:
    """Returns names as text, the middle of many left out."""
    if len(names) <= _SHOWN_STEPS:
        return ", ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more"


def _of_step(resolver: Resolver, name: str, lock: Manifest) -> list[Drifted]:
    try:
        now = step_now(resolver, name, {})
    except I2V3DError as error:  # a source file that is gone, a backend that is no longer there
        return [Drifted(None, (name,), error.message)]
    entry = lock.steps[name]
    now = _with_locked_inputs(now, entry.inputs)
    before = _as_built(name, lock, now)
    found = [Drifted(change, (name,)) for change in changes(before, now)]
    if not found and before.parts["code"] != now.parts["code"]:
        found.append(Drifted(None, (name,), "the code imports other modules"))
    key = StepBase({k: v for k, v in now.parts.items() if k != "inputs"}).with_inputs(now.parts["inputs"]).digest
    if not found and key != entry.key:
        found.append(Drifted(None, (name,), "the key is another, though nothing named here differs; was it edited?"))
    return found


def _with_locked_inputs(now: BuiltStep, locked: Mapping[str, InputEntry | tuple[InputEntry, ...] | None]) -> BuiltStep:
    """Returns a step whose inputs from other steps are what the lock says they were."""
    inputs: dict[str, Any] = {}
    for field, content in now.parts["inputs"].items():
        known = {entry.source: entry.digest for entry in _entries(locked.get(field))}
        reads = now.reads.get(field, [])
        if isinstance(content, list):
            inputs[field] = [
                known.get(read, UNKNOWN) if one == UNKNOWN else one for one, read in zip(content, reads, strict=True)
            ]
        else:
            inputs[field] = known.get(reads[0], UNKNOWN) if content == UNKNOWN else content
    return replace(now, parts={**now.parts, "inputs": inputs})


def _as_built(name: str, lock: Manifest, now: BuiltStep) -> BuiltStep:
    """Returns a locked step as the record of a build would have it."""
    entry = lock.steps[name]
    stage = lock.stages[entry.stage]
    inputs = {
        field: value.digest if isinstance(value, InputEntry) else None if value is None else [e.digest for e in value]
        for field, value in entry.inputs.items()
    }
    parts = {
        "schema": lock.key_schema,
        "stage": entry.stage.partition("/")[0],
        "version": stage.version,
        "code": stage.code,
        "backend": None if stage.backend is None else [stage.backend, stage.backend_version],
        "tools": stage.tools,
        "params": entry.params,
        "inputs": inputs,
    }
    code = {module: lock.code[module] for module in now.code if module in lock.code}
    return BuiltStep("reused", entry.key, entry.base, parts, code=code)


def _entries(value: InputEntry | tuple[InputEntry, ...] | None) -> tuple[InputEntry, ...]:
    if isinstance(value, InputEntry):
        return (value,)
    return value or ()


def _digests(change: Change) -> str:
    """Returns the two digests of what a person can't read otherwise."""
    is_code, is_input = change.field.startswith("code "), change.field.startswith("input ")
    return (
        f" ({change.old} -> {change.new})" if is_code or (is_input and UNKNOWN not in (change.old, change.new)) else ""
    )


def _following(graph: StageGraph, named: set[str]) -> int:
    reached = set(named)
    for name in graph.nodes:  # each after those it reads from
        if reached.intersection(graph.producers(name)):
            reached.add(name)
    return len(reached) - len(named)
