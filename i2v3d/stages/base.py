"""What a stage is: Inputs, Params, Outputs, `nodes(scene)` and a `run` function, all in one file.

The decorator reads the annotations and registers the stage; it returns the function unchanged, so a
test calls `run(...)` directly. A stage is pure: it reads only its inputs, writes only below its work
directory, and uses no clock, environment, network or global random state.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from i2v3d.artifacts.base import Artifact
from i2v3d.errors import GraphError

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

Determinism = Literal["exact", "seeded"]


@dataclass(frozen=True)
class SourceFile:
    """A file or folder of the user's as an input. Keyed by content, never by path."""

    path: Path
    spec_path: str = ""


@dataclass(frozen=True)
class OutputRef:
    """An output of another node, or the slice [start, stop) of a sequence output."""

    node: str
    output: str
    start: int | None = None
    stop: int | None = None


InputRef = SourceFile | OutputRef


@dataclass(frozen=True)
class Node:
    """One call of a stage in the graph of a scene.

    Attributes:
        name: Unique, readable: `segment[rocket]`, `render[12]`. Never part of a key.
        stage: The stage's kind.
        params: An instance of the stage's Params.
        inputs: By field name of the stage's Inputs: one reference, a tuple of them, or None where optional.
        backend: Catalog id of the backend that does it; None when the stage needs none.
        origins: Params or input field name -> dotted spec path it came from, for `explain` and for errors;
            the one that an error of the stage is most likely about comes first.
        determinism: What this call promises; None = what its stage does.
    """

    name: str
    stage: str
    params: Any  # the stage's own frozen Params dataclass
    inputs: Mapping[str, InputRef | tuple[InputRef, ...] | None] = field(default_factory=dict)
    backend: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    determinism: Determinism | None = None

    def blamed(self, field: str = "") -> str:
        """Returns the spec path that an error or warning about an origin or a role of weights points at, or "".

        Without a field: that of the user's file that the step reads, else the first of the origins.
        """
        of_input = self.inputs.get(field)
        if isinstance(of_input, SourceFile) and of_input.spec_path:
            return of_input.spec_path
        if any(getattr(model, "role", "") == field for model in getattr(self.params, "models", ())):
            return f"models.{field}"
        files = (ref.spec_path for ref in self.inputs.values() if isinstance(ref, SourceFile) and ref.spec_path)
        return self.origins.get(field) or next(iter([*files, *self.origins.values()]), "")


@dataclass(frozen=True)
class Resources:
    """What one step of a stage takes while it runs. Never part of a key.

    Attributes:
        cpu: Cores it keeps busy.
        memory_gb: Peak memory.
        gpu: GPUs it needs.
        timeout_s: After this long the step is ended and counts as failed.
    """

    cpu: int = 1
    memory_gb: float = 1.0
    gpu: int = 0
    timeout_s: float = 3600.0


class WorkDir(Protocol):
    """Where a running step may write, and how it says how far it is."""

    @property
    def path(self) -> Path:
        """The private folder of this step."""

    @property
    def checkpoints(self) -> Path:
        """A folder that outlives the step when it fails or is killed; empty again once the step has succeeded.

        A later run of the same step (the same key) finds there what was left and may go on from it, to the same
        result. What is in it may be damaged, so check it; write by renaming, so that it rarely is.
        """

    def output(self, name: str) -> Path:
        """Returns where the output of this name goes, with its type's suffix; nothing is created."""

    def progress(self, share: float, message: str = "") -> None:
        """Reports the share of the work that is done, 0 to 1."""

    def warn(self, message: str, *, field: str = "") -> None:
        """Tells the user what is probably not meant; told again whenever the result is reused.

        `field` is as in `StageError`.
        """


@dataclass(frozen=True)
class FieldType:
    """One field of a stage's Inputs or Outputs."""

    name: str
    artifact: type[Artifact] | None  # None: a user's file as it is (annotated `Path`)
    is_many: bool = False
    is_optional: bool = False


