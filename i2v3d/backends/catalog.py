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
        id: Unique within its stage: `embedded`, `gl`, `cycles`.
        stage: The stage's kind.
        profile: The profile that picks it by default.
        target: `module:attribute` of a class made without arguments; empty when it is not written yet.
        title: One line for `i2v3d backends`.
        version: Raised when equal inputs may now give other outputs.
        requires: Distribution names that must be installed.
        extra: The extra of this package that installs them; empty for the base install.
        licence: Licence of code and weights, as one line.
    """

    id: str
    stage: str
    profile: str
    target: str
    title: str
    version: int = 1
    requires: tuple[str, ...] = ()
    extra: str = ""
    licence: str = "Apache-2.0"


_EMBEDDED = "i2v3d.backends.embedded"

BACKENDS: tuple[Backend, ...] = (
    Backend(
        "embedded",
        "segment",
        "draft",
        f"{_EMBEDDED}.segment:GrabCutMatting",
        "GrabCut in a band around the prompts, closed-form matting",
        requires=("opencv-python-headless", "scipy"),
    ),
    Backend(
        "embedded",
        "inpaint",
        "draft",
        f"{_EMBEDDED}.inpaint:GuidedPatchMatch",
        "PatchMatch guided by the declared layout",
        requires=("opencv-python-headless", "pypatchmatch", "scipy"),
    ),
    Backend(
        "embedded",
        "background_views",
        "draft",
        f"{_EMBEDDED}.inpaint:GuidedPatchMatch",
        "the photo widened by guided PatchMatch, no invented views",
        requires=("opencv-python-headless", "pypatchmatch", "scipy"),
    ),
    Backend(
        "embedded",
        "foreground_mesh",
        "draft",
        f"{_EMBEDDED}.meshing:ShapeMesher",
        "inflation, lathe, card, box, or a mesh file",
        requires=("opencv-python-headless", "scipy", "trimesh"),
    ),
    Backend(
        "gl",
        "render",
        "draft",
        f"{_EMBEDDED}.render_gl:GlRenderer",
        "one off-screen OpenGL pass through EGL, on the CPU or a GPU",
        requires=("moderngl",),
    ),
    Backend(
        "cycles",
        "render",
        "paper",
        f"{_EMBEDDED}.render_cycles:CyclesRenderer",
        "Blender Cycles: the reference, and the choice where no EGL exists",
        requires=("bpy", "openexr"),
    ),
    Backend(
        "embedded",
        "keyframes",
        "draft",
        f"{_EMBEDDED}.refine:PatchRefiner",
        "guided patch synthesis on bad pixels only",
        requires=("opencv-python-headless", "pypatchmatch", "scipy"),
    ),
    Backend(
        "embedded",
        "interpolate",
        "draft",
        f"{_EMBEDDED}.interpolate:FlowInterpolator",
        "keyframe corrections carried along the exact render flow",
        requires=("opencv-python-headless",),
    ),
)


def find_backend(stage: str, backend_id: str) -> Backend:
    """Returns the catalog entry.

    Raises:
        MissingBackendError: No such backend, or it is not available in this version.
    """
    for backend in BACKENDS:
        if (backend.stage, backend.id) == (stage, backend_id):
            return backend
    known = ", ".join(b.id for b in BACKENDS if b.stage == stage)
    raise MissingBackendError(f"stage {stage} has no backend `{backend_id}`", hint=f"it has: {known}")


def default_backends(profile: str) -> Mapping[str, str]:
    """Returns the backend id of each stage for a profile."""
    return {b.stage: b.id for b in BACKENDS if b.profile == profile}


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
