"""The camera section to resolved keys, and to the rig that goes on top of them or takes their place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

from i2v3d.errors import I2V3DError
from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.references import CAMERA_PATH, find_file
from i2v3d.spec.resolve_motion import Timing, resolve_times
from i2v3d.spec.resolved import (
    CameraFollow,
    CameraKey,
    CameraPathFile,
    CameraRig,
    CameraShake,
    CameraThrough,
    Vector,
)

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.camera import CameraKey as CameraKeySpec
    from i2v3d.spec.model.camera import Preset

_WAYS = ("keys", "preset", "through", "file")
_DEFAULT_SENSOR_M = 0.036
SOURCE_VIEW = CameraKey(0.0, 0.0, 0.0, 1.0, None, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0, None, 1.0, "linear")


def declared_fov(collector: Collector, spec: Spec) -> float | None:
    """Returns the horizontal field of view that the spec gives, as an angle or as a lens."""
    camera = spec.source.camera
    if camera.lens is None:
        return camera.fov
    if camera.fov is not None:
        collector.error(("source", "camera", "lens"), "both `fov` and `lens` are given", "keep one of them")
    return camera.lens.fov_rad


def resolve_camera(
    collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...], *, fov_rad: float
) -> tuple[CameraKey, ...]:
    """Returns the camera keys from frame 0 on, each with every value; what is left out stays as at the key before.

    Args:
        collector: Takes all problems.
        spec: The checked spec.
        timing: Of the clip.
        names: The objects.
        fov_rad: Horizontal field of view of the source camera over the whole photo.
    """
    given = [way for way in _WAYS if getattr(spec.camera, way)]
    if len(given) > 1:
        message = f"both `{given[0]}` and `{given[1]}` say where the camera goes"
        collector.error(("camera", given[1]), message, "keep one of them; `follow` and `handheld` go with each")
    if spec.camera.preset:
        return _preset_keys(collector, spec.camera.preset, timing, names)
    return _key_path(collector, spec, timing, names, fov_rad=fov_rad)


def _key_path(
    collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...], *, fov_rad: float
) -> tuple[CameraKey, ...]:
    path: SpecPath = ("camera", "keys") if collector.has_key(("camera", "keys")) else ("camera",)
    keys = spec.camera.keys
    frames = resolve_times(collector, timing, [key.at for key in keys], path)
    default = names[0] if len(names) == 1 else None
    before = SOURCE_VIEW
    lens = spec.source.camera.lens
    source_focal_m = (lens.sensor if lens else _DEFAULT_SENSOR_M) / 2 / math.tan(fov_rad / 2)
    resolved = [before] if not frames or frames[0] > 0 else []
    for index, (key, frame) in enumerate(zip(keys, frames, strict=True)):
        _check_camera_key(collector, key, (*path, index), names)
        around = _centre(collector, key, before, (*path, index)) or (default if key.orbit else None)
        if key.orbit is not None and around is None:
            hint = "name an object or a point `[x, y, z]`"
            collector.error((*path, index, "orbit"), "the orbit has no `around`", hint)
        before = _inherited(key, before, frame, around)
        if key.lens is not None:
            before = replace(before, zoom=key.lens.focal / source_focal_m)
        resolved.append(before)
    # The source view has no centre of its own: it is the path's centre at a turn of zero.
    centre = next((key.orbit_around for key in resolved if key.orbit_around is not None), None)
    sizes = {key.keep_size for key in keys if key.keep_size is not None}
    if len(sizes) > 1:
        index = [key.keep_size for key in keys].index(next(size for size in sizes if size != keys[0].keep_size))
        collector.error((*path, index, "keep_size"), "a path keeps the size of one thing", "keep one of them")
    held = next(iter(sizes), None)
    return tuple(replace(key, orbit_around=centre, keep_size=held) for key in resolved)


def _preset_keys(
    collector: Collector, presets: Sequence[Preset], timing: Timing, names: tuple[str, ...]
) -> tuple[CameraKey, ...]:
    """Returns the keys that a list of moves stands for, each move starting from where the one before it ended."""
    keys = [SOURCE_VIEW]
    last = float(timing.frame_count - 1)
    listed = collector.tree.find(("camera", "preset")).value
    for index, preset in enumerate(presets):
        path: SpecPath = ("camera", "preset", index) if isinstance(listed, list) else ("camera", "preset")
        if preset.move == "dolly_zoom" and len(presets) > 1:
            collector.error(path, "a `dolly_zoom` keeps one size on the whole path", "give it alone")
        start = keys[-1].frame if preset.start is None else timing.frame(preset.start)
        end = last if preset.end is None else timing.frame(preset.end)
        if start < keys[-1].frame or end <= start or end > last:
            message = f"the move would be from frame {start:g} to frame {end:g}"
            hint = f"moves follow one another from frame {keys[-1].frame:g} on; the clip ends at frame {last:g}"
            collector.error(path, message, hint)
            continue
        target = preset.around if preset.around is not None else names[0] if len(names) == 1 else None
        if isinstance(target, str) and target not in names:
            collector.unknown((*path, "around"), target, names)
        if start > keys[-1].frame:
            keys.append(replace(keys[-1], frame=start, ease="linear"))
        key = _moved(collector, keys[-1], preset, target, path)
        ease = preset.ease or ("linear" if preset.move == "orbit" else "in_out_sine")
        keys.append(replace(key, frame=end, ease=ease))
    centre, per, held = (_only(collector, keys, name) for name in ("orbit_around", "travel_per", "keep_size"))
    return tuple(replace(key, orbit_around=centre, travel_per=per, keep_size=held) for key in keys)


def _only(collector: Collector, keys: Sequence[CameraKey], name: str) -> str | Vector | None:
    """Returns what the keys refer to under this name; a path refers to one thing."""
    found = list(dict.fromkeys(getattr(key, name) for key in keys if getattr(key, name) is not None))
    if len(found) > 1:
        message = f"the moves are about {_named(found[0])} and about {_named(found[1])}"
        collector.error(("camera", "preset"), message, "one path has one centre; write keys with `look_at` or `move`")
    return found[0] if found else None


_MOVE_KINDS: Mapping[str, tuple[str, ...]] = {  # what an amount may be; a bare number is the first
    "orbit": ("angle",),
    "arc": ("angle",),
    "push_in": ("share",),
    "dolly": ("length", "share"),
    "truck": ("length", "share"),
    "crane": ("length", "share"),
    "dolly_zoom": ("share",),
}
_DEFAULT_AMOUNTS: Mapping[str, float] = {  # radians or shares
    "orbit": math.tau,
    "arc": math.radians(30),
    "push_in": 0.3,
    "dolly": 0.3,
    "truck": 0.2,
    "crane": 0.2,
    "dolly_zoom": 0.4,
}
_EXAMPLES = {"angle": "`30deg`", "share": "`30%`", "length": "`1.5m`"}


def _moved(
    collector: Collector, key: CameraKey, preset: Preset, target: str | Vector | None, path: SpecPath
) -> CameraKey:
    """Returns the key after the move."""
    kinds = _MOVE_KINDS[preset.move]
    amount, kind = preset.amount or (_DEFAULT_AMOUNTS[preset.move], kinds[-1])
    if kind == "bare":
        amount, kind = (math.radians(amount) if kinds[0] == "angle" else amount), kinds[0]
    if kind not in kinds:
        hint = f"give it as {' or '.join(_EXAMPLES[kind] for kind in kinds)}"
        collector.error((*path, "amount"), f"{_article(kind)} is no amount of `{preset.move}`", hint)
        return key
    if kind == "share" and preset.move in ("push_in", "dolly_zoom") and not -20 <= amount <= 0.95 + 1e-9:
        collector.error((*path, "amount"), f"{amount:g} of the way is too far", "give up to 95%")
        return key
    if target is None and kind != "length":
        message = f"`{preset.move}` needs something that it is about"
        collector.error(path, message, "name it: `around: hero`, or a point `[x, y, z]`")
        return key
    if preset.rise is not None and preset.move not in ("orbit", "arc"):
        collector.error((*path, "rise"), f"`{preset.move}` has no rise", "use `crane`, or `arc`")
    match preset.move:
        case "orbit" | "arc":
            azimuth, rise = key.orbit_azimuth_rad + amount, key.orbit_elevation_rad + (preset.rise or 0.0)
            return replace(key, orbit_around=target, orbit_azimuth_rad=azimuth, orbit_elevation_rad=rise)
        case "push_in":
            return replace(key, orbit_around=target, orbit_distance=key.orbit_distance * (1 - amount))
        case "dolly_zoom":
            return replace(key, keep_size=target, approach=amount)
        case _:
            per = target if kind == "share" else None
            if any(key.travel) and key.travel_per != per:
                collector.error((*path, "amount"), "the moves mix metres and shares of a distance", "use one of them")
            right, up, forward = key.travel
            step = {"truck": (right + amount, up, forward), "crane": (right, up + amount, forward)}
            return replace(key, travel=step.get(preset.move, (right, up, forward + amount)), travel_per=per)


def _article(kind: str) -> str:
    return "an angle" if kind == "angle" else f"a {kind}"


def resolve_rig(collector: Collector, spec: Spec, names: tuple[str, ...]) -> CameraRig:
    """Returns what moves the camera besides keys."""
    camera = spec.camera
    follow = camera.follow
    if follow is not None and follow.object not in names:
        collector.unknown(collector.below(("camera", "follow"), "object"), follow.object, names)
    hand = camera.handheld
    return CameraRig(
        CameraFollow(follow.object, follow.lag, cast(Literal["moving", "turning"], follow.by)) if follow else None,
        CameraShake(hand.amount, hand.frequency, spec.seed) if hand else None,
        _path_file(collector, spec),
        _through(collector, spec, names),
    )


def _path_file(collector: Collector, spec: Spec) -> CameraPathFile | None:
    given = spec.camera.file
    if given is None:
        return None
    from i2v3d.geometry.camera_files import guess_format  # here, for it takes numpy along

    path = collector.below(("camera", "file"), "path")
    file = find_file(collector, path, given.path, CAMERA_PATH)
    if file is None:
        return None
    try:
        kind = given.format or guess_format(file)
    except I2V3DError as error:
        collector.error(path, error.message, "say it: `format: colmap`")
        return None
    if kind != "colmap":
        return CameraPathFile(file, None, kind, given.relative, given.scale, given.camera)
    if file.name != "images.txt":
        collector.error(path, "of a COLMAP model `images.txt` is named, and `cameras.txt` lies beside it")
    lenses = file.with_name("cameras.txt")
    return CameraPathFile(file, lenses if lenses.is_file() else None, kind, given.relative, given.scale, given.camera)


def _through(collector: Collector, spec: Spec, names: tuple[str, ...]) -> CameraThrough | None:
    if spec.camera.through is None:
        return None
    path, wanted = collector.below(("camera", "through"), "views"), spec.camera.through.views
    if wanted in names:
        if spec.objects[wanted].copy_of is not None:
            collector.error(path, f"`{wanted}` is a copy and has no views of its own", "name its original")
        return CameraThrough(wanted, spec.camera.through.reach)
    if wanted != "views":
        collector.unknown(path, wanted, names)
    originals = [name for name, thing in spec.objects.items() if thing.copy_of is None]
    if len(originals) != 1:
        hint = "name the object whose views are meant: `through: hero`"
        collector.error(
            path, "the background has one view, that of the photo: there is nothing to travel through", hint
        )
        return None
    return CameraThrough(originals[0], spec.camera.through.reach)


def _check_camera_key(collector: Collector, key: CameraKeySpec, path: SpecPath, names: tuple[str, ...]) -> None:
    targets = (("orbit", "around"), key.orbit and key.orbit.around), (("look_at",), key.look_at)
    for steps, target in (*targets, (("keep_size",), key.keep_size)):
        if isinstance(target, str) and target not in names:
            collector.unknown((*path, *steps), target, names)
    for turn in ("pan", "tilt"):
        if key.look_at is not None and getattr(key, turn) is not None:
            collector.error((*path, turn), f"`{turn}` has no effect beside `look_at`", "keep one of them")
    if key.lens is not None and key.zoom is not None:
        collector.error((*path, "lens"), "both `zoom` and `lens` are given", "keep one of them")


def _centre(collector: Collector, key: CameraKeySpec, before: CameraKey, path: SpecPath) -> str | Vector | None:
    """Returns what the key's orbit goes around; a path has one centre."""
    around = key.orbit.around if key.orbit is not None else None
    if around is not None and before.orbit_around not in (None, around):
        centre = _named(before.orbit_around)
        message = f"the orbit goes around {_named(around)}, before it went around {centre}"
        collector.error((*path, "orbit", "around"), message, "a path has one centre; use `look_at` or `move`")
    return before.orbit_around if around is None else around


def _inherited(key: CameraKeySpec, before: CameraKey, frame: float, around: str | Vector | None) -> CameraKey:
    orbit = key.orbit
    return CameraKey(
        frame=frame,
        orbit_azimuth_rad=_kept(orbit.azimuth if orbit else None, before.orbit_azimuth_rad),
        orbit_elevation_rad=_kept(orbit.elevation if orbit else None, before.orbit_elevation_rad),
        orbit_distance=_kept(orbit.distance if orbit else None, before.orbit_distance),
        orbit_around=around,
        move_m=before.move_m if key.move is None else key.move,
        dolly_m=_kept(key.dolly, before.dolly_m),
        pan_rad=_kept(key.pan, before.pan_rad),
        tilt_rad=_kept(key.tilt, before.tilt_rad),
        roll_rad=_kept(key.roll, before.roll_rad),
        look_at=before.look_at if key.look_at is None else key.look_at,
        zoom=_kept(key.zoom, before.zoom),
        ease=key.ease,
    )


def _kept(value: float | None, before: float) -> float:
    return before if value is None else value


def _named(target: str | Vector | None) -> str:
    return f"`{target}`" if isinstance(target, str) else str(list(target or ()))
