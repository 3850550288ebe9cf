"""Generates the keyframes by a model that is guided by the render.

Keyframes that see each other are made in one step, since through windows that overlap each depends on all. Where they
don't (windows that share nothing, windows of one, no extended attention) each window has a step of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.lora import Lora
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.base import KeyframeGenerator, KeyframeTask
from i2v3d.backends.catalog import is_run_by
from i2v3d.errors import StageError
from i2v3d.spec.resolved_generation import Extension, FeatureLengths, KeyframeSampling, Precision
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.customize import lora_ref
from i2v3d.stages.depth_range import DepthRange, depth_range_ref
from i2v3d.stages.guided_frames import read_guided_frames
from i2v3d.stages.model_inputs import HubModel, hub_models, model_files, model_folders

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_ROLES = ("sdxl", "sdxl_vae", "controlnet_depth")


@dataclass(frozen=True)
class Inputs:
    """The rendered keyframes in time order, the clip's depth range, the LoRA, and folders of weights."""

    colours: tuple[Image, ...]
    passes: tuple[Passes, ...]
    range: DepthRange | None
    lora: Lora | None
    sdxl: Path | None
    sdxl_vae: Path | None
    controlnet_depth: Path | None


@dataclass(frozen=True)
class Params:
    """How the keyframes are generated.

    Attributes:
        prompt: What the photo shows.
        sampling: Steps, guidance and windows.
        depth: Scale of the depth condition.
        features: Lengths of the injection; None injects nothing.
        extended_attention: How the frames of a window see each other.
        strengths: By frame and object id, see `Guidance.strengths_at`.
        precision: Number type of the models.
        models: Weights from the hub's cache.
        seed: Of the noise.
    """

    prompt: str
    sampling: KeyframeSampling
    depth: float
    features: FeatureLengths | None
    extended_attention: Extension
    strengths: tuple[tuple[float, ...], ...]
    precision: Precision
    models: tuple[HubModel, ...]
    seed: int


@dataclass(frozen=True)
class Outputs:
    """The keyframes, in the order of the inputs."""

    frames: Frames


def keyframe_ref(scene: Scene, frame: int) -> OutputRef:
    """Returns where the finished keyframe of a frame comes from, whatever makes it."""
    if not is_run_by(scene.backends, "keyframes", "generate_keyframes"):
        return OutputRef(f"keyframes[{frame}]", "colour")
    for name, group in _groups(scene).items():
        if frame in group:
            index = group.index(frame)
            return OutputRef(name, "frames", index, index + 1)
    raise AssertionError(f"frame {frame} is no keyframe")


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node per group of keyframes that see each other."""
    if not is_run_by(scene.backends, "keyframes", "generate_keyframes"):
        return
    generation, guidance = scene.generation, scene.generation.guidance
    objects = tuple(thing.name for thing in scene.drawn)
    for name, group in _groups(scene).items():
        yield Node(
            name=name,
            stage="generate_keyframes",
            params=Params(
                prompt=scene.photo.prompt,
                sampling=generation.keyframes,
                depth=guidance.depth,
                features=guidance.features,
                extended_attention=guidance.extended_attention,
                strengths=tuple(guidance.strengths_at(frame, objects) for frame in group),
                precision=generation.precision,
                models=hub_models(scene, _ROLES),
                seed=scene.seed,
            ),
            inputs={
                "colours": tuple(OutputRef(f"render[{frame}]", "colour") for frame in group),
                "passes": tuple(OutputRef(f"render[{frame}]", "passes") for frame in group),
                "range": depth_range_ref(scene),
                "lora": lora_ref(scene),
                **model_folders(scene, _ROLES),
            },
            backend=scene.backends["keyframes"],
            origins={
                "sampling": "keyframes",
                "prompt": "source.prompt",
                "depth": "guidance.depth",
                "features": "guidance.features",
                "extended_attention": "guidance.extended_attention",
                "strengths": "guidance.strength",
                "precision": "models.precision",
                "models": "models",
                "seed": "seed",
            },
        )


def _groups(scene: Scene) -> dict[str, tuple[int, ...]]:
    """Returns the frames of each step by its name."""
    frames, sampling = scene.keyframing.frames, scene.generation.keyframes
    size = 1 if scene.generation.guidance.extended_attention == "none" else sampling.window
    if size >= len(frames) > 1 or (size > 1 and sampling.overlap):
        return {"keyframes": frames}
    windows = (frames[start : start + size] for start in range(0, len(frames), size))
    return {f"keyframes[{window[0]}{f'-{window[-1]}' if len(window) > 1 else ''}]": window for window in windows}


@stage(
    "generate_keyframes",
    version=1,
    nodes=nodes,
    capability="KeyframeGenerator",
    determinism="seeded",
    resources=Resources(cpu=1, memory_gb=8.0, gpu=1, timeout_s=6 * 3600.0),
)
def run(inputs: Inputs, params: Params, backend: KeyframeGenerator, work: WorkDir) -> Outputs:
    """Generates the keyframes of one group.

    Raises:
        StageError: The backend gave another number of frames.
    """
    frames = read_guided_frames(inputs.colours, inputs.passes, params.strengths, inputs.range)
    folders = {"sdxl": inputs.sdxl, "sdxl_vae": inputs.sdxl_vae, "controlnet_depth": inputs.controlnet_depth}
    task = KeyframeTask(
        frames=frames,
        prompt=params.prompt,
        sampling=params.sampling,
        depth=params.depth,
        features=params.features,
        extended_attention=params.extended_attention,
        lora=None if inputs.lora is None else inputs.lora.path,
        models=model_files(folders, params.models, params.precision),
        seed=params.seed,
    )
    outputs = Outputs(Frames(work.output("frames")))
    outputs.frames.path.mkdir()
    pictures = backend.generate(task, work.progress)
    if len(pictures) != len(frames):
        raise StageError(f"the backend made {len(pictures)} keyframes where {len(frames)} were asked for")
    for index, picture in enumerate(pictures):
        outputs.frames.item(index).write(picture)
    return outputs
