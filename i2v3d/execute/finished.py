"""A build that has succeeded and is delivered: what reports and manifests are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from i2v3d.artifacts.base import Artifact
from i2v3d.compile.graph import StageGraph
from i2v3d.execute.events import Event, StepFinished, StepReused, StepStarted
from i2v3d.plan.resolve import Resolver
from i2v3d.store.local import LocalStore
from i2v3d.store.records import ActionRecord


@dataclass(frozen=True)
class StepSpan:
    """What became of a step in a build.

    Attributes:
        status: Whether it ran or its result was reused.
        started_s, ended_s: Since the build began; equal where nothing ran.
        lane: Which of the steps that ran side by side it was, from 1; 0 where nothing ran.
        seconds: Work of the step itself: now, or when its reused result was made.
    """

    step: str
    stage: str
    status: Literal["executed", "reused"]
    started_s: float
    ended_s: float
    lane: int
    seconds: float


@dataclass(frozen=True)
class FinishedBuild:
    """A successful build.

    Attributes:
        resolver: Knows the key, inputs and source files of each step.
        records: Of every step of the graph.
        delivered: Path of each deliverable in place, by its relative path.
        events: Everything that happened, in order.
        number: Of the build record.
        placed: Digest of each delivered file, by its relative path.
    """

    graph: StageGraph
    store: LocalStore
    resolver: Resolver
    records: Mapping[str, ActionRecord]
    delivered: Mapping[str, Path]
    events: tuple[Event, ...]
    out_dir: Path
    number: int
    placed: Mapping[str, str] = field(default_factory=dict)

    @property
    def spans(self) -> Mapping[str, StepSpan]:
        """What became of each step, in graph order."""
        began: dict[str, tuple[float, int]] = {}
        spans: dict[str, StepSpan] = {}
        for event in self.events:
            if isinstance(event, StepStarted):
                began[event.step] = (event.at_s, event.worker)
            elif isinstance(event, StepFinished):
                start, lane = began.get(event.step, (event.at_s, event.worker))
                spans[event.step] = StepSpan(
                    event.step, event.stage, "executed", start, event.at_s, lane, event.seconds
                )
            elif isinstance(event, StepReused) and event.step not in spans:
                seconds = self.records[event.step].seconds
                spans[event.step] = StepSpan(event.step, event.stage, "reused", event.at_s, event.at_s, 0, seconds)
        return {name: spans[name] for name in self.graph.nodes if name in spans}

    def artifact(self, step: str, output: str, folder: Path) -> Artifact | None:
        """Returns an output of a step, its stored files linked below `folder`; None where there is none.

        Args:
            step: Name of a node.
            output: Name of one of its stage's outputs.
            folder: A private, temporary folder.
        """
        stored = self.records[step].outputs.get(output) if step in self.records else None
        if stored is None:
            return None
        (field_type,) = (f for f in self.graph.stage_of(step).outputs if f.name == output)
        if field_type.artifact is None:
            return None
        place = folder / step / f"{output}{field_type.artifact.suffix}"
        for file in stored.files:
            target = place / file.path if file.path else place
            target.parent.mkdir(parents=True, exist_ok=True)
            self.store.objects.link(file.digest, target)
        if not stored.files:
            place.mkdir(parents=True, exist_ok=True)
        return field_type.artifact(place)


Finisher = Callable[[FinishedBuild], tuple[Path, ...]]
"""Writes what a build leaves besides its deliverables, and returns the files; the next no-op makes sure they are there.

A finisher never fails a build: what it can't write is a warning of its own.
"""
