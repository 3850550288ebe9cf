"""Metrics that need models, as the step that gathers all metrics of a clip takes them.

None is in a graph unless it is asked for: by `backends:` in the spec, by a bound in `expect:`, or on the command line.
What is on the disk never decides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from i2v3d.backends.catalog import BACKENDS
from i2v3d.stages.appearance import appearance_node
from i2v3d.stages.base import Node, OutputRef
from i2v3d.stages.compare_depth import comparing_nodes, is_compared
from i2v3d.stages.depth_agreement import depth_agreement_node
from i2v3d.stages.embed_frames import embedding_nodes, is_embedded, photo_node
from i2v3d.stages.finished_frames import FrameGroup

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


def model_metrics(scene: Scene) -> tuple[OutputRef, ...]:
    """Returns the `Metrics` of the finished clip that models measure, those that the scene asks for."""
    asked = (("appearance", is_embedded(scene)), ("depth_agreement", is_compared(scene)))
    return tuple(OutputRef(name, "metrics") for name, is_asked in asked if is_asked)


def model_metrics_of(scene: Scene, label: str, groups: Iterable[FrameGroup]) -> Iterator[Node]:
    """Yields the nodes that measure another clip of the scene by models, those that the scene asks for.

    Their `metrics` are those of `appearance[label]` and `depth_agreement[label]`.

    Args:
        scene: Whose photo and renders the clip is held to.
        label: Of the clip; names of its groups begin with it.
        groups: Its frames.
    """
    frames = tuple(groups)
    if is_embedded(scene):
        yield photo_node(scene)
        yield from embedding_nodes(scene, frames)
        yield appearance_node(scene, f"appearance[{label}]", frames)
    if is_compared(scene):
        yield from comparing_nodes(scene, frames)
        yield depth_agreement_node(scene, f"depth_agreement[{label}]", frames)


def metrics_not_asked_for(scene: Scene) -> tuple[tuple[str, str], ...]:
    """Returns the metrics that the scene does not ask for, each with the way to have it."""
    return tuple(
        (metric, f"needs a model: `backends: {{{backend.stage}: {backend.id}}}`, or `--with {backend.id}`")
        for backend in BACKENDS
        if scene.backends.get(backend.stage) != backend.id
        for metric in backend.measures
    )
