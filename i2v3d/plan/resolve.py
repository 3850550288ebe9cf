"""From a node to its key: what it reads, by content. Shared by planning and running, so they can't disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from i2v3d.artifacts.base import Sequence
from i2v3d.backends.catalog import find_backend
from i2v3d.compile.graph import StageGraph, references
from i2v3d.errors import ArtifactError, GraphError
from i2v3d.stages.base import FieldType, InputRef, OutputRef, SourceFile
from i2v3d.store.canonical import to_canonical
from i2v3d.store.code import CodeDigest, CodeDigests
from i2v3d.store.keys import KEY_SCHEMA, StepBase, StepKey
from i2v3d.store.local import LocalStore
from i2v3d.store.outputs import StoredOutput
from i2v3d.store.records import ActionRecord
from i2v3d.store.sources import Sources
from i2v3d.store.tools import ToolVersions

UNKNOWN = "?"

Results = Mapping[str, ActionRecord]


@dataclass(frozen=True)
class SourceInput:
    """A user's file that a step reads."""

    path: Path
    content: str


@dataclass(frozen=True)
class StoredInput:
    """An output, or a slice of one, that a step reads. suffix: that of the input's type."""

    output: StoredOutput
    suffix: str

    @property
    def content(self) -> str:
        """The content digest."""
        return self.output.content


Resolved = SourceInput | StoredInput
ResolvedInputs = Mapping[str, Resolved | tuple[Resolved, ...] | None]


class Resolver:
    """Keys of the nodes of one graph, given the results of the nodes they read from."""

    def __init__(self, graph: StageGraph, store: LocalStore) -> None:
        self.graph = graph
        self.sources = Sources(store.state)
        self._codes = CodeDigests(store.state)
        self._tools = ToolVersions(store.state)
        self._bases: dict[str, StepBase] = {}
        self._stage_parts: dict[tuple[str, str | None], Mapping[str, object]] = {}
        self._slices: dict[tuple[OutputRef, str], StoredOutput] = {}

    def code(self, name: str) -> CodeDigest:
        """Returns the digest of the code behind a node."""
        from i2v3d.resources import templates_dir

        node, stage = self.graph.nodes[name], self.graph.stage_of(name)
        modules = [stage.module]
        if node.backend is not None:
            modules.append(find_backend(stage.kind, node.backend).target.partition(":")[0])
        code = self._codes.digest(modules, [templates_dir() / folder for folder in stage.templates])
        if not stage.templates and "i2v3d.resources" in code.parts:
            # Code that asks where the templates are reads some; backends can't name theirs.
            return self._codes.digest(modules, [templates_dir() / "bpy"])
        return code

    def base(self, name: str) -> StepBase:
        """Returns the part of a node's key that is known before anything runs.

        Raises:
            GraphError: Its params hold something that can't be hashed.
        """
        if name not in self._bases:
            node = self.graph.nodes[name]
            try:
                params = to_canonical(node.params)
            except GraphError as error:
                raise GraphError(f"{name}: {error.message}", hint=error.hint) from error
            self._bases[name] = StepBase({**self._shared_parts(name), "params": params})
        return self._bases[name]

    def inputs(self, name: str, results: Results) -> ResolvedInputs:
        """Returns what a node reads; every node it reads from must be in `results`.

        Raises:
            ArtifactError: A slice reaches past the end of its sequence.
            UsageError: A user's file can't be read.
        """
        node, stage = self.graph.nodes[name], self.graph.stage_of(name)
        resolved: dict[str, Resolved | tuple[Resolved, ...] | None] = {}
        for field in stage.inputs:
            value = node.inputs.get(field.name)
            if isinstance(value, tuple):
                resolved[field.name] = tuple(self._resolve(reference, field, results) for reference in value)
            else:
                resolved[field.name] = None if value is None else self._resolve(value, field, results)
        return resolved

    def key(self, name: str, inputs: ResolvedInputs) -> StepKey:
        """Returns a node's key, given what it reads."""
        return self.base(name).with_inputs({field: _content(value) for field, value in inputs.items()})

    def known_inputs(self, name: str, results: Results) -> dict[str, str | list[str] | None]:
        """Returns what a node reads by content, `UNKNOWN` for what is not made yet."""
        node = self.graph.nodes[name]
        known: dict[str, str | list[str] | None] = {}
        for field in self.graph.stage_of(name).inputs:
            value = node.inputs.get(field.name)
            if isinstance(value, tuple):
                known[field.name] = [self._known(reference, field, results) for reference in value]
            else:
                known[field.name] = None if value is None else self._known(value, field, results)
        return known

    def prepare(self) -> None:
        """Reads all code and every user's file of the graph now.

        So what is wrong shows before anything runs, and no worker can have loaded other code than what
        is in a key: whatever is edited from here on no longer has the stamp it was read with.

        Raises:
            GraphError: Params that can't be hashed, or code that is not Python.
            UsageError: A user's file can't be read.
        """
        for name in self.graph.nodes:
            self.base(name)
            for path in self.source_paths(name):
                self.sources.digest(path)

    def source_paths(self, name: str) -> tuple[Path, ...]:
        """Returns the users' files that a node reads."""
        return tuple(ref.path for _, ref in references(self.graph.nodes[name]) if isinstance(ref, SourceFile))

    def _shared_parts(self, name: str) -> Mapping[str, object]:
        node, stage = self.graph.nodes[name], self.graph.stage_of(name)
        known = (node.stage, node.backend)
        if known not in self._stage_parts:
            code = self.code(name)
            backend = None if node.backend is None else find_backend(stage.kind, node.backend)
            self._stage_parts[known] = {
                "schema": KEY_SCHEMA,
                "stage": stage.kind,
                "version": stage.version,
                "code": code.digest,
                "backend": [backend.id, backend.version] if backend else None,
                "tools": self._tools.versions(code.foreign, (*stage.requires, *(backend.requires if backend else ()))),
            }
        return self._stage_parts[known]

    def _known(self, reference: InputRef, field: FieldType, results: Results) -> str:
        if isinstance(reference, OutputRef) and reference.node not in results:
            return UNKNOWN
        try:
            return self._resolve(reference, field, results).content
        except ArtifactError:  # a slice past the end: running the step will say so
            return UNKNOWN

    def _resolve(self, reference: InputRef, field: FieldType, results: Results) -> Resolved:
        if isinstance(reference, SourceFile):
            return SourceInput(reference.path, self.sources.digest(reference.path).content)
        assert field.artifact is not None  # the graph's checks let only SourceFile feed a `Path` field
        output = results[reference.node].outputs.get(reference.output)
        if output is None:
            raise ArtifactError(f"{reference.node} gave no `{reference.output}` this time")
        if reference.start is not None or reference.stop is not None:
            output = self._slice(reference, output)
            if not issubclass(field.artifact, Sequence):
                (output,) = output.items
        return StoredInput(output, field.artifact.suffix)

    def _slice(self, reference: OutputRef, output: StoredOutput) -> StoredOutput:
        known = (reference, output.content)
        if known not in self._slices:
            (field,) = (f for f in self.graph.stage_of(reference.node).outputs if f.name == reference.output)
            assert field.artifact is not None and issubclass(field.artifact, Sequence)
            self._slices[known] = output.slice(reference.start, reference.stop, field.artifact.item_type.suffix)
        return self._slices[known]


def _content(value: Resolved | tuple[Resolved, ...] | None) -> str | list[str] | None:
    if isinstance(value, tuple):
        return [item.content for item in value]
    return None if value is None else value.content
