"""What the page says of a build, apart from its pictures: plain values for the template."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from i2v3d.artifacts.metrics import ClipMetrics, Metrics
from i2v3d.backends.catalog import find_backend
from i2v3d.compile.graph import StageGraph
from i2v3d.errors import ArtifactError
from i2v3d.execute.finished import FinishedBuild
from i2v3d.plan.requirements import weights_of
from i2v3d.report.page.plots import Plot, number_text, plot
from i2v3d.report.page.yaml_text import Token, highlighted
from i2v3d.report.tables import size_text
from i2v3d.spec import LoadedScene
from i2v3d.spec.resolved import Scene

_SPEC_SUFFIXES = (".yaml", ".yml", ".j2")
_TITLES = {
    "video.mp4": "the finished video",
    "render.mp4": "the plain render",
    "scene.blend": "the scene in Blender",
    "scene.glb": "the scene as glTF",
    "cameras.json": "the camera of every frame",
    "metrics.json": "everything measured",
    "metrics.csv": "measured values as a table",
    "build.json": "how it was built, to verify",
    "keyframes": "the refined keyframes",
    "scene": "the Blender script that makes the scene",
    "check": "what the check looked at",
    "customize": "the trained LoRA, its log and samples",
}


@dataclass(frozen=True)
class Download:
    """A deliverable: where it lies from the page, what it is, and how large it is."""

    href: str
    name: str
    title: str
    size: str


@dataclass(frozen=True)
class UsedBackend:
    """What did a stage."""

    stage: str
    id: str
    title: str


@dataclass(frozen=True)
class UsedWeights:
    """Weights that steps read. is_commercial: None where that is not known."""

    role: str
    source: str
    licence: str
    is_commercial: bool | None


@dataclass(frozen=True)
class SpecLine:
    """A line of a spec with what was said about it."""

    number: int
    tokens: list[Token]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SpecFile:
    """A file of the spec."""

    name: str
    lines: tuple[SpecLine, ...]


@dataclass(frozen=True)
class Training:
    """A training's losses, as a plot, and how it began and ended (means of a tenth)."""

    plot: Plot
    steps: int
    first: str
    last: str


def downloads(finished: FinishedBuild) -> tuple[Download, ...]:
    """Returns the deliverables, files of one folder as the folder; files of earlier finishers, too."""
    extra = [name for name in ("build.json",) if (finished.out_dir / name).is_file()]
    places = dict.fromkeys(path.split("/")[0] for path in [*finished.delivered, *extra])
    found = []
    for place in sorted(places, key=lambda name: (list(_TITLES).index(name) if name in _TITLES else 99, name)):
        path = finished.out_dir / place
        if not path.exists():
            continue
        is_folder = path.is_dir()
        files = [file for file in path.rglob("*") if file.is_file()] if is_folder else [path]
        size = size_text(sum(file.stat().st_size for file in files))
        text = f"{len(files)} files, {size}" if is_folder else size
        found.append(Download(quote(place) + "/" * is_folder, place + "/" * is_folder, _TITLES.get(place, ""), text))
    return tuple(found)


def used_backends(graph: StageGraph) -> tuple[UsedBackend, ...]:
    """Returns what did each stage of the graph that can be done in several ways."""
    pairs = dict.fromkeys((node.stage, node.backend) for node in graph.nodes.values() if node.backend is not None)
    return tuple(UsedBackend(stage, id, find_backend(stage, id).title) for stage, id in pairs if id is not None)


def used_weights(graph: StageGraph, scene: Scene) -> tuple[UsedWeights, ...]:
    """Returns the weights that steps of the graph read."""
    return tuple(
        UsedWeights(found.choice.role, found.source, found.licence, found.is_commercial)
        for found in weights_of(graph, scene)
    )


