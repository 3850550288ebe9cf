"""`interpolate` for the model that fills in the frames; what that model can't follow is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from i2v3d.backends.catalog import default_backends, is_run_by
from i2v3d.spec.resolved_generation import ClipSampling

if TYPE_CHECKING:
    from i2v3d.spec.collect import Collector
    from i2v3d.spec.model import Spec

# Steps and guidance that each model's makers use.
_DEFAULTS = {"svd": (25, 1.5), "wan_vace": (30, 5.0)}


def resolve_interpolation(collector: Collector, spec: Spec) -> ClipSampling:
    """Returns the numbers of clip generation; warns of settings that the chosen model has no use for."""
    backend = _backend(spec, "interpolate")
    if backend == "wan_vace":
        _warn_of_what_wan_lacks(collector, spec)
    steps, guidance_scale = _DEFAULTS.get(backend, _DEFAULTS["svd"])
    given, usual = spec.interpolate, ClipSampling()
    return ClipSampling(
        steps=steps if given.steps is None else given.steps,
        guidance_scale=guidance_scale if given.guidance_scale is None else given.guidance_scale,
        # Left at their defaults for a model that doesn't read them, so that no edit of them makes a clip anew.
        motion_bucket=usual.motion_bucket if backend == "wan_vace" else given.motion_bucket,
        noise_augmentation=usual.noise_augmentation if backend == "wan_vace" else given.noise_augmentation,
        backward_every=usual.backward_every if backend == "wan_vace" else given.faster.backward_every,
        control_every=usual.control_every if backend == "wan_vace" else given.faster.control_every,
    )


def _warn_of_what_wan_lacks(collector: Collector, spec: Spec) -> None:
    """Warns of SVD's settings where they differ from their defaults."""
    features = "Wan VACE takes no features of the render: no effect"
    lacking = {
        ("interpolate", "motion_bucket"): "Wan VACE has no motion bucket: no effect",
        ("interpolate", "noise_augmentation"): "Wan VACE puts no noise on the keyframes: no effect",
        ("interpolate", "faster"): "Wan VACE has neither a way back nor a ControlNet: no effect",
        ("interpolate", "features"): features,
    }
    if not is_run_by({"keyframes": _backend(spec, "keyframes")}, "keyframes", "generate_keyframes"):
        lacking["guidance", "features"] = features  # else the keyframes follow it
    for (section, name), what in lacking.items():
        part = getattr(spec, section)
        if getattr(part, name) != type(part).model_fields[name].default:
            collector.warn((section, name), what, "remove it, or choose `backends: {interpolate: svd}`")


def _backend(spec: Spec, stage: str) -> str:
    return spec.backends.get(stage, default_backends(spec.profile).get(stage, ""))
