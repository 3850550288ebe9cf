"""A checked spec and the photo's header to a `Scene`: defaults filled in, units converted, names resolved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from i2v3d.backends.catalog import BACKENDS, backend_measuring, default_backends
from i2v3d.geometry.resolution import Resolution
from i2v3d.spec import resolved
from i2v3d.spec.collect import Collector
from i2v3d.spec.photo_scale import PhotoScale
from i2v3d.spec.references import BLEND, find_file, find_picture
from i2v3d.spec.resolve_background import resolve_background
from i2v3d.spec.resolve_bodies import resolve_bodies
from i2v3d.spec.resolve_camera import declared_fov, resolve_camera, resolve_rig
from i2v3d.spec.resolve_deforming import resolve_deforming, with_detail
from i2v3d.spec.resolve_edits import check_removed
from i2v3d.spec.resolve_expect import resolve_expect
from i2v3d.spec.resolve_focus import resolve_depth_of_field
from i2v3d.spec.resolve_generation import resolve_generation
from i2v3d.spec.resolve_keyframes import resolve_keyframes
from i2v3d.spec.resolve_motion import Timing, resolve_motion
from i2v3d.spec.resolve_objects import Surfaces, resolve_objects
from i2v3d.spec.resolve_parents import check_hanging
from i2v3d.spec.resolve_rigs import resolve_rigs
from i2v3d.spec.resolve_sequences import resolve_sequences, with_sequences

if TYPE_CHECKING:
    from i2v3d.spec.marks import SpecPath
    from i2v3d.spec.model import Spec

DEFAULT_FOV_RAD = math.radians(50)
MAX_FRAMES = 20_000
_STANDS_IN = ("segment", "inpaint", "background_views", "foreground_mesh")  # where profile `paper` means other models


def resolve(spec: Spec, collector: Collector, name: str) -> resolved.Scene | None:
    """Returns the scene, or None when a problem was noted that leaves none.

    Args:
        spec: The checked spec.
        collector: Takes all problems.
        name: Name of the scene when the spec gives none.
    """
    photo = find_picture(collector, _image_path(collector), spec.source.image, "photo")
    facts = photo[1] if photo is not None else None
    fov_rad = declared_fov(collector, spec) or (facts.fov_rad if facts else None) or DEFAULT_FOV_RAD
    original = Resolution(facts.width, facts.height) if facts else Resolution(1000, 1000)
    output = _output(collector, spec, original)
    prepared, left, top = _framing(collector, spec, original, output.size)
    scale = PhotoScale(original, prepared)
    timing = Timing.of(output, _duration_s(spec))
    names = tuple(spec.objects)
    layout = spec.background.layout
    surfaces = Surfaces(has_table=layout.word == "plane", ground_is_mesh=layout.depth is not None)
    backends = _backends(collector, spec)
    deforming = resolve_deforming(collector, spec)
    sequences, plays = resolve_sequences(collector, spec, timing)
    objects = with_sequences(resolve_objects(collector, spec.objects, scale, surfaces=surfaces), sequences)
    objects = with_detail(objects, deforming, spec)
    scene = resolved.Scene(
        name=spec.name or name,
        photo=resolved.Photo(
            photo[0] if photo is not None else collector.root, prepared, left, top, spec.source.prompt
        ),
        output=output,
        camera=resolved.SourceCamera(fov_rad, spec.source.camera.height),
        objects=objects,
        background=resolve_background(
            collector,
            spec.background,
            scale,
            fov_rad=fov_rad,
            pitch_rad=spec.source.camera.pitch,
            has_shadows=any(thing.prompts is not None and thing.is_standing for thing in objects),
        ),
        motion=MappingProxyType(dict(resolve_motion(collector, spec, timing, names))),
        camera_path=resolve_camera(collector, spec, timing, names, fov_rad=fov_rad),
        keyframing=resolve_keyframes(collector, spec, output.frame_count, backends),
        profile=cast(resolved.Profile, spec.profile),
        backends=backends,
        seed=spec.seed,
        generation=resolve_generation(collector, spec, timing, names),
        camera_rig=resolve_rig(collector, spec, names),
        blend_file=find_file(collector, collector.below(("scene",), "blend"), spec.scene.blend, BLEND)
        if spec.scene is not None
        else None,
        bodies=MappingProxyType(resolve_bodies(collector, spec)),
        rigs=MappingProxyType(dict(resolve_rigs(collector, spec, timing, names, scale))),
        deforming=MappingProxyType(deforming),
        depth_of_field=resolve_depth_of_field(collector, spec, timing, names, fov_rad=fov_rad),
        sequences=MappingProxyType(plays),
        expect=resolve_expect(collector, spec),
    )
    _check_rest(collector, spec, timing, names)
    return None if collector.errors else scene


def _image_path(collector: Collector) -> tuple[str, ...]:
    return ("source", "image") if collector.has_key(("source", "image")) else ("source",)


def _duration_s(spec: Spec) -> float:
    duration = spec.output.duration
    return float(duration.value if duration.unit == "s" else duration.value / spec.output.fps)


def _output(collector: Collector, spec: Spec, original: Resolution) -> resolved.Output:
    given = spec.output.size
    width, height = given if given else (original.width // 2 * 2, original.height // 2 * 2)
    if not given and not (64 <= width <= 8192 and 64 <= height <= 8192):
        message = f"the photo's own size, {width} x {height}, is no size for a video"
        collector.error(("output",), message, "give `output: {size: [1024, 576]}`, 64 to 8192 pixels a side")
    intervals = round(_duration_s(spec) * spec.output.fps)
    if intervals < 1:
        collector.error(("output", "duration"), "the clip has less than two frames", "give a longer duration")
    if intervals >= MAX_FRAMES:
        collector.error(("output", "duration"), f"{intervals + 1:,} frames is above the limit of {MAX_FRAMES:,}")
    formats = tuple(dict.fromkeys(["mp4", *spec.output.formats]))
    return resolved.Output(Resolution(width, height), spec.output.fps, intervals + 1, spec.output.loop, formats)


def _framing(collector: Collector, spec: Spec, original: Resolution, size: Resolution) -> tuple[Resolution, int, int]:
    """Returns the size of the prepared photo, which covers the output, and the window's first corner."""
    factor = max(size.width / original.width, size.height / original.height)
    width = max(size.width, round(original.width * factor))
    height = max(size.height, round(original.height * factor))
    spare_x, spare_y = width - size.width, height - size.height
    focus = spec.source.focus
    if focus is not None:
        if collector.has_key(("source", "framing")):
            message = "both `framing` and `focus` are given"
            collector.error(("source", "focus"), message, "keep one of them")
        scale = PhotoScale(original, Resolution(width, height))
        ((x, y),) = scale.checked_points(collector, ("source", "focus"), (focus,), "the point")
        left, top = x - size.width / 2, y - size.height / 2
    else:
        share_x = {"left": 0.0, "right": 1.0}.get(spec.source.framing, 0.5)
        share_y = {"top": 0.0, "bottom": 1.0}.get(spec.source.framing, 0.5)
        left, top = spare_x * share_x, spare_y * share_y
    corner = (min(max(int(left), 0), spare_x), min(max(int(top), 0), spare_y))
    return Resolution(width, height), *corner


