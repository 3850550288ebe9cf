"""Objects of a spec to resolved records, all coordinates in pixels of the prepared photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from i2v3d.spec import resolved
from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath, path_text
from i2v3d.spec.photo_scale import PhotoScale
from i2v3d.spec.references import FONT, MESH, find_file, find_picture
from i2v3d.spec.resolve_prompts import resolve_prompts

if TYPE_CHECKING:
    from i2v3d.spec.model.objects import Mesh, SceneObject


def resolve_objects(
    collector: Collector, objects: dict[str, SceneObject], scale: PhotoScale, *, table_is_ground: bool
) -> tuple[resolved.SceneObject, ...]:
    """Returns the objects in spec order; what is wrong or not possible yet is noted."""
    names = tuple(objects)
    found = []
    for name, thing in objects.items():
        path: SpecPath = ("objects", name)
        _check_kind(collector, path, name, thing)
        _note_unavailable(collector, path, thing, names)
        original = _original_of(collector, path, name, objects)
        prompts = resolve_prompts(collector, (*path, "segment"), thing.segment, scale) if thing.segment else None
        shape = _shape(collector, path, thing.mesh if original is None else (thing.mesh or objects[original].mesh))
        stands = thing.distance is None if thing.stands is None else thing.stands
        found.append(
            resolved.SceneObject(
                name=name,
                prompts=prompts,
                copy_of=original,
                shape=shape,
                place=_place(collector, path, thing, names, table_is_ground=table_is_ground),
                height_m=thing.height,
                pivot_m=cast(resolved.Vector, tuple(thing.pivot)),
                contact_y_px=scale.row(thing.contact),
                is_standing=stands,
                distance_m=thing.distance,
                class_name=thing.class_name,
                spec_path=path_text(path),
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
        elif thing.place is None:
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


def _note_unavailable(collector: Collector, path: SpecPath, thing: SceneObject, names: tuple[str, ...]) -> None:
    for key, value, what in (
        ("replace", thing.replace, "replacing objects is"),
        ("remove", thing.remove or None, "removing objects is"),
        ("parent", thing.parent, "hanging objects on others is"),
        ("material", thing.material, "material edits are"),
        ("shape", thing.shape, "shape edits are"),
    ):
        if value is not None:
            collector.not_yet((*path, key), what)
    if thing.replace is not None and thing.replace.file is not None:
        find_file(collector, (*path, "replace", "file"), thing.replace.file, MESH)
    if thing.material is not None and thing.material.image is not None:
        find_picture(collector, (*path, "material", "image"), thing.material.image, "material")
    if thing.shape is not None and thing.shape.displace is not None:
        find_picture(collector, (*path, "shape", "displace"), thing.shape.displace, "height picture")
    if thing.parent is not None and thing.parent.split(".")[0] not in names and thing.parent not in names:
        collector.unknown((*path, "parent"), thing.parent.split(".")[0], names)
    if thing.replace is not None and thing.replace.object is not None and thing.replace.object not in names:
        collector.unknown((*path, "replace"), thing.replace.object, names)


def _shape(collector: Collector, path: SpecPath, mesh: Mesh | None) -> resolved.MeshShape:
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
        if mesh.text.font is not None:
            find_file(collector, (*path, "text", "font"), mesh.text.font, FONT)
        collector.not_yet(collector.below(path, "text"), "text objects are")
    else:
        hint = "use inflate, lathe, card, box or a mesh file"
        collector.not_yet(collector.below(path, "model"), f"the mesh model `{mesh.model}` is", hint)
    return default


def _place(
    collector: Collector, path: SpecPath, thing: SceneObject, names: tuple[str, ...], *, table_is_ground: bool
) -> resolved.Place | None:
    place, path = thing.place, (*path, "place")
    if place is None:
        return resolved.Place((0.0, 0.0, 0.0), True, 0.0) if thing.copy_of is not None else None
    if place.on == "table" and not table_is_ground:
        collector.error((*path, "on"), "there is no table", "write `on: ground`, or `background: {layout: table}`")
    elif place.on not in (None, "ground", "table"):
        if place.on in names:
            collector.not_yet((*path, "on"), "standing on another object is", "give `at: [x, y, z]`")
        else:
            collector.unknown((*path, "on"), str(place.on), ("ground", "table", *names), what="surface")
    at = tuple(place.at or (0.0, 0.0))
    if place.on is not None and len(at) == 3:
        collector.error((*path, "at"), "the height is given twice, by `on` and by the third number", "leave one out")
    at_m = cast(resolved.Vector, (*at, 0.0)[:3])
    return resolved.Place(at_m, thing.copy_of is not None and place.on is None, place.turn)
