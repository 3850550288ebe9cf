"""What happens during a build, as typed events. The terminal, the journal and the trace all read these."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i2v3d.errors import I2V3DError


@dataclass(frozen=True)
class BuildStarted:
    """The build begins. at_s: clock time (for people only); expected_s: seconds of work at most, where known."""

    scene: str
    step_count: int
    at_s: float
    expected_s: float | None


@dataclass(frozen=True)
class StepStarted:
    """A step runs now. at_s: seconds since the build began, as in all events below."""

    step: str
    stage: str
    at_s: float
    worker: int
    expected_s: float | None


@dataclass(frozen=True)
class StepProgress:
    """A running step says how far it is. share: 0 to 1."""

    step: str
    at_s: float
    share: float
    message: str


@dataclass(frozen=True)
class StepFinished:
    """A step ran and its result is recorded. seconds: of the stage itself."""

    step: str
    stage: str
    at_s: float
    seconds: float
    worker: int


@dataclass(frozen=True)
class StepReused:
    """A step's result was taken from the store."""

    step: str
    stage: str
    at_s: float


@dataclass(frozen=True)
class StepWarned:
    """A step that ran or was reused has something to tell the user about a field of the spec."""

    step: str
    stage: str
    at_s: float
    message: str
    spec_path: str


@dataclass(frozen=True)
class StepFailed:
    """A step failed; `error` says why. will_retry: it is tried again."""

    step: str
    stage: str
    at_s: float
    error: I2V3DError
    will_retry: bool


@dataclass(frozen=True)
class StepSkipped:
    """A step could not run because `because_of` failed."""

    step: str
    stage: str
    at_s: float
    because_of: str


@dataclass(frozen=True)
class Delivered:
    """A file or folder of the output folder is in place. is_new: False when it was there already."""

    path: Path
    at_s: float
    is_new: bool


@dataclass(frozen=True)
class BuildFinished:
    """The build ends."""

    at_s: float
    executed: int
    reused: int
    failed: int


Event = (
    BuildStarted
    | StepStarted
    | StepProgress
    | StepFinished
    | StepReused
    | StepWarned
    | StepFailed
    | StepSkipped
    | Delivered
    | BuildFinished
)
OnEvent = Callable[[Event], None]


def event_json(event: Event) -> dict[str, object]:
    """Returns an event as JSON: `event` is the class's name, the rest its fields; paths and errors as text."""
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    plain = {name: str(value) if isinstance(value, Path | I2V3DError) else value for name, value in fields.items()}
    return {"event": type(event).__name__, **plain}