def settings(graph: StageGraph, scene: Scene) -> tuple[tuple[str, str], ...]:
    """Returns (name, value) of what steers generation; only what this build reads."""
    kinds = {node.stage for node in graph.nodes.values()}
    rows = [("seed", str(scene.seed)), ("keyframes at", ", ".join(map(str, scene.keyframing.frames)))]
    classes = [f"{thing.name}: {thing.class_name}" for thing in scene.objects if thing.class_name]
    if classes:
        rows.append(("classes", ", ".join(classes)))
    guidance, generation = scene.generation.guidance, scene.generation
    if kinds & {"generate_keyframes", "generate_clip"}:
        keys = ", ".join(f"{key.value:g} at frame {key.frame:g}" for key in guidance.strength)
        rows.append(("guidance strength", keys if len(guidance.strength) > 1 else f"{guidance.strength[0].value:g}"))
        rows.append(("precision", generation.precision))
    if "generate_keyframes" in kinds:
        sampling = generation.keyframes
        rows.append(("keyframe sampling", f"{sampling.steps} steps, guidance scale {sampling.guidance_scale:g}"))
        if sampling.negative_prompt:
            rows.append(("negative prompt", sampling.negative_prompt))
    if "generate_clip" in kinds:
        clips = generation.clips
        rows.append(("clip sampling", f"{clips.steps} steps, guidance scale {clips.guidance_scale:g}"))
    if "customize" in kinds and generation.customization is not None:
        training = generation.customization
        text = f"rank {training.rank}, {training.steps} steps, learning rate {training.learning_rate:g}"
        rows.append(("customization", text))
    return tuple(rows)


def measured(finished: FinishedBuild) -> ClipMetrics | None:
    """Returns the measured values of the clip; None where nothing was measured or the file is not one."""
    path = finished.delivered.get("metrics.json")
    if path is None:
        return None
    try:
        return Metrics(path).read()
    except (ArtifactError, OSError, ValueError):
        return None


def findings(finished: FinishedBuild) -> dict[str, Any] | None:
    """Returns what the check of the scene found, as it is in its file; None where it did not run."""
    return _json(finished.delivered.get("check/findings.json"))


def training(finished: FinishedBuild) -> Training | None:
    """Returns the training of the appearance model; None where there was none."""
    log = _json(finished.delivered.get("customize/log.json"))
    losses = [float(loss) for loss in (log or {}).get("loss", [])]
    if not losses:
        return None
    tenth = max(1, len(losses) // 10)
    first, last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
    return Training(plot(losses), len(losses), number_text(first), number_text(last))


def spec_files(finished: FinishedBuild, loaded: LoadedScene) -> tuple[SpecFile, ...]:
    """Returns the spec's text with every warning at its line."""
    notes = _notes(finished, loaded)
    found = []
    names = [file for file in loaded.files if file.suffix in _SPEC_SUFFIXES and file.is_file()]
    for file in names:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        lines = tuple(
            SpecLine(number, tokens, tuple(notes.get((file, number), ())))
            for number, tokens in enumerate(highlighted(text), start=1)
        )
        found.append(SpecFile(file.name, lines))
    return tuple(found)


def warnings(finished: FinishedBuild) -> tuple[str, ...]:
    """Returns what the steps had to tell, each once."""
    texts = (f"{name}: {message}" for name in finished.graph.nodes for message, _ in _told(finished, name))
    return tuple(dict.fromkeys(texts))


def _notes(finished: FinishedBuild, loaded: LoadedScene) -> dict[tuple[Path, int], list[str]]:
    notes: dict[tuple[Path, int], list[str]] = {}

    def add(file: Path | None, line: int, text: str) -> None:
        if file is not None and text not in (known := notes.setdefault((file.absolute(), line), [])):
            known.append(text)

    for problem in loaded.warnings:
        hint = f"; {problem.hint}" if problem.hint else ""
        add(problem.file, problem.line, f"{problem.message}{hint}")
    for name, node in finished.graph.nodes.items():
        for message, field in _told(finished, name):
            position = loaded.position(node.blamed(field))
            if position is not None:
                add(position[0], position[1], f"{name}: {message}")
    return notes


def _told(finished: FinishedBuild, name: str) -> Iterable[tuple[str, str]]:
    record = finished.records.get(name)
    return record.warnings if record is not None else ()


def _json(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
