"""Embeds the frames of a clip, and the photo, by a model that puts alike pictures close to each other.

Only where the spec asks for it: `backends: {appearance: clip}`, or a bound on one of its metrics in `expect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.scene import NpzFile
from i2v3d.backends.base import PictureEmbedder
from i2v3d.backends.catalog import is_run_by
from i2v3d.geometry.frames import Array
from i2v3d.stages.base import InputRef, Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.finished_frames import FrameGroup, PicturesOnDisk, finished_frames
from i2v3d.stages.model_inputs import HubModel, hub_models, model_files, model_folders

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_ROLES = ("clip",)
PHOTO_NODE = "embed_frames[photo]"


@dataclass(frozen=True)
class Embeddings(NpzFile):
    """Embeddings of pictures: float32 (pictures, channels), each of length 1."""

    required: ClassVar[tuple[str, ...]] = ("embeddings",)

    def read(self) -> Array:
        """Returns the embeddings."""
        return self.read_arrays()["embeddings"]


@dataclass(frozen=True)
class Inputs:
    """The pictures in order, first those of the sequences; and a folder of weights."""

    clips: tuple[Frames, ...]
    pictures: tuple[Image, ...]
    clip: Path | None


@dataclass(frozen=True)
class Params:
    """What is embedded of each picture, and by which weights.

    Attributes:
        window: Left, top, width and height in pixels; None for the whole picture.
        models: Weights from the hub's cache.
    """

    window: tuple[int, int, int, int] | None
    models: tuple[HubModel, ...]


@dataclass(frozen=True)
class Outputs:
    """One embedding a picture."""

    embeddings: Embeddings


def is_embedded(scene: Scene) -> bool:
    """Whether the scene asks for metrics of appearance."""
    return is_run_by(scene.backends, "appearance", "embed_frames")


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node for the photo and one for each interval of the finished clip."""
    if is_embedded(scene):
        yield photo_node(scene)
        yield from embedding_nodes(scene, finished_frames(scene))


def photo_node(scene: Scene) -> Node:
    """Returns the node for the photo in the output window."""
    photo, size = scene.photo, scene.output.size
    window = (photo.window_left, photo.window_top, size.width, size.height)
    return _node(scene, PHOTO_NODE, (), (OutputRef("prepare", "photo"),), window)


def embedding_nodes(scene: Scene, groups: Iterable[FrameGroup]) -> Iterator[Node]:
    """Yields a node for each group of frames."""
    for group in groups:
        yield _node(scene, f"embed_frames[{group.name}]", group.clips, group.pictures, None)


def _node(
    scene: Scene,
    name: str,
    clips: tuple[InputRef, ...],
    pictures: tuple[InputRef, ...],
    window: tuple[int, int, int, int] | None,
) -> Node:
    return Node(
        name=name,
        stage="embed_frames",
        params=Params(window=window, models=hub_models(scene, _ROLES)),
        inputs={"clips": clips, "pictures": pictures, **model_folders(scene, _ROLES)},
        backend=scene.backends["appearance"],
        origins={"models": "models.clip", "window": "output.size"},
    )


@stage(
    "embed_frames",
    version=1,
    nodes=nodes,
    capability="PictureEmbedder",
    determinism="seeded",
    resources=Resources(cpu=1, memory_gb=4.0, gpu=1),
    is_batched=True,
)
def run(inputs: Inputs, params: Params, backend: PictureEmbedder, work: WorkDir) -> Outputs:
    """Embeds the pictures."""
    pictures = PicturesOnDisk(inputs.clips, inputs.pictures, params.window)
    models = model_files({"clip": inputs.clip}, params.models, "fp32")
    embeddings = []
    for embedding in backend.embed(pictures, models):
        embeddings.append(embedding)
        work.progress(len(embeddings) / len(pictures))
    outputs = Outputs(Embeddings(work.output("embeddings")))
    outputs.embeddings.write_arrays({"embeddings": np.stack(embeddings)})
    return outputs
