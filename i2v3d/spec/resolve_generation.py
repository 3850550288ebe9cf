"""`guidance`, `customize`, `keyframes`, `interpolate` and `models` to a `Generation`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from i2v3d.backends.weights import MODELS, Model, commit_of, reference_file
from i2v3d.spec import resolved_generation as resolved
from i2v3d.spec.model.models import is_repository
from i2v3d.spec.references import find_folder
from i2v3d.spec.resolve_interpolation import resolve_interpolation
from i2v3d.spec.resolve_motion import Timing, resolve_times

if TYPE_CHECKING:
    from i2v3d.spec.collect import Collector
    from i2v3d.spec.marks import SpecPath
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.generation import StrengthKey


def resolve_generation(collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...]) -> resolved.Generation:
    """Returns what generative backends read; notes strengths of unknown objects and folders that are not there."""
    return resolved.Generation(
        guidance=_guidance(collector, spec, timing, names),
        customization=_customization(spec),
        keyframes=_keyframes(collector, spec),
        clips=resolve_interpolation(collector, spec),
        clip_guidance=_clip_guidance(spec),
        models=_choices(collector, spec),
        precision=cast(resolved.Precision, spec.models.precision),
    )


def _keyframes(collector: Collector, spec: Spec) -> resolved.KeyframeSampling:
    given = spec.keyframes
    if collector.has_key(("keyframes", "overlap")) and given.overlap >= given.window:
        message = f"windows of {given.window} keyframes can't overlap by {given.overlap}"
        hint = f"give less than the window, {given.window}" if given.window > 1 else "give 0, or a wider `window`"
        collector.error(("keyframes", "overlap"), message, hint)
    return resolved.KeyframeSampling(
        steps=given.steps,
        guidance_scale=given.guidance_scale,
        window=given.window,
        overlap=min(given.overlap, given.window - 1),
        negative_prompt=given.negative_prompt,
        source_every=given.faster.source_every,
        control_every=given.faster.control_every,
        guided_until=given.faster.guided_until,
    )


def _guidance(collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...]) -> resolved.Guidance:
    given = spec.guidance
    strength = _keys(collector, timing, given.strength, ("guidance", "strength"))
    by_object = []
    for name, guidance in given.objects.items():
        path: SpecPath = ("guidance", "objects", name)
        keys = _keys(collector, timing, guidance.strength, collector.below(path, "strength"))
        if name not in names:
            collector.unknown(path, name, names)
        by_object.append((name, keys))
    features = given.features
    return resolved.Guidance(
        strength=strength,
        object_strength=tuple(by_object),
        depth=given.depth,
        depth_range="frame" if given.depth_range == "frame" else "clip",
        features=None
        if features is None
        else resolved.FeatureLengths(
            convolution_until=features.conv_until,
            attention_until_foreground=features.attention_until.foreground,
            attention_until_background=features.attention_until.background,
        ),
        extended_attention=cast(resolved.Extension, given.extended_attention),
    )


def _clip_guidance(spec: Spec) -> resolved.ClipGuidance:
    """Returns the guidance between keyframes; `guidance` holds for it, too, where `interpolate` doesn't say other."""
    given = spec.interpolate
    features = None if spec.guidance.features is None else given.features
    return resolved.ClipGuidance(
        depth=spec.guidance.depth if given.depth is None else given.depth,
        features=None if features is None else resolved.ClipFeatures(features.conv_until, features.attention_until),
    )


def _keys(
    collector: Collector, timing: Timing, keys: list[StrengthKey], path: SpecPath
) -> tuple[resolved.StrengthKey, ...]:
    frames = resolve_times(collector, timing, [key.at for key in keys], path)
    return tuple(resolved.StrengthKey(frame, key.value) for frame, key in zip(frames, keys, strict=True))


def _customization(spec: Spec) -> resolved.Customization | None:
    given = spec.customize
    if given is None:
        return None
    return resolved.Customization(
        rank=given.rank,
        steps=given.steps,
        learning_rate=given.lr,
        augmentation_weight=given.augmentation_weight,
        is_flipped=given.flip,
        views="single" if given.views == "single" else "all",
    )


def _choices(collector: Collector, spec: Spec) -> tuple[resolved.ModelChoice, ...]:
    """Returns what each role's weights are; SDXL's own autoencoder where only its folder is given and holds one."""
    choices = {model.role: _choice(collector, model, getattr(spec.models, model.role)) for model in MODELS}
    base = choices["sdxl"].folder
    if spec.models.sdxl_vae is None and base is not None and (base / "vae").is_dir():
        choices["sdxl_vae"] = resolved.ModelChoice("sdxl_vae", "", "", base / "vae")
    return tuple(choices.values())


def _choice(collector: Collector, model: Model, given: str | None) -> resolved.ModelChoice:
    if given is None:
        return _of_the_hub(collector, model.role, model.repo, model.revision)
    path: SpecPath = ("models", model.role)
    if is_repository(given):
        repo, _, revision = given.partition("@")
        pinned = model.revision if repo == model.repo else ""
        return _of_the_hub(collector, model.role, repo, revision or pinned)
    folder = find_folder(collector, path, given, f"folder of {model.title}")
    return resolved.ModelChoice(model.role, "", "", folder or Path(os.devnull))


def _of_the_hub(collector: Collector, role: str, repo: str, revision: str) -> resolved.ModelChoice:
    """Returns a choice at the commit that its revision is on this machine, so that the commit is in keys."""
    file = reference_file(repo, revision)
    if file is not None:
        collector.files_read.append(file)
    return resolved.ModelChoice(role, repo, commit_of(repo, revision))
