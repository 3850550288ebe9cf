"""`simulate` to resolved cloths and soft bodies, and to the fineness that their meshes need."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.resolve_edits import check_removed
from i2v3d.spec.resolve_parents import split_parent
from i2v3d.spec.resolved import MeshEdits, SceneObject, Vector
from i2v3d.spec.resolved_physics import ClothBody, Deforming, MeshDetail, Pinned, SoftBody

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.motion import Cloth
    from i2v3d.spec.model.motion import Pinned as PinnedSpec

GROUND = "ground"  # is in the way of every cloth
_SOFT_CELLS = 16
_ADDED_SETTLES_S = 1.0  # what is in the photo starts as the photo shows it


def resolve_deforming(collector: Collector, spec: Spec) -> dict[str, Deforming]:
    """Returns what is cloth or soft, in the order of the objects; unknown names are noted with the rigid ones."""
    found: dict[str, Deforming] = {}
    for name, thing in spec.objects.items():
        simulation = spec.simulate.get(name)
        if simulation is None or simulation.rigid is not None:
            continue
        path: SpecPath = ("simulate", name)
        motion = spec.motion.get(name)
        if motion is not None and motion.rig is not None:
            hint = "leave out one of the two, or hang the cloth on the figure: `parent: NAME`"
            collector.error(path, f"`{name}` has a rig, which moves its vertices already", hint)
        if simulation.cloth is not None:
            cloth = simulation.cloth
            _check_keys(collector, spec, path, name, is_held=cloth.pinned.side != "none")
            _check_obstacles(collector, spec, path, name)
            settles = _ADDED_SETTLES_S if thing.segment is None and thing.copy_of is None else 0.0
            gusts = zlib.crc32(f"{spec.seed} {name}".encode())  # whatever else is in the scene
            found[name] = _cloth(cloth, settles if cloth.settle is None else cloth.settle, gusts)
        elif simulation.soft is not None:
            soft = simulation.soft
            if soft.pinned.side == "none":
                message = "a soft body moves by what is held of it, and nothing is"
                collector.error((*path, "soft", "pinned"), message, "write `bottom`, or leave it out")
            found[name] = SoftBody(_pinned(soft.pinned), soft.amount, soft.damping)
    return found


def with_detail(
    objects: tuple[SceneObject, ...], deforming: Mapping[str, Deforming], spec: Spec
) -> tuple[SceneObject, ...]:
    """Returns the objects with the edits that cut the meshes of what deforms, each a mesh of its own."""
    made = []
    for thing in objects:
        body = deforming.get(thing.name)
        if body is not None:
            cloth = spec.simulate[thing.name].cloth
            detail = (
                MeshDetail(_SOFT_CELLS, body.pinned, "soft")
                if cloth is None
                else MeshDetail(cloth.detail, body.pinned, "cloth")
            )
            thing = replace(thing, edits=replace(thing.edits or MeshEdits(), detail=detail), mesh_of=thing.name)
        made.append(thing)
    return tuple(made)


def _cloth(cloth: Cloth, settle_s: float, seed: int) -> ClothBody:
    return ClothBody(
        pinned=_pinned(cloth.pinned),
        mass_kg_m2=cloth.mass,
        stiffness=cloth.stiffness,
        wind_m_s=cast(Vector, tuple(cloth.wind)),
        gusts=cloth.gusts,
        seed=seed,
        obstacles=tuple(other for other in dict.fromkeys(cloth.collide) if other != GROUND),
        settle_s=settle_s,
    )


def _pinned(pinned: PinnedSpec) -> Pinned:
    box = None if pinned.box is None else cast(tuple[Vector, Vector], tuple(tuple(corner) for corner in pinned.box))
    return Pinned(None if pinned.side == "none" else pinned.side, pinned.share, box)


def _check_keys(collector: Collector, spec: Spec, path: SpecPath, name: str, *, is_held: bool) -> None:
    motion, parent = spec.motion.get(name), spec.objects[name].parent
    keys = motion.keys if motion is not None else []
    if changing := _changing_size(spec, name):
        whose = "its motion" if changing == name else f"the motion of `{changing}`"
        collector.error(path, f"`{name}` changes its size, which a cloth can't", f"leave out `scale` in {whose}")
    if is_held:
        return
    hint = "pin a part of it, which then follows: `pinned: top`"
    if keys:
        collector.error(path, f"`{name}` is simulated and keyed at once: nothing of it is pinned", hint)
    if parent is not None:
        collector.error(path, f"`{name}` hangs on `{parent}`, and nothing of it is pinned", hint)


def _changing_size(spec: Spec, name: str) -> str:
    """Returns the object, this one or one that carries it, whose keys change its size; "" for none."""
    seen: set[str] = set()
    while name in spec.objects and name not in seen:
        motion = spec.motion.get(name)
        if motion is not None and any(key.scale is not None for key in motion.keys):
            return name
        seen.add(name)
        name = split_parent(spec.objects, name)[0]
    return ""


def _check_obstacles(collector: Collector, spec: Spec, path: SpecPath, name: str) -> None:
    cloth = spec.simulate[name].cloth
    for index, other in enumerate(cloth.collide if cloth is not None else ()):
        at = (*path, "cloth", "collide", index)
        simulation, motion = spec.simulate.get(other), spec.motion.get(other)
        if other == GROUND:
            continue
        if other == name:
            collector.error(at, "a cloth is no obstacle for itself", "leave it out")
        elif other not in spec.objects:
            collector.unknown(at, other, tuple(thing for thing in spec.objects if thing != name))
        elif motion is not None and motion.rig is not None:
            collector.not_yet(at, "a cloth on a figure that is bent by a rig is", f"leave out `{other}`")
        elif simulation is not None and simulation.rigid is None:
            collector.not_yet(at, "a cloth on what changes its shape is", f"leave out `{other}`")
        elif changing := _changing_size(spec, other):
            hint = f"leave out `{other}`, or `scale` in the motion of `{changing}`"
            collector.not_yet(at, "a cloth on what changes its size is", hint)
        check_removed(collector, spec.objects, at, other)
