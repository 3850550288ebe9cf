"""Objects of a spec to resolved records, all coordinates in pixels of the prepared photo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from i2v3d.spec import resolved
from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath, path_text
from i2v3d.spec.photo_scale import PhotoScale
from i2v3d.spec.references import FONT, MESH, find_file
from i2v3d.spec.resolve_edits import check_removed, mesh_of, resolve_edits
from i2v3d.spec.resolve_parents import resolve_parent
from i2v3d.spec.resolve_prompts import resolve_prompts

if TYPE_CHECKING:
    from i2v3d.spec.model.objects import Mesh, SceneObject


@dataclass(frozen=True)
class Surfaces:
    """What of the background things may stand on: a table, and whether the ground is known by its mesh only."""

    has_table: bool
    ground_is_mesh: bool


def resolve_objects(
    collector: Collector, objects: dict[str, SceneObject], scale: PhotoScale, *, surfaces: Surfaces
) -> tuple[resolved.SceneObject, ...]:
    """Returns the objects in spec order; what is wrong or not possible yet is noted."""
    found = []
    for name, thing in objects.items():
        path: SpecPath = ("objects", name)
        _check_kind(collector, path, name, thing)
        _check_removed(collector, path, thing)
        original = _original_of(collector, path, name, objects)
        prompts = resolve_prompts(collector, (*path, "segment"), thing.segment, scale) if thing.segment else None
        shape = _shape(collector, path, thing.mesh if original is None else (thing.mesh or objects[original].mesh))
        is_copied = any(other.copy_of == name for other in objects.values())
        parent, bone = resolve_parent(collector, path, name, objects)
        rests_somewhere = thing.distance is None and (is_copied or not thing.remove)
        stands = rests_somewhere if thing.stands is None else thing.stands
        found.append(
            resolved.SceneObject(
                name=name,
                prompts=prompts,
                copy_of=original,
                shape=shape,
                place=_place(collector, path, objects, surfaces),
                height_m=thing.height,
                pivot_m=cast(resolved.Vector, tuple(thing.pivot)),
                contact_y_px=scale.row(thing.contact),
                is_standing=stands,
                distance_m=thing.distance,
                class_name=thing.class_name,
                spec_path=path_text(path),
                edits=resolve_edits(collector, path, thing, objects),
                is_removed=thing.remove,
                parent=parent or None,
                mesh_of=mesh_of(name, objects),
                parent_bone=bone,
                is_gripped=thing.parent is not None and thing.parent.grip,
            )
        )
    return tuple(found)


def _check_kind(collector: Collector, path: SpecPath, name: str, thing: SceneObject) -> None:
    """An object is cut out of the photo, a copy, or added: exactly one of them."""
    if thing.segment is not None and thing.copy_of is not None:
        collector.error((*path, "copy"), "both `segment` and `copy` are given", "an object of the photo is no copy")
    elif thing.segment is None and thing.copy_of is None:
        is_made = thing.mesh is not None and (thing.mesh.file or thing.mesh.text)
        if not is_made:
            hint = "give `segment: {box: [...]}`, `copy: NAME`, or `mesh: {file: x.glb}` with `place`"
            collector.error(path, f"nothing says what `{name}` looks like", hint)
        elif thing.place is None and not (thing.parent is not None and thing.parent.grip):
            collector.error(path, f"nothing says where `{name}` stands", "add `place: {at: [x, y]}`")
    if thing.segment is not None and thing.stands and thing.distance is not None:
        hint = "leave out `stands: true` or `distance`"
        collector.error((*path, "distance"), "what stands on the ground has its distance from there", hint)


def _original_of(collector: Collector, path: SpecPath, name: str, objects: dict[str, SceneObject]) -> str | None:
    """Follows copies of copies to the object that has a mesh."""
    original, seen = objects[name].copy_of, [name]
    if original is None:
        return None
    while True:
        if original not in objects:
            collector.unknown((*path, "copy"), original, tuple(other for other in objects if other != name))
            return None
        if original in seen:
            loop = " -> ".join(f"`{step}`" for step in (*seen, original))
            collector.error((*path, "copy"), f"the copies go in a circle: {loop}", "one of them needs a mesh")
            return None
        following = objects[original].copy_of
        if following is None:
            return original
        seen.append(original)
        original = following


def _check_removed(collector: Collector, path: SpecPath, thing: SceneObject) -> None:
    if thing.remove and thing.segment is None:
        collector.error((*path, "remove"), "only what is in the photo can be taken out of it", "leave the object out")


def _shape(collector: Collector, path: SpecPath, mesh: Mesh | None) -> resolved.MeshShape | resolved.TextShape:
    path = (*path, "mesh")
    default = resolved.Inflate(thickness=0.6, back="mirror")
    if mesh is None:
        return default
    if mesh.inflate is not None:
        back = cast(Literal["mirror", "smooth"], mesh.inflate.back)
        return resolved.Inflate(thickness=mesh.inflate.thickness, back=back)
    if mesh.lathe is not None:
        return resolved.Lathe(segments=mesh.lathe.segments)
    if mesh.card is not None:
        return resolved.Card()
    if mesh.box is not None:
        return resolved.Box(depth_m=mesh.box.depth)
    if mesh.file is not None:
        file = find_file(collector, collector.below(path, "file"), mesh.file, MESH)
        return resolved.MeshFile(file or Path(mesh.file))
    if mesh.text is not None:
        font = mesh.text.font
        file = None if font is None else find_file(collector, (*path, "text", "font"), font, FONT)
        return resolved.TextShape(mesh.text.content, file, mesh.text.depth)
    hint = "use inflate, lathe, card, box or a mesh file"
    collector.not_yet(collector.below(path, "model"), f"the mesh model `{mesh.model}` is", hint)
    return default


def _place(
    collector: Collector, path: SpecPath, objects: dict[str, SceneObject], surfaces: Surfaces
) -> resolved.Place | None:
    names, thing = tuple(objects), objects[str(path[1])]
    place, path = thing.place, (*path, "place")
    if place is None:
        is_put = thing.copy_of is not None or thing.segment is None
        return resolved.Place((0.0, 0.0, 0.0), thing.copy_of is not None, 0.0) if is_put else None
    if place.on == "table" and not surfaces.has_table:
        collector.error((*path, "on"), "there is no table", "write `on: ground`, or `background: {layout: table}`")
    on = None if place.on == "table" else place.on
    if on not in (None, "ground"):
        if on == path[1]:
            collector.error((*path, "on"), f"`{on}` can't stand on itself", "name another object, or `ground`")
        elif on in names:
            check_removed(collector, objects, (*path, "on"), on)
        else:
            collector.unknown((*path, "on"), str(on), ("ground", "table", *names), what="surface")
    at = tuple(place.at or (0.0, 0.0))
    if place.on is not None and len(at) == 3:
        collector.error((*path, "at"), "the height is given twice, by `on` and by the third number", "leave one out")
    at_m = cast(resolved.Vector, (*at, 0.0)[:3])
    if on == "ground" and not surfaces.ground_is_mesh:
        on = None  # the declared ground is Z = 0
    return resolved.Place(at_m, thing.copy_of is not None and place.on is None, place.turn, on)
