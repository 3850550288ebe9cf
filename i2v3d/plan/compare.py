"""What differs between a step now and the same step in an earlier build, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from i2v3d.compile.graph import references
from i2v3d.plan.resolve import UNKNOWN, Resolver, Results
from i2v3d.stages.base import InputRef, Node, OutputRef, SourceFile
from i2v3d.store.builds import BuiltStep
from i2v3d.store.canonical import leaves

_SHOWN_DIGITS = 12
_NOTHING = "(none)"


@dataclass(frozen=True)
class Change:
    """One field of a step's key that is not what it was.

    Attributes:
        field: `params.samples`, `input photo`, `code i2v3d.stages.render`, `tool numpy`, `backend`, `stage version`.
        old, new: As text; digests are shortened.
        origin: Dotted spec path that the field came from, empty when none is known.
        producers: The nodes whose changed outputs it is; an empty name stands for a user's file.
        reads: What it reads, as text.
    """

    field: str
    old: str
    new: str
    origin: str = ""
    producers: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.field.startswith("input "):
            of = f" ({_shortened(self.reads)})" if self.reads else ""
            return f"{self.field}{of} {'may change' if self.new == UNKNOWN else 'changed'}"
        if self.field.startswith("code "):
            return f"{self.field} changed"
        return f"{self.field} {self.old} -> {self.new}"


def step_now(resolver: Resolver, name: str, results: Results) -> BuiltStep:
    """Returns a step as a build would record it, with what is known of its inputs."""
    node, base = resolver.graph.nodes[name], resolver.base(name)
    reads: dict[str, list[str]] = {}
    producers: dict[str, list[str]] = {}
    for field, reference in references(node):
        reads.setdefault(field, []).append(_shown(reference))
        producers.setdefault(field, []).append(reference.node if isinstance(reference, OutputRef) else "")
    return BuiltStep(
        status="planned",
        key="",
        base=base.digest,
        parts={**base.parts, "inputs": resolver.known_inputs(name, results)},
        reads=reads,
        producers=producers,
        origins=_origins(node),
        code=resolver.code(name).parts,
    )


def changes(old: BuiltStep, new: BuiltStep) -> tuple[Change, ...]:
    """Returns every changed field of a step's key: the stage first, then params, then inputs."""
    before, after = old.parts, new.parts
    found: list[Change] = []
    if before["stage"] != after["stage"]:
        found.append(Change("stage", before["stage"], after["stage"]))
    if before["version"] != after["version"]:
        found.append(Change("stage version", str(before["version"]), str(after["version"])))
    if before["schema"] != after["schema"]:
        found.append(Change("key schema", str(before["schema"]), str(after["schema"])))
    if before["code"] != after["code"]:
        found += [
            Change(f"code {name}", was[:_SHOWN_DIGITS], now[:_SHOWN_DIGITS])
            for name, was, now in _differing(old.code, new.code)
        ]
    if before["backend"] != after["backend"]:
        found.append(
            Change("backend", _backend(before["backend"]), _backend(after["backend"]), _origin(new, "backend"))
        )
    found += [Change(f"tool {name}", was, now) for name, was, now in _differing(before["tools"], after["tools"])]
    found += _params_changes(old, new)
    found += _input_changes(old, new)
    return tuple(found)


def _params_changes(old: BuiltStep, new: BuiltStep) -> list[Change]:
    before, after = leaves(old.parts["params"], "params"), leaves(new.parts["params"], "params")
    found = []
    for path in dict.fromkeys([*after, *before]):
        was, now = before.get(path, _NOTHING), after.get(path, _NOTHING)
        # Compared with their types: 1, 1.0 and True are three things in a key.
        if (type(was), was) != (type(now), now):
            field = path.removeprefix("params.").partition(".")[0].partition("[")[0]
            found.append(Change(path, _plain(was), _plain(now), _origin(new, field)))
    return found


def _input_changes(old: BuiltStep, new: BuiltStep) -> list[Change]:
    before, after = old.parts.get("inputs", {}), new.parts.get("inputs", {})
    found = []
    for field in dict.fromkeys([*after, *before]):
        was, now = _as_list(before.get(field)), _as_list(after.get(field))
        if was == now:
            continue
        differing = [index for index, content in enumerate(now) if index >= len(was) or was[index] != content]
        producers, reads = new.producers.get(field, []), new.reads.get(field, [])
        is_open = bool(differing) and all(now[index] == UNKNOWN for index in differing) and len(was) == len(now)
        found.append(
            Change(
                f"input {field}",
                _content(was),
                UNKNOWN if is_open else _content(now),
                _origin(new, field),
                tuple(dict.fromkeys(producers[index] for index in differing if index < len(producers))),
                tuple(dict.fromkeys(reads[index] for index in differing if index < len(reads))),
            )
        )
    return found


def _differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = sorted({*before, *after})
    return [
        (name, before.get(name, _NOTHING), after.get(name, _NOTHING))
        for name in names
        if before.get(name) != after.get(name)
    ]


def _origins(node: Node) -> Mapping[str, str]:
    files = {field: ref.spec_path for field, ref in references(node) if isinstance(ref, SourceFile) and ref.spec_path}
    return {**files, **node.origins}


def _origin(step: BuiltStep, field: str) -> str:
    return step.origins.get(field, "")


def _as_list(content: Any) -> list[str]:
    if isinstance(content, list):
        return content
    return [] if content is None else [content]


def _content(contents: list[str]) -> str:
    if len(contents) == 1:
        return contents[0].removeprefix("folder:")[:_SHOWN_DIGITS]
    return f"{len(contents)} items" if contents else _NOTHING


def _backend(backend: list[Any] | None) -> str:
    return _NOTHING if backend is None else f"{backend[0]} (version {backend[1]})"


def _plain(value: Any) -> str:
    return value if value is _NOTHING else repr(value)


def _shortened(texts: tuple[str, ...]) -> str:
    return ", ".join(texts) if len(texts) <= 3 else f"{texts[0]}, {texts[1]} and {len(texts) - 2} more"


def _shown(reference: InputRef) -> str:
    if isinstance(reference, SourceFile):
        return reference.path.name
    if reference.start is None and reference.stop is None:
        return f"{reference.node}.{reference.output}"
    stop = "" if reference.stop is None else reference.stop
    return f"{reference.node}.{reference.output}[{reference.start or 0}:{stop}]"
