"""`simulate` to resolved rigid bodies; what can't be simulated together is noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.resolve_edits import check_removed
from i2v3d.spec.resolved_physics import RigidBody

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec


def resolve_bodies(collector: Collector, spec: Spec) -> dict[str, RigidBody]:
    """Returns the rigid bodies in the order of the objects."""
    found: dict[str, RigidBody] = {}
    for name, simulation in spec.simulate.items():
        path: SpecPath = ("simulate", name)
        if name not in spec.objects:
            collector.unknown(path, name, tuple(spec.objects))
            continue
        check_removed(collector, spec.objects, path, name)
        rigid = simulation.rigid
        if rigid is None:
            continue  # see `resolve_deforming`
        found[name] = RigidBody(rigid.mass, rigid.friction, rigid.bounce, rigid.velocity, rigid.fixed)
        if not rigid.fixed:
            _check_free(collector, spec, path, name, has_velocity=any(rigid.velocity))
    if found and all(body.is_fixed for body in found.values()):
        collector.warn(("simulate",), "every body is fixed: nothing moves", "leave out `fixed` for what should fall")
    return {name: found[name] for name in spec.objects if name in found}


def _check_free(collector: Collector, spec: Spec, path: SpecPath, name: str, *, has_velocity: bool) -> None:
    parent = spec.objects[name].parent
    if parent is not None:
        message = f"`{name}` falls by itself and can't hang on `{parent.to}`"
        collector.error(path, message, "leave out `parent`, or write `fixed: true`")
    motion = spec.motion.get(name)
    keys = motion.keys if motion is not None else []
    if any(key.scale is not None for key in keys):
        collector.error(path, f"`{name}` changes its size, which a rigid body can't", "leave out `scale` in its motion")
    if keys and has_velocity:
        message = f"`{name}` has keys, which give it its velocity"
        collector.error(path, message, "leave out `velocity`; it is let go at its last key")
