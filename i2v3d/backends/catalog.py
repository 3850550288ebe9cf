"""Which backends exist: data only. A backend's module is imported when a step that uses it runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from i2v3d.errors import MissingBackendError


@dataclass(frozen=True)
class Backend:
    """One way to do a stage.

    Attributes:
        id: Unique within its stage: `embedded`, `gl`, `sdxl`.
        stage: What it does, as `backends:` in a spec names it.
        profiles: The profiles that pick it by default.
        target: `module:attribute` of a class made without arguments; empty when it is not written yet.
        title: One line for `i2v3d backends`.
        version: Raised when equal inputs may now give other outputs.
        requires: Distribution names that must be installed.
        extra: The extra of this package that installs them; empty for the base install.
        licence: Licence of the code, as one line; that of weights is in `backends.weights`.
        runs: The stage's kind in the graph, where that has another name.
        models: Roles of the weights it reads.
        measures: Metrics that it is needed for, as `expect:` names them.
    """

    id: str
    stage: str
    profiles: tuple[str, ...]
    target: str
    title: str
    version: int = 1
    requires: tuple[str, ...] = ()
    extra: str = ""
    licence: str = "Apache-2.0"
    runs: str = ""
    models: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The stage's kind in the graph."""
        return self.runs or self.stage


_EMBEDDED = "i2v3d.backends.embedded"
_PAPER = "i2v3d.backends.paper"
_MODERN = "i2v3d.backends.modern"
_DRAFT = ("draft",)
_ALL = ("draft", "paper", "modern")
_GENERATIVE = ("paper", "modern")
_TORCH = ("torch", "diffusers", "transformers", "safetensors")

BACKENDS: tuple[Backend, ...] = (
    Backend(
        "embedded",
        "segment",
        _ALL,
        f"{_EMBEDDED}.segment:GrabCutMatting",
        "GrabCut in a band around the prompts, closed-form matting",
        requires=("opencv-python-headless", "scipy"),
    ),
    Backend(
        "embedded",
        "inpaint",
        _ALL,
        f"{_EMBEDDED}.inpaint:GuidedPatchMatch",
        "PatchMatch guided by the declared layout",
        requires=("opencv-python-headless", "pypatchmatch", "scipy"),
    ),
    Backend(
        "embedded",
        "background_views",
        _ALL,
        f"{_EMBEDDED}.inpaint:GuidedPatchMatch",
        "the photo widened by guided PatchMatch, no invented views",
        requires=("opencv-python-headless", "pypatchmatch", "scipy"),
    ),
    Backend(
        "embedded",
        "foreground_mesh",
        _ALL,
        f"{_EMBEDDED}.meshing:ShapeMesher",
        "inflation, lathe, card, box, or a mesh file",
        requires=("opencv-python-headless", "scipy", "trimesh"),
    ),
    Backend(
        "gl",
        "render",
        _ALL,
        f"{_EMBEDDED}.render_gl:GlRenderer",
        "one off-screen OpenGL pass through EGL, on the CPU or a GPU",
        requires=("moderngl",),
    ),
    Backend(
        "cycles",
        "render",
        (),
        f"{_EMBEDDED}.render_cycles:CyclesRenderer",
        "Blender Cycles: the reference, and the choice where no EGL exists",
        requires=("bpy", "openexr"),
    ),
    Backend(
        "gl",
        "check",
        _ALL,
        f"{_EMBEDDED}.render_gl:GlRenderer",
        "a few small frames by the OpenGL renderer",
        requires=("moderngl",),
    ),
    Backend(
        "cycles",
        "check",
        (),
        f"{_EMBEDDED}.render_cycles:CyclesRenderer",
        "a few small frames by Cycles",
        requires=("bpy", "openexr"),
    ),
    Backend(
        "gl",
        "preview",
        _ALL,
        f"{_EMBEDDED}.render_gl:GlRenderer",
        "every fourth frame, small, by the OpenGL renderer",
        requires=("moderngl",),
    ),
    Backend(
        "cycles",
        "preview",
        (),
        f"{_EMBEDDED}.render_cycles:CyclesRenderer",
        "every fourth frame, small, by Cycles",
        requires=("bpy", "openexr"),
    ),
    Backend(
        "embedded",
        "keyframes",
        _DRAFT,
        f"{_EMBEDDED}.refine:PatchRefiner",
        "guided patch synthesis on bad pixels only",
        requires=("opencv-python-headless", "pypatchmatch", "scipy"),
    ),
    Backend(
        "embedded",
        "interpolate",
        _DRAFT,
        f"{_EMBEDDED}.interpolate:FlowInterpolator",
        "keyframe corrections carried along the exact render flow",
        requires=("opencv-python-headless",),
    ),
    Backend(
        "sdxl",
        "customize",
        _GENERATIVE,
        f"{_PAPER}.customize:SdxlLoraTrainer",
        "LoRA of SDXL on the photo and its novel views (paper Eq. 1)",
        requires=_TORCH,
        extra="diffusion",
        models=("sdxl", "sdxl_vae"),
    ),
    Backend(
        "sdxl",
        "keyframes",
        _GENERATIVE,
        f"{_PAPER}.keyframes:SdxlKeyframes",
        "SDXL with depth ControlNet, injected features and extended attention (paper section 3.2)",
        requires=_TORCH,
        extra="diffusion",
        runs="generate_keyframes",
        models=("sdxl", "sdxl_vae", "controlnet_depth"),
    ),
    Backend(
        "svd",
        "interpolate",
        ("paper",),
        f"{_PAPER}.interpolate:SvdInterpolator",
        "Stable Video Diffusion, both ways in time, guided by the render (paper section 3.3)",
        requires=_TORCH,
        extra="diffusion",
        runs="generate_clip",
        models=("svd", "svd_controlnet_depth"),
    ),
    Backend(
        "wan_vace",
        "interpolate",
        ("modern",),
        f"{_MODERN}.wan_vace:WanVaceInterpolator",
        "Wan VACE: the keyframes, and the render's depth between them",
        requires=_TORCH,
        extra="diffusion",
        runs="generate_clip",
        models=("wan_vace",),
    ),
    Backend(
        "clip",
        "appearance",
        (),
        f"{_PAPER}.clip_embeddings:ClipEmbedder",
        "CLIP: likeness of neighbouring frames, and of each frame and the photo (paper Table 1)",
        requires=_TORCH,
        extra="diffusion",
        runs="embed_frames",
        models=("clip",),
        measures=("frame_consistency", "clip_i"),
    ),
    Backend(
        "depth_anything",
        "depth_agreement",
        (),
        f"{_PAPER}.depth_anything:DepthAnything",
        "Depth Anything: depth of the result against that of the render (paper Table 1)",
        requires=_TORCH,
        extra="diffusion",
        runs="compare_depth",
        models=("depth_anything",),
        measures=("d_rmse", "d_rmse_to_scene"),
    ),
)


