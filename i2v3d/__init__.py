"""Controllable image-to-video generation with 3D guidance, compiled from a scene spec.

A scene spec is source code, a video is the build product: `i2v3d build scene.yaml`, or from Python
`i2v3d.load("scene.yaml").build()`. Importing this package imports nothing at all; see the sub-packages,
named in the order in which a build passes through them: spec, compile, plan, execute (with stages and
store), report.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers know the name; importing typing would cost more than all of this

if TYPE_CHECKING:
    from i2v3d.api import Build, Shot, ShotPlan, load
    from i2v3d.errors import I2V3DError, SpecError, StageError, UsageError

__version__ = "0.1.0"

_API = ("load", "Shot", "ShotPlan", "Build")
_ERRORS = ("I2V3DError", "SpecError", "StageError", "UsageError")

__all__ = ["load", "Shot", "ShotPlan", "Build", "I2V3DError", "SpecError", "StageError", "UsageError", "__version__"]


def __getattr__(name: str) -> object:
    if name in _API:
        from i2v3d import api

        return getattr(api, name)
    if name in _ERRORS:
        from i2v3d import errors

        return getattr(errors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
