"""What must hold of the nodes of a graph before anything runs: names, fields, types, slices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from i2v3d.artifacts.base import Artifact, Sequence
from i2v3d.errors import GraphError
from i2v3d.stages.base import FieldType, Node, OutputRef, SourceFile, Stage

if TYPE_CHECKING:
    from i2v3d.backends.catalog import Backend


def check_nodes(nodes: Mapping[str, Node], stages: Mapping[str, Stage]) -> None:
    """Checks every node against its stage and against the nodes it reads from.

    Raises:
        GraphError: Something does not fit; the message names node and field.
        MissingBackendError: A node asks for a backend that does not exist.
    """
    for node in nodes.values():
        stage = stages.get(node.stage)
        if stage is None:
            raise GraphError(f"{node.name}: no stage is called `{node.stage}`")
        if type(node.params) is not stage.params_type:
            raise GraphError(
                f"{node.name}: params are {type(node.params).__name__}, stage {stage.kind} takes "
                f"{stage.params_type.__qualname__}"
            )
        _check_backend(node, stage)
        _check_fields(node, stage)
        for field in stage.inputs:
            for reference in _as_tuple(node, field):
                _check_reference(node, field, reference, nodes, stages)


def check_deliverables(
    items: Iterable[tuple[str, OutputRef]], nodes: Mapping[str, Node], stages: Mapping[str, Stage]
) -> None:
    """Checks that each (path, reference) names an output and stays inside the output folder.

    Raises:
        GraphError: One does not.
    """
    taken: set[str] = set()
    for path, reference in items:
        parts = path.split("/")
        if path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts):
            raise GraphError(f"deliverable `{path}`: not a plain relative path")
        if path in taken:
            raise GraphError(f"deliverable `{path}`: given twice")
        taken.add(path)
        output_field(f"deliverable `{path}`", reference, nodes, stages)


def output_field(who: str, reference: OutputRef, nodes: Mapping[str, Node], stages: Mapping[str, Stage]) -> FieldType:
    """Returns the output field a reference names.

    Raises:
        GraphError: There is no such node or output.
    """
    producer = nodes.get(reference.node)
    if producer is None:
        raise GraphError(f"{who}: there is no node `{reference.node}`")
    for field in stages[producer.stage].outputs if producer.stage in stages else ():
        if field.name == reference.output:
            return field
    raise GraphError(f"{who}: `{reference.node}` has no output `{reference.output}`")


def _check_backend(node: Node, stage: Stage) -> None:
    if stage.capability is None:
        if node.backend is not None:
            raise GraphError(f"{node.name}: stage {stage.kind} takes no backend, got `{node.backend}`")
        return
    if node.backend is None:
        raise GraphError(f"{node.name}: stage {stage.kind} needs a backend")
    _existing_backend(stage.kind, node.backend)


@cache
def _existing_backend(kind: str, backend: str) -> Backend:
    from i2v3d.backends.catalog import find_backend

    return find_backend(kind, backend)


def _check_fields(node: Node, stage: Stage) -> None:
    known = {field.name for field in stage.inputs}
    if unknown := sorted(set(node.inputs) - known):
        raise GraphError(f"{node.name}: stage {stage.kind} has no input `{unknown[0]}`")
    for field in stage.inputs:
        value = node.inputs.get(field.name)
        if value is None and not field.is_optional:
            raise GraphError(f"{node.name}.{field.name}: a required input is missing")
        if value is not None and isinstance(value, tuple) != field.is_many:
            wanted = "a tuple of references" if field.is_many else "one reference"
            raise GraphError(f"{node.name}.{field.name}: takes {wanted}")


def _as_tuple(node: Node, field: FieldType) -> tuple[OutputRef | SourceFile, ...]:
    value = node.inputs.get(field.name)
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _check_reference(
    node: Node,
    field: FieldType,
    reference: OutputRef | SourceFile,
    nodes: Mapping[str, Node],
    stages: Mapping[str, Stage],
) -> None:
    who = f"{node.name}.{field.name}"
    if isinstance(reference, SourceFile):
        if field.artifact is not None:
            raise GraphError(f"{who}: takes {field.artifact.__name__} from a stage, got the file {reference.path.name}")
        return
    output = output_field(who, reference, nodes, stages)
    if field.artifact is None:
        raise GraphError(f"{who}: takes a user's file, got `{reference.node}.{reference.output}`")
    assert output.artifact is not None  # a stage writes artifacts; `stage()` refuses anything else for Outputs
    if output.artifact.is_volatile:
        raise GraphError(
            f"{who}: `{reference.node}.{reference.output}` differs between equal runs, so nothing may read it"
        )
    given = _type_after_slice(who, reference, output.artifact, field.artifact)
    if not issubclass(given, field.artifact):
        raise GraphError(
            f"{who}: takes {field.artifact.__name__}, `{reference.node}.{reference.output}` is {given.__name__}"
        )


def _type_after_slice(who: str, reference: OutputRef, given: type[Artifact], wanted: type[Artifact]) -> type[Artifact]:
    if reference.start is None and reference.stop is None:
        return given
    if not issubclass(given, Sequence):
        raise GraphError(f"{who}: `{reference.node}.{reference.output}` is {given.__name__}, which has no slices")
    start, stop = reference.start or 0, reference.stop
    if start < 0 or (stop is not None and stop <= start):
        raise GraphError(f"{who}: [{start}:{'' if stop is None else stop}] is an empty slice")
    # A slice of one frame may feed an input of the item's own type.
    return given.item_type if stop == start + 1 and issubclass(given.item_type, wanted) else given
