"""The tree of errors that a user may see. Each holds data; only `report` turns it into text.

I2V3DError
├── SpecError              one or more problems in a scene spec          exit 2
├── UsageError             a wrong command line or an unusable folder    exit 2
├── GraphError             the stages do not fit together (our bug, or a plug-in's)  exit 1
├── MissingBackendError    what a step needs is not installed or not written yet      exit 3
├── ArtifactError          a file that a stage wrote or read is not what its type says  exit 1
├── StageError             a step failed                                 exit 1
│   └── BlenderError       a Blender child process failed                exit 1
├── LockError              a build would not be what its lock says (in `execute.lock`)  exit 1
└── StoreError             the store can't be read or written            exit 1
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a spec, and where.

    Attributes:
        path: Dotted path of the field, `objects.rocket.segment.box[2]`; empty for the whole file.
        message: What is wrong.
        hint: What would be right; empty when the message says it.
        file: The spec file or template the user wrote (never the rendered text).
        line: One-based line, 0 when unknown.
        column: One-based column, 0 when unknown.
        excerpt: The source line as written, without its newline.
        severity: `error` stops the build, `warning` is only printed.
    """

    path: str
    message: str
    hint: str = ""
    file: Path | None = None
    line: int = 0
    column: int = 0
    excerpt: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        where = f"{self.file or ''}:{self.line}:{self.column}" if self.line else str(self.file or "")
        text = f"{self.path}: {self.message}" if self.path else self.message
        return f"{where}  {text}" + (f"; {self.hint}" if self.hint else "")


class I2V3DError(Exception):
    """Anything that i2v3d reports to its user without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SpecError(I2V3DError):
    """A scene spec that can't be built, with every problem found in it."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class UsageError(I2V3DError):
    """A command line, a path or a permission that the user must mend."""

    exit_code = 2


class GraphError(I2V3DError):
    """Stages that do not fit together: an unknown name, a cycle, a wrong type."""


class MissingBackendError(I2V3DError):
    """Something a step needs that is not installed, or that this version can't do yet."""

    exit_code = 3


class ArtifactError(I2V3DError):
    """A file that is not what its artifact type promises."""


class StoreError(I2V3DError):
    """The store can't be read or written."""


@dataclass(frozen=True)
class StepFailure:
    """What is known of a failed step: enough to look at it and to run it again.

    Attributes:
        is_expected: The stage itself found out what is wrong; otherwise the end of the log says more.
        spec_path: Field of the spec that is to blame, or empty.
    """

    step: str
    work_dir: Path | None = None
    log: Path | None = None
    inputs: tuple[tuple[str, str], ...] = field(default=())
    is_expected: bool = False
    spec_path: str = ""


class StageError(I2V3DError):
    """A step that failed; its work directory and log are kept.

    Args:
        field: Which key of the node's `origins` is to blame; see `Node.blamed`.
    """

    def __init__(self, message: str, *, hint: str = "", field: str = "", failure: StepFailure | None = None) -> None:
        super().__init__(message, hint=hint)
        self.field = field
        self.failure = failure


class BlenderError(StageError):
    """A Blender child process that failed; the message is the last Python line of its script."""
