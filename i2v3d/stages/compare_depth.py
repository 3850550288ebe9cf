"""Compares how deep frames look with how deep their renders look, and with how deep the scene is.

Only where the spec asks for it: `backends: {depth_agreement: depth_anything}`, or a bound on one of its metrics in
`expect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import JsonFile
from i2v3d.backends.base import DepthEstimator
from i2v3d.backends.catalog import is_run_by
from i2v3d.errors import StageError
from i2v3d.metrics.depth_error import aligned_rmse, inverse_depth
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.finished_frames import FrameGroup, PicturesOnDisk, finished_frames
from i2v3d.stages.model_inputs import HubModel, hub_models, model_files, model_folders

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_ROLES = ("depth_anything",)
_DIGITS = 9  # below it there is only rounding


@dataclass(frozen=True)
class DepthErrors(JsonFile):
    """`{"to_render": [number per frame], "to_scene": [...]}`, errors as `metrics.depth_error.aligned_rmse` has them."""

    def read(self) -> tuple[list[float], list[float]]:
        """Returns both."""
        errors = self.read_json()
        return errors["to_render"], errors["to_scene"]


@dataclass(frozen=True)
class Inputs:
    """The frames, the renders and passes of the same frames, and a folder of weights."""

    clips: tuple[Frames, ...]
    pictures: tuple[Image, ...]
    renders: tuple[Image, ...]
    passes: tuple[Passes, ...]
    depth_anything: Path | None


@dataclass(frozen=True)
class Params:
    """`models`: weights from the hub's cache."""

    models: tuple[HubModel, ...]


@dataclass(frozen=True)
class Outputs:
    """The errors of each frame."""

    errors: DepthErrors


def is_compared(scene: Scene) -> bool:
    """Whether the scene asks for metrics of depth."""
    return is_run_by(scene.backends, "depth_agreement", "compare_depth")


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node for each interval of the finished clip."""
    if is_compared(scene):
        yield from comparing_nodes(scene, finished_frames(scene))


def comparing_nodes(scene: Scene, groups: Iterable[FrameGroup]) -> Iterator[Node]:
    """Yields a node for each group of frames."""
    for group in groups:
        yield Node(
            name=f"compare_depth[{group.name}]",
            stage="compare_depth",
            params=Params(models=hub_models(scene, _ROLES)),
            inputs={
                "clips": group.clips,
                "pictures": group.pictures,
                "renders": tuple(OutputRef(f"render[{frame}]", "colour") for frame in group.frames),
                "passes": tuple(OutputRef(f"render[{frame}]", "passes") for frame in group.frames),
                **model_folders(scene, _ROLES),
            },
            backend=scene.backends["depth_agreement"],
            origins={"models": "models.depth_anything"},
        )


@stage(
    "compare_depth",
    version=1,
    nodes=nodes,
    capability="DepthEstimator",
    determinism="seeded",
    resources=Resources(cpu=1, memory_gb=4.0, gpu=1),
    is_batched=True,
)
def run(inputs: Inputs, params: Params, backend: DepthEstimator, work: WorkDir) -> Outputs:
    """Compares the depths frame by frame.

    Raises:
        StageError: Frames and renders differ in number or size.
    """
    frames, renders = PicturesOnDisk(inputs.clips, inputs.pictures), PicturesOnDisk((), inputs.renders)
    if len(frames) != len(renders) or frames[0].shape != renders[0].shape:
        raise StageError(
            f"{len(frames)} frames of {_size(frames)} pixels can't be compared with {len(renders)} renders of "
            f"{_size(renders)}"
        )
    models = model_files({"depth_anything": inputs.depth_anything}, params.models, "fp32")
    to_render, to_scene = [], []
    estimates = zip(backend.estimate(frames, models), backend.estimate(renders, models), inputs.passes, strict=True)
    for frame, render, passes in estimates:
        to_render.append(round(aligned_rmse(frame, render), _DIGITS))
        to_scene.append(round(aligned_rmse(frame, inverse_depth(passes.read().depth_m)), _DIGITS))
        work.progress(len(to_render) / len(frames))
    outputs = Outputs(DepthErrors(work.output("errors")))
    outputs.errors.write_json({"to_render": to_render, "to_scene": to_scene})
    return outputs


def _size(pictures: PicturesOnDisk) -> str:
    height, width = pictures[0].shape[:2]
    return f"{width} x {height}"
