"""The files a build leaves about itself: events as JSON lines, and a trace for Perfetto or chrome://tracing."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from i2v3d.execute.events import (
    BuildStarted,
    Event,
    StepFailed,
    StepFinished,
    StepProgress,
    StepReused,
    StepStarted,
    event_json,
)


class Journal:
    """Writes events to `<path>.jsonl` as they come, and the trace to `<path>.trace.json` at the end."""

    def __init__(self, path: Path) -> None:
        self._trace_path = path.with_name(f"{path.name}.trace.json")
        self._file = path.with_name(f"{path.name}.jsonl").open("w", encoding="utf-8", buffering=1)
        self._began: dict[str, tuple[float, int]] = {}
        self._trace: list[dict[str, object]] = []

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._trace_path.write_text(json.dumps({"traceEvents": self._trace, "displayTimeUnit": "ms"}), encoding="utf-8")

    def write(self, event: Event) -> None:
        """Takes down one event."""
        self._file.write(json.dumps(event_json(event)) + "\n")
        match event:
            case BuildStarted():
                self._trace.append(_metadata("process_name", f"build {event.scene}"))
            case StepStarted():
                self._began[event.step] = (event.at_s, event.worker)
            case StepFinished() | StepFailed():
                began_s, worker = self._began.get(event.step, (event.at_s, 0))
                self._trace.append(_bar(event, began_s, worker))
            case StepReused():
                self._trace.append({**_bar(event, event.at_s, 0), "ph": "i", "s": "p"})
            case StepProgress() | _:
                pass


def _bar(event: StepFinished | StepFailed | StepReused, began_s: float, worker: int) -> dict[str, object]:
    return {
        "name": event.step,
        "cat": type(event).__name__,
        "ph": "X",
        "pid": 1,
        "tid": worker,
        "ts": round(began_s * 1e6),
        "dur": round((event.at_s - began_s) * 1e6),
        "args": {"stage": event.stage},
    }


def _metadata(name: str, value: str) -> dict[str, object]:
    return {"name": name, "ph": "M", "pid": 1, "args": {"name": value}}
