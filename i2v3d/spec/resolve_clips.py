"""`interpolate` for the model that fills in the frames; what that model can't follow is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from i2v3d.backends.catalog import default_backends, is_run_by
from i2v3d.spec.resolved_generation import ClipSampling, FeatureLengths, Guidance

if TYPE_CHECKING:
    from i2v3d.spec.collect import Collector
    from i2v3d.spec.marks import SpecPath
    from i2v3d.spec.model import Spec

# Steps and guidance that each model's makers use.
_DEFAULTS = {"svd": (25, 1.5), "wan_vace": (30, 5.0)}


def resolve_clips(collector: Collector, spec: Spec, features: FeatureLengths | None) -> ClipSampling:
    """Returns the numbers of clip generation; warns of those that the chosen model has no use for.

    Args:
        collector: Takes the warnings.
        spec: The checked spec.
        features: What was made of `guidance.features`.
    """
    backend = spec.backends.get("interpolate", default_backends(spec.profile).get("interpolate", ""))
    steps, guidance_scale = _DEFAULTS.get(backend, _DEFAULTS["svd"])
    given, usual = spec.interpolate, ClipSampling()
    if backend == "wan_vace":
        _warn_of_svd_settings(collector, spec)
        if features != Guidance().features:
            is_for_keyframes = is_run_by({"keyframes": _keyframes_backend(spec)}, "keyframes", "generate_keyframes")
            rest = "; keyframes follow it" if is_for_keyframes else ""
            what = f"Wan VACE takes no features of the render: no effect on the frames between keyframes{rest}"
            collector.warn(("guidance", "features"), what, "`backends: {interpolate: svd}` injects them")
    return ClipSampling(
        steps=steps if given.steps is None else given.steps,
        guidance_scale=guidance_scale if given.guidance_scale is None else given.guidance_scale,
        # Left at their defaults for a model that doesn't read them, so that no edit of them makes a clip anew.
        motion_bucket=usual.motion_bucket if backend == "wan_vace" else given.motion_bucket,
        noise_augmentation=usual.noise_augmentation if backend == "wan_vace" else given.noise_augmentation,
    )


def _warn_of_svd_settings(collector: Collector, spec: Spec) -> None:
    usual = ClipSampling()
    for name, what in (
        ("motion_bucket", "Wan VACE has no motion bucket: no effect"),
        ("noise_augmentation", "Wan VACE puts no noise on the keyframes: no effect"),
    ):
        path: SpecPath = ("interpolate", name)
        if getattr(spec.interpolate, name) != getattr(usual, name):
            collector.warn(path, what, "remove it, or choose `backends: {interpolate: svd}`")


def _keyframes_backend(spec: Spec) -> str:
    return spec.backends.get("keyframes", default_backends(spec.profile).get("keyframes", ""))
