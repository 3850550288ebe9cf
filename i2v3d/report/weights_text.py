"""Weights, licences and memory of a generative build, as `plan`, `build` and `doctor` print them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from i2v3d.backends.memory import (
    FrameSize,
    plan_clip,
    plan_depths,
    plan_embeddings,
    plan_keyframes,
    plan_training,
    vace_needs_gb,
)
from i2v3d.backends.weights import find_model
from i2v3d.report.tables import columns_text

if TYPE_CHECKING:
    from i2v3d.backends.inventory import FoundWeights
    from i2v3d.compile.graph import StageGraph
    from i2v3d.execute.devices import DeviceFacts
    from i2v3d.spec.resolved import Scene

_DEPTH_SIDE = 518  # of the shorter side, as Depth Anything sees it
_COMMERCIAL = {
    True: "commercial use: yes",
    False: "commercial use: NOT for everybody",
    None: "commercial use: not known",
}


def weights_text(weights: Iterable[FoundWeights]) -> str:
    """Returns a line per role: where its weights come from, whether they are here, and their licence."""
    rows, missing_mb = [], 0
    for found in weights:
        model = find_model(found.choice.role)
        if not found.problem:
            state = "here"
        elif found.is_published:
            state = f"to download: {model.download_mb / 1000:.1f} GB"
            missing_mb += model.download_mb
        else:
            state = "MISSING" if found.choice.folder is None else "NOT USABLE"
        rows.append((found.choice.role, found.source, state, _COMMERCIAL[found.is_commercial], found.licence))
    table = columns_text([("weights", "source", "", "", "licence"), *rows])
    return f"{table}\nto download in all: {missing_mb / 1000:.1f} GB" if missing_mb else table


def licence_notes(weights: Iterable[FoundWeights]) -> tuple[str, ...]:
    """Returns a line for each licence that does not allow everybody commercial use."""
    return tuple(
        f"note: {found.source} ({found.choice.role}): {found.licence}"
        for found in weights
        if found.is_commercial is False
    )


def memory_text(graph: StageGraph, scene: Scene, device: DeviceFacts | None, why_none: str = "") -> str:
    """Returns what each kind of step is estimated to take of the device, and how it keeps to the budget."""
    # Without a device: what everything at once would take.
    budget_gb = float("inf") if device is None else device.budget_gb
    # Beside a CPU there is no other memory to put anything in.
    host_gb = device.host_gb / 2 if device is not None and device.name.startswith("cuda") else 0.0
    if device is None:
        first = f"memory: {why_none}; with all of it to hand it would be"
    else:
        title = f" ({device.title})" if device.title else ""
        first = (
            f"memory: a budget of {device.budget_gb:.1f} GB of {device.name}{title}, {device.total_gb:.1f} GB in all"
        )
    if device is not None and device.name == "cpu" and scene.generation.precision != "fp32":
        first += "; a CPU is faster with `models: {precision: fp32}`"
    rows = []
    for name, needs_gb, summary in _estimates(graph, scene, budget_gb, host_gb):
        fits = "" if needs_gb <= budget_gb else "  MORE THAN THE BUDGET"
        rows.append((f"  {name}", f"about {needs_gb:.1f} GB", f"{summary}{fits}"))
    return "\n".join([first, columns_text(rows)])


def _estimates(graph: StageGraph, scene: Scene, budget_gb: float, host_gb: float) -> Iterator[tuple[str, float, str]]:
    """Yields name, estimate and choices of each kind of step with models."""
    backends = {node.stage: node.backend for node in graph.nodes.values()}
    generation, size = scene.generation, scene.output.size
    keyframes = scene.keyframing.frames

    def frames(count: int) -> FrameSize:
        return FrameSize(size.height, size.width, count, generation.precision)

    if "customize" in backends:
        training = plan_training(frames(2), budget_gb)
        yield "customize", training.needs_gb, training.summary
    if "generate_keyframes" in backends:
        most = _most_together(graph)
        run = plan_keyframes(frames(most), budget_gb, window=generation.keyframes.window)
        yield "keyframes", run.needs_gb, run.summary
    if "generate_clip" in backends:
        longest = max((last - first + 1 for first, last in pairwise(keyframes)), default=1)
        if backends["generate_clip"] == "wan_vace":
            yield "interpolate", vace_needs_gb(frames(longest)), "networks move to the device while they are used"
        else:
            clip = plan_clip(frames(longest), budget_gb, steps=generation.clips.steps, host_gb=host_gb)
            yield "interpolate", clip.needs_gb, clip.summary
    if "embed_frames" in backends:
        embedding = plan_embeddings(budget_gb)
        yield "appearance", embedding.needs_gb, embedding.summary
    if "compare_depth" in backends:
        factor = _DEPTH_SIDE / min(size.height, size.width)
        depths = plan_depths(budget_gb, round(factor * size.height), round(factor * size.width))
        yield "depth_agreement", depths.needs_gb, depths.summary


def _most_together(graph: StageGraph) -> int:
    """Returns the largest number of keyframes that one step makes."""
    return max(_count(node.inputs["colours"]) for node in graph.nodes.values() if node.stage == "generate_keyframes")


def _count(value: object) -> int:
    return len(value) if isinstance(value, Sequence) else 1
