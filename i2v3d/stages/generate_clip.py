"""Generates the frames between two keyframes by a video model that is guided by the render.

One node per interval, with the name and the output of `interpolate`: the frames from the first keyframe up to, not
including, the last one; only the last interval keeps both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.base import ClipGenerator, ClipTask
from i2v3d.backends.catalog import is_run_by
from i2v3d.errors import StageError
from i2v3d.spec.resolved_generation import ClipFeatures, ClipSampling, Precision
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.depth_range import DepthRange, depth_range_ref
from i2v3d.stages.generate_keyframes import keyframe_ref
from i2v3d.stages.guided_frames import read_guided_frames
from i2v3d.stages.model_inputs import HubModel, hub_models, model_files, model_folders

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_ROLES = {"svd": ("svd", "svd_controlnet_depth"), "wan_vace": ("wan_vace",)}
_ALL_ROLES = ("svd", "svd_controlnet_depth", "wan_vace")
_READS_TEXT = ("wan_vace",)
_IS_INJECTED = ("svd",)


@dataclass(frozen=True)
class Inputs:
    """Both keyframes, the renders from one to the other, both included, the depth range, and folders of weights."""

    first: Image
    last: Image
    colours: tuple[Image, ...]
    passes: tuple[Passes, ...]
    range: DepthRange | None
    svd: Path | None
    svd_controlnet_depth: Path | None
    wan_vace: Path | None


@dataclass(frozen=True)
class Params:
    """How the clip is generated.

    Attributes:
        is_final: True for the last interval of the clip, which keeps its last keyframe.
        fps: Of the clip.
        prompt: What the photo shows, for models that read text.
        sampling: Steps, guidance and SVD's micro-conditioning.
        depth: Scale of the depth condition.
        features: Lengths of the injection; None injects nothing.
        strengths: By frame and object id, see `Guidance.strengths_at`.
        precision: Number type of the models.
        models: Weights from the hub's cache.
        seed: Of the noise.
        negative_prompt: What the clip must not show, for models that read text.
    """

    is_final: bool
    fps: float
    prompt: str
    sampling: ClipSampling
    depth: float
    features: ClipFeatures | None
    strengths: tuple[tuple[float, ...], ...]
    precision: Precision
    models: tuple[HubModel, ...]
    seed: int
    negative_prompt: str = ""


@dataclass(frozen=True)
class Outputs:
    """The interval's finished frames."""

    frames: Frames


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node per pair of neighbouring keyframes."""
    if not is_run_by(scene.backends, "interpolate", "generate_clip"):
        return
    generation, guidance = scene.generation, scene.generation.guidance
    clip_guidance = generation.clip_guidance
    objects = tuple(thing.name for thing in scene.drawn)
    backend = scene.backends["interpolate"]
    roles = _ROLES[backend]
    for first, last in pairwise(scene.keyframing.frames):
        between = range(first, last + 1)
        yield Node(
            name=f"interpolate[{first}-{last}]",
            stage="generate_clip",
            params=Params(
                is_final=last == scene.keyframing.frames[-1],
                fps=scene.output.fps,
                prompt=scene.photo.prompt if backend in _READS_TEXT else "",
                sampling=generation.clips,
                depth=clip_guidance.depth,
                features=clip_guidance.features if backend in _IS_INJECTED else None,
                strengths=tuple(guidance.strengths_at(frame, objects) for frame in between),
                precision=generation.precision,
                models=hub_models(scene, roles),
                seed=scene.seed,
                negative_prompt=generation.keyframes.negative_prompt if backend in _READS_TEXT else "",
            ),
            inputs={
                "first": keyframe_ref(scene, first),
                "last": keyframe_ref(scene, last),
                "colours": tuple(OutputRef(f"render[{index}]", "colour") for index in between),
                "passes": tuple(OutputRef(f"render[{index}]", "passes") for index in between),
                "range": depth_range_ref(scene),
                **dict.fromkeys(_ALL_ROLES),
                **model_folders(scene, roles),
            },
            backend=backend,
            origins={
                "sampling": "interpolate",
                "prompt": "source.prompt",
                "negative_prompt": "keyframes.negative_prompt",
                "fps": "output.fps",
                "depth": "guidance.depth" if clip_guidance.depth == guidance.depth else "interpolate.depth",
                "features": "interpolate.features" if guidance.features else "guidance.features",
                "strengths": "guidance.strength",
                "precision": "models.precision",
                "models": "models",
                "seed": "seed",
                "is_final": "keyframes",
            },
        )


@stage(
    "generate_clip",
    version=1,
    nodes=nodes,
    capability="ClipGenerator",
    determinism="seeded",
    resources=Resources(cpu=1, memory_gb=8.0, gpu=1, timeout_s=6 * 3600.0),
)
def run(inputs: Inputs, params: Params, backend: ClipGenerator, work: WorkDir) -> Outputs:
    """Generates the frames of one interval.

    Raises:
        StageError: The backend gave another number of frames.
    """
    frames = read_guided_frames(inputs.colours, inputs.passes, params.strengths, inputs.range)
    folders = {
        "svd": inputs.svd,
        "svd_controlnet_depth": inputs.svd_controlnet_depth,
        "wan_vace": inputs.wan_vace,
    }
    task = ClipTask(
        first=inputs.first.read(),
        last=inputs.last.read(),
        frames=frames,
        fps=params.fps,
        prompt=params.prompt,
        sampling=params.sampling,
        depth=params.depth,
        features=params.features,
        models=model_files(folders, params.models, params.precision),
        seed=params.seed,
        negative_prompt=params.negative_prompt,
    )
    pictures = backend.generate(task, work.progress)
    if len(pictures) != len(frames):
        raise StageError(f"the backend made {len(pictures)} frames where {len(frames)} were asked for")
    outputs = Outputs(Frames(work.output("frames")))
    outputs.frames.path.mkdir()
    count = len(frames) if params.is_final else len(frames) - 1
    for index, picture in enumerate(pictures[:count]):
        outputs.frames.item(index).write(picture)
    return outputs
