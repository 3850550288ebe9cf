"""`camera.depth_of_field` to a resolved lens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.resolve_edits import check_removed
from i2v3d.spec.resolve_motion import Timing, resolve_times
from i2v3d.spec.resolved_physics import DepthOfField, FocusKey

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec

_DEFAULT_SENSOR_M = 0.036


def resolve_depth_of_field(
    collector: Collector, spec: Spec, timing: Timing, names: tuple[str, ...], *, fov_rad: float
) -> DepthOfField | None:
    """Returns the lens, or None for a pinhole; `fov_rad` is the photo's horizontal field of view."""
    given = spec.camera.depth_of_field
    if given is None:
        return None
    path: SpecPath = ("camera", "depth_of_field")
    lens = spec.source.camera.lens
    focal_m = (lens.sensor if lens else _DEFAULT_SENSOR_M) / 2 / math.tan(fov_rad / 2)
    shown = [name for name in names if not spec.objects[name].remove]
    if not given.focus:
        if given.focus is not None or len(shown) != 1:
            collector.error(path, "nothing says what is sharp", "add `focus: NAME`, or a distance `focus: 2.5m`")
            return None
        return DepthOfField(focal_m / given.f_stop, (FocusKey(0.0, shown[0], "linear"),))
    at = (*path, "focus")
    is_list = isinstance(collector.tree.find(at).value, list) and len(given.focus) > 1
    frames = resolve_times(collector, timing, [key.at for key in given.focus], at)
    keys = []
    for index, (key, frame) in enumerate(zip(given.focus, frames, strict=True)):
        where = (*at, index, "on") if is_list else at
        if isinstance(key.on, str) and key.on not in names:
            collector.unknown(where, key.on, names)
        check_removed(collector, spec.objects, where, key.on)
        if isinstance(key.on, float) and key.on <= 0:
            collector.error(where, f"a focus at {key.on:g} m is not before the camera", "give a distance above 0")
        keys.append(FocusKey(frame, key.on, key.ease))
    return DepthOfField(focal_m / given.f_stop, tuple(keys))