def _backends(collector: Collector, spec: Spec) -> Mapping[str, str]:
    """Returns a backend for each stage that needs one."""
    chosen = dict(default_backends(spec.profile))
    for stage, backend in spec.backends.items():
        path = ("backends", stage)
        known = tuple(b.id for b in BACKENDS if b.stage == stage)
        if not known:
            collector.unknown(path, stage, tuple(dict.fromkeys(b.stage for b in BACKENDS)), what="stage with backends")
        elif backend not in known:
            has = ", ".join(f"`{name}`" for name in known)
            collector.not_yet(path, f"backend `{backend}` of stage {stage} is", f"it has {has}")
        chosen[stage] = backend
    for metric in spec.expect.bounds if spec.expect is not None else ():
        if (measuring := backend_measuring(metric)) is not None:
            chosen.setdefault(measuring.stage, measuring.id)
    if "render" in spec.backends:
        for stage in ("check", "preview"):  # the scene is looked at as it is drawn
            if stage not in spec.backends:
                chosen[stage] = chosen["render"]
    standing_in = [stage for stage in _STANDS_IN if chosen[stage] == "embedded" and stage not in spec.backends]
    if spec.profile != "draft" and standing_in:
        what = f"profile {spec.profile} has no models of its own for {', '.join(standing_in)} yet: `embedded` does them"
        collector.warn(("profile",), what, "write them under `backends:` to say that you know")
    return MappingProxyType(chosen)


def _check_rest(collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...]) -> None:
    """Checks and notes the parts of the language that this version only reads."""
    for name in spec.motion:
        check_removed(collector, spec.objects, ("motion", name), name)
    check_hanging(collector, spec)
    for index, key in enumerate(spec.camera.keys):
        at: SpecPath = ("camera", index)
        check_removed(collector, spec.objects, (*at, "look_at"), key.look_at)
        check_removed(collector, spec.objects, (*at, "orbit", "around"), key.orbit and key.orbit.around)
    if spec.scene is not None:
        for section in ("motion", "simulate", "camera"):
            if collector.has_key((section,)):
                message = f"`{section}` has no effect beside `scene: {{blend: ...}}`: the file has its own"
                collector.warn((section,), message, "remove the section")
