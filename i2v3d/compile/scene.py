"""From a resolved scene to its graph: every stage says which nodes it adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from i2v3d.compile.graph import Deliverable, StageGraph, make_graph
from i2v3d.stages.base import Node, OutputRef, Stage
from i2v3d.stages.edit_mesh import mesh_owners, mesh_ref
from i2v3d.stages.generate_keyframes import keyframe_ref
from i2v3d.stages.scene_script import BACKGROUND_FOLDER, mesh_folders

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

# What a build leaves in the output folder, where the scene has the node.
DELIVERABLES = (
    Deliverable("video.mp4", OutputRef("encode", "video")),
    Deliverable("video.webm", OutputRef("encode[webm]", "webm")),
    Deliverable("video.gif", OutputRef("encode[gif]", "gif")),
    Deliverable("render.mp4", OutputRef("encode[render]", "video")),
    Deliverable("scene.blend", OutputRef("assemble", "blend")),
    Deliverable("scene.glb", OutputRef("assemble", "glb")),
    Deliverable("cameras.json", OutputRef("assemble", "cameras")),
    Deliverable("metrics.json", OutputRef("evaluate", "metrics")),
    Deliverable("metrics.csv", OutputRef("evaluate", "table")),
    Deliverable("check/findings.json", OutputRef("check", "findings")),
    Deliverable("check/unobserved.png", OutputRef("check", "picture")),
    Deliverable("customize/lora.safetensors", OutputRef("customize", "lora")),
    Deliverable("customize/log.json", OutputRef("customize", "log")),
    Deliverable("customize/samples.png", OutputRef("customize", "samples")),
    Deliverable("scene", OutputRef("scene_script", "script")),
)

# What only the report page shows; nothing else reads it.
REPORT_STAGES = ("drawing_scale", "draw_photo", "draw_scene", "draw_passes", "draw_result")

PREVIEW = "preview"
# What a preview leaves there instead.
PREVIEW_DELIVERABLES = (
    Deliverable("preview.mp4", OutputRef(PREVIEW, "video")),
    Deliverable("preview.png", OutputRef(PREVIEW, "sheet")),
)


def compile_scene(scene: Scene, stages: Mapping[str, Stage]) -> StageGraph:
    """Returns the graph of a scene: the nodes of every stage, and the deliverables.

    Raises:
        GraphError: The stages do not fit together.
        MissingBackendError: The scene asks for a backend that does not exist.
    """
    nodes = scene_nodes(scene, stages)
    graph = make_graph(scene.name, nodes, stages, _whole(scene, nodes))
    return replace(graph, others=tuple(item.path for item in PREVIEW_DELIVERABLES))


def compile_preview(scene: Scene, stages: Mapping[str, Stage]) -> StageGraph:
    """Returns the graph of a scene's preview: the fast pictures, the checks of the scene, and what both read.

    It has a name of its own, so that the history of the scene's builds is not pushed out by many previews.

    Raises:
        GraphError: The stages do not fit together.
        MissingBackendError: The scene asks for a backend that does not exist.
    """
    nodes = [node for stage in stages.values() for node in stage.nodes(scene)]
    graph = make_graph(f"{scene.name} preview", nodes, stages, PREVIEW_DELIVERABLES).select(only=(PREVIEW, "check"))
    return replace(graph, others=tuple(item.path for item in _whole(scene, nodes)))


def _whole(scene: Scene, nodes: Iterable[Node]) -> list[Deliverable]:
    """Returns what the whole build of a scene delivers."""
    names = {node.name for node in nodes}
    wanted = (*DELIVERABLES, *_keyframes(scene), *_frames(scene), *_script_assets(scene))
    return [item for item in wanted if item.ref.node in names]


def scene_nodes(scene: Scene, stages: Mapping[str, Stage]) -> list[Node]:
    """Returns the nodes of every stage of a scene's whole build."""
    return [node for kind, stage in stages.items() if kind != PREVIEW for node in stage.nodes(scene)]


def _keyframes(scene: Scene) -> Iterator[Deliverable]:
    """Yields the finished keyframes as pictures, each named by its frame."""
    for frame in scene.keyframing.frames:
        yield Deliverable(f"keyframes/{frame:06d}.png", keyframe_ref(scene, frame))


def _frames(scene: Scene) -> Iterator[Deliverable]:
    """Yields every finished frame as a picture, where that is wanted."""
    if "png" in scene.output.formats:
        index = 0
        for first, last in pairwise(scene.keyframing.frames):
            is_final = last == scene.keyframing.frames[-1]
            for position in range(last - first + is_final):
                ref = OutputRef(f"interpolate[{first}-{last}]", "frames", position, position + 1)
                yield Deliverable(f"frames/{index:06d}.png", ref)
                index += 1


def _script_assets(scene: Scene) -> Iterator[Deliverable]:
    """Yields the meshes that the delivered scene script reads, so that it runs where it lies."""
    if scene.blend_file is not None:
        return
    folders = mesh_folders(scene.objects)
    yield Deliverable(f"scene/assets/{BACKGROUND_FOLDER}", OutputRef("background_mesh", "mesh"))
    for name in mesh_owners(scene):
        yield Deliverable(f"scene/assets/{folders[name]}", mesh_ref(scene, name))