@dataclass(frozen=True)
class Stage:
    """A registered stage.

    Attributes:
        kind: Its name, a verb or verb and object; the module of the same name holds it.
        version: Raised when equal inputs may now give other outputs.
        capability: The backend protocol's name in `backends.catalog`, or None.
        title: First line of the module's docstring.
        templates: Template folders (below `templates/`) whose text is part of the key.
        is_batched: True when many small steps of this stage should share a worker process.
        requires: Distributions whose version is part of the key although no module here imports them
            (those that are imported are found by themselves).
    """

    kind: str
    version: int
    capability: str | None
    determinism: Determinism
    resources: Resources
    templates: tuple[str, ...]
    is_batched: bool
    title: str
    module: str
    inputs: tuple[FieldType, ...]
    outputs: tuple[FieldType, ...]
    inputs_type: type[Any]
    params_type: type[Any]
    outputs_type: type[Any]
    run: Callable[..., Any]
    nodes: Callable[[Scene], Iterable[Node]]
    requires: tuple[str, ...] = ()


_REGISTRY: dict[str, Stage] = {}

RunFunction = Callable[..., Any]


def stage(
    kind: str,
    *,
    version: int,
    nodes: Callable[[Scene], Iterable[Node]],
    capability: str | None = None,
    determinism: Determinism = "exact",
    resources: Resources | None = None,
    templates: tuple[str, ...] = (),
    is_batched: bool = False,
    requires: tuple[str, ...] = (),
) -> Callable[[RunFunction], RunFunction]:
    """Registers `run(inputs, params, backend, work) -> Outputs` as a stage.

    Raises:
        GraphError: The kind is taken, the module has no docstring, or Params is not frozen.
    """

    def register(run: RunFunction) -> RunFunction:
        module = inspect.getmodule(run)
        if module is None or not module.__doc__:
            raise GraphError(f"stage {kind}: its module needs a docstring")
        hints = typing.get_type_hints(run)
        inputs_type, params_type, outputs_type = hints["inputs"], hints["params"], hints["return"]
        for part in (inputs_type, params_type, outputs_type):
            parameters = getattr(part, "__dataclass_params__", None)
            if parameters is None or not parameters.frozen:
                raise GraphError(f"stage {kind}: {part.__name__} must be a frozen dataclass")
        if kind in _REGISTRY and _REGISTRY[kind].module != module.__name__:
            raise GraphError(f"stage {kind}: defined in {_REGISTRY[kind].module} and in {module.__name__}")
        _REGISTRY[kind] = Stage(
            kind=kind,
            version=version,
            capability=capability,
            determinism=determinism,
            resources=resources or Resources(),
            templates=templates,
            is_batched=is_batched,
            title=module.__doc__.strip().splitlines()[0],
            module=module.__name__,
            inputs=_fields(inputs_type),
            outputs=_fields(outputs_type),
            inputs_type=inputs_type,
            params_type=params_type,
            outputs_type=outputs_type,
            run=run,
            nodes=nodes,
            requires=requires,
        )
        return run

    return register


def registered() -> Mapping[str, Stage]:
    """Returns the stages registered so far, by kind."""
    return MappingProxyType(_REGISTRY)


def _fields(part: type[Any]) -> tuple[FieldType, ...]:
    hints = typing.get_type_hints(part)
    return tuple(_field_type(f.name, hints[f.name]) for f in dataclasses.fields(part))


def _field_type(name: str, hint: Any) -> FieldType:
    arguments = typing.get_args(hint)
    if type(None) in arguments:
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return dataclasses.replace(_field_type(name, inner), is_optional=True)
    if typing.get_origin(hint) is tuple:
        return dataclasses.replace(_field_type(name, arguments[0]), is_many=True)
    if isinstance(hint, type) and issubclass(hint, Artifact):
        return FieldType(name, hint)
    if hint is Path:
        return FieldType(name, None)
    raise GraphError(f"{name}: {hint} is neither an artifact type nor Path")
