"""Measures a scene's own result, and videos that something else made, against the scene's render."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.artifacts.metrics import ClipMetrics, Metrics
from i2v3d.artifacts.videos import probe_video
from i2v3d.compile.graph import Deliverable, StageGraph, make_graph
from i2v3d.compile.scene import scene_nodes
from i2v3d.errors import UsageError
from i2v3d.execute.build import BuildOptions, BuildResult, build
from i2v3d.execute.events import OnEvent
from i2v3d.execute.project import Project
from i2v3d.stages import load_stages
from i2v3d.stages.base import Node, OutputRef
from i2v3d.stages.evaluate import evaluate_node
from i2v3d.stages.finished_frames import FrameGroup
from i2v3d.stages.measure import measuring_nodes
from i2v3d.stages.model_metrics import model_metrics_of
from i2v3d.stages.read_video import Timing, check_shape, reading_notes, video_node

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

OWN = "result"
"""How the scene's own result is called beside other videos."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        clips: By name: `result`, and the names of videos.
        notes: By name, what was done to a video before it was measured.
        build: The build that measured them.
    """

    clips: Mapping[str, ClipMetrics]
    notes: Mapping[str, tuple[str, ...]]
    build: BuildResult


def evaluate(
    project: Project,
    on_event: OnEvent,
    *,
    videos: Sequence[Path] = (),
    has_own: bool = True,
    timing: Timing = "stretch",
) -> Evaluation:
    """Returns the metrics of clips; what they need is built first, and reused the next time.

    Args:
        project: The opened scene; nothing goes to its output folder.
        on_event: Told what happens.
        videos: Made by something else, to be held to the scene's render.
        has_own: Whether the scene's own result is built and measured.
        timing: See `read_video.frame_choice`.

    Raises:
        UsageError: A video can't be read, or has another shape than the clip.
        MissingBackendError: A step lacks its libraries or weights.
    """
    scene = project.loaded.scene
    named = _labels(videos)
    notes = {label: _checked(scene, label, video, timing) for label, video in named.items()}
    graph = _graph(project, named, has_own=has_own, timing=timing)
    _Measuring(project.options, project.loaded, measuring_graph=graph).check_requirements()
    options = BuildOptions(
        out_dir=project.store.root / "measured" / scene.name,
        jobs=project.options.jobs,
        devices=project.options.devices,
    )
    result = build(graph, project.store, options, on_event)
    labels = (*([OWN] if has_own else []), *named) if result.is_success else ()
    clips = {label: Metrics(result.delivered[_place(index)]).read() for index, label in enumerate(labels)}
    return Evaluation(clips, notes, result)


@dataclass(frozen=True)
class _Measuring(Project):
    """A project whose graph is the one that measures."""

    measuring_graph: StageGraph = field(kw_only=True)

    @cached_property
    def graph(self) -> StageGraph:
        return self.measuring_graph


def _labels(videos: Sequence[Path]) -> dict[str, Path]:
    """Returns the videos by the names of their files, longer ones where two are alike."""
    named: dict[str, Path] = {}
    for video in videos:
        label, number = video.stem, 2
        while label in named or label == OWN:
            label, number = f"{video.parent.name}-{video.stem}" if number == 2 else f"{video.stem}-{number}", number + 1
        named[label] = video.absolute()
    return named


def _place(index: int) -> str:
    """Returns the file of a clip's metrics; the name of a video may hold anything."""
    return f"{index}{Metrics.suffix}"


def _checked(scene: Scene, label: str, video: Path, timing: Timing) -> tuple[str, ...]:
    facts = probe_video(video)
    size = scene.output.size
    check_shape(facts, size.width, size.height, video)
    return reading_notes(facts, video_node(scene, label, video, timing).params)


def _graph(project: Project, videos: Mapping[str, Path], *, has_own: bool, timing: Timing) -> StageGraph:
    if not videos and not has_own:
        raise UsageError("there is nothing to measure", hint="give a spec, or --video FILE --against SPEC")
    _ = project.graph  # what this version can't do is told here
    scene, stages = project.loaded.scene, load_stages()
    ends = {OWN: "evaluate"} if has_own else {}
    extra: list[Node] = []
    for label, video in videos.items():
        extra += _measuring(scene, label, video, timing)
        ends[label] = f"evaluate[{label}]"
    own = list(scene_nodes(scene, stages))
    known = {node.name for node in own}
    deliverables = [Deliverable(_place(index), OutputRef(end, "metrics")) for index, end in enumerate(ends.values())]
    nodes = [*own, *(node for node in extra if node.name not in known)]
    return make_graph(scene.name, nodes, stages, deliverables).select(only=tuple(ends.values()))


def _measuring(scene: Scene, label: str, video: Path, timing: Timing) -> Iterator[Node]:
    """Yields the nodes that read and measure a video."""
    reading = video_node(scene, label, video, timing)
    count = scene.output.frame_count
    measuring = tuple(
        measuring_nodes(scene, [OutputRef(reading.name, "frames", index, index + 1) for index in range(count)], label)
    )
    group = FrameGroup(f"{label} 0-{count - 1}", range(count), (OutputRef(reading.name, "frames"),))
    by_models = tuple(model_metrics_of(scene, label, (group,)))
    others = tuple(
        OutputRef(node.name, "metrics") for node in by_models if node.stage in ("appearance", "depth_agreement")
    )
    yield reading
    yield from measuring
    yield from by_models
    yield evaluate_node(scene, f"evaluate[{label}]", measuring, others)


__all__ = ["OWN", "Evaluation", "evaluate"]
