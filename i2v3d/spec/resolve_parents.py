"""What objects hang on: other objects, or bones of their rigs. Circles are noted, also those through reaching hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.objects import SceneObject


def split_parent(objects: dict[str, SceneObject], name: str) -> tuple[str, str]:
    """Returns the object that carries one, and the bone of it or nothing; both empty for what hangs on nothing."""
    given = objects[name].parent
    if given is None:
        return "", ""
    if given.to in objects or "." not in given.to:
        return given.to, ""
    owner = max((other for other in objects if given.to.startswith(f"{other}.")), key=len, default="")
    return (owner, given.to[len(owner) + 1 :]) if owner else (given.to.split(".")[0], given.to.split(".", 1)[1])


def resolve_parent(collector: Collector, path: SpecPath, name: str, objects: dict[str, SceneObject]) -> tuple[str, str]:
    """Returns the object that carries this one and its bone, or ("", ""); what is wrong is noted."""
    parent, bone = split_parent(objects, name)
    path = (*path, "parent")
    if objects[name].parent is None:
        return "", ""
    if parent not in objects:
        collector.unknown(path, parent, tuple(objects))
        return "", ""
    given = objects[name].parent
    if given is not None and given.to.endswith(".") and not bone:
        collector.error(path, f"`{given.to}` names no bone", f"write `{parent}`, or a bone: `{parent}.head`")
    if given is not None and given.grip and not bone:
        message = "only a bone has a grip"
        collector.error((*path, "grip"), message, f"name one: `parent: {{to: {parent}.hand_right, grip: true}}`")
    if objects[parent].remove:
        collector.error(path, f"`{parent}` is removed and can't carry anything", "hang it on something else")
        return "", ""
    seen, above = [name], parent
    while above in objects:
        if above in seen:
            loop = " -> ".join(f"`{step}`" for step in (*seen, above))
            collector.error(path, f"objects hang on each other in a circle: {loop}", "one of them must hang on nothing")
            return "", ""
        seen.append(above)
        above = split_parent(objects, above)[0]
    return parent, bone


def check_hanging(collector: Collector, spec: Spec) -> None:
    """Notes bones that there are not, and hands that reach for what hangs on themselves."""
    from i2v3d.spec.resolve_rigs import preset_of

    for name in spec.objects:
        parent, bone = split_parent(spec.objects, name)
        if not bone or parent not in spec.objects:
            continue
        path: SpecPath = ("objects", name, "parent")
        motion = spec.motion.get(parent)
        preset = preset_of(motion)
        if motion is None or motion.rig is None or preset is None:
            hint = f"add `motion: {{{parent}: {{rig: humanoid}}}}`, or hang it on the whole object"
            collector.error(path, f"`{parent}` has no rig, and so no bone `{bone}`", hint)
        elif motion.rig.file is None and bone not in preset.bone_names():
            collector.unknown(path, bone, preset.bone_names(), what=f"bone of a {preset.name}")
    for name, motion in spec.motion.items():
        for hand, goal in motion.reach.items():
            if goal.object in spec.objects and name in _waits_for(spec, str(goal.object), set()):
                message = f"`{name}` reaches for `{goal.object}`, which goes where `{name}` goes"
                hint = "reach for something else, or hang it on something else"
                collector.error(collector.below(("motion", name, "reach", hand), "object"), message, hint)


def _waits_for(spec: Spec, name: str, seen: set[str]) -> set[str]:
    """Returns the objects whose posed bones must be known before an object's place is."""
    if name in seen or name not in spec.objects:
        return set()
    seen.add(name)
    parent, bone = split_parent(spec.objects, name)
    found = _waits_for(spec, parent, seen)
    if bone:
        found |= {parent}
        motion = spec.motion.get(parent)
        for goal in motion.reach.values() if motion is not None else ():
            found |= _waits_for(spec, str(goal.object), seen)
    return found