def find_backend(kind: str, backend_id: str) -> Backend:
    """Returns the catalog entry of a backend by the kind of stage that runs it.

    Raises:
        MissingBackendError: No such backend, or it is not available in this version.
    """
    for backend in BACKENDS:
        if (backend.kind, backend.id) == (kind, backend_id):
            return backend
    known = ", ".join(b.id for b in BACKENDS if b.kind == kind)
    raise MissingBackendError(f"stage {kind} has no backend `{backend_id}`", hint=f"it has: {known}")


def default_backends(profile: str) -> Mapping[str, str]:
    """Returns the backend id of each stage for a profile."""
    return {b.stage: b.id for b in BACKENDS if profile in b.profiles}


def backend_measuring(metric: str) -> Backend | None:
    """Returns the backend that a metric needs; None where it needs none."""
    return next((backend for backend in BACKENDS if metric in backend.measures), None)


def is_run_by(scene_backends: Mapping[str, str], stage: str, kind: str) -> bool:
    """Whether the backend chosen for a stage of the spec is one that this kind of stage runs."""
    chosen = scene_backends.get(stage)
    return any((b.stage, b.id, b.kind) == (stage, chosen, kind) for b in BACKENDS)


def load_backend(backend: Backend) -> Any:  # Any: the stage's protocol
    """Returns a new instance of the backend.

    Raises:
        MissingBackendError: Its package is not installed; the hint has the install line.
    """
    module, attribute = backend.target.split(":")
    try:
        return getattr(importlib.import_module(module), attribute)()
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("i2v3d"):
            raise
        package = f"i2v3d[{backend.extra}]" if backend.extra else "i2v3d"
        raise MissingBackendError(
            f"backend {backend.id} of stage {backend.stage} needs `{error.name}`, which is not installed",
            hint=f"pip install '{package}'",
        ) from error
