"""Edits of objects (replaced, reshaped, coloured, hung on others) to resolved records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from i2v3d.spec import resolved
from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.references import MESH, find_file, find_picture

if TYPE_CHECKING:
    from i2v3d.spec.model.objects import SceneObject

_BACK_TO_LINEAR = 2.4


def has_edits(thing: SceneObject) -> bool:
    """Returns whether the object's mesh is changed, so that it has one of its own."""
    return any(part is not None for part in (thing.replace, thing.material, thing.shape))


def mesh_of(name: str, objects: dict[str, SceneObject]) -> str | None:
    """Returns the object whose finished mesh this one shows: the nearest it copies that has one of its own."""
    seen = set()
    while name in objects and name not in seen:
        seen.add(name)
        copied = objects[name].copy_of
        if copied is None or has_edits(objects[name]):
            return name
        name = copied
    return None


def resolve_edits(
    collector: Collector, path: SpecPath, thing: SceneObject, objects: dict[str, SceneObject]
) -> resolved.MeshEdits | None:
    """Returns the edits, or None without any; their files are checked."""
    if not has_edits(thing):
        return None
    replaced_by, replaced_file = _replacement(collector, path, thing, objects)
    material, shape = thing.material, thing.shape
    image = displace = None
    if material is not None and material.image is not None:
        image = find_picture(collector, (*path, "material", "image"), material.image, "material")
    if shape is not None and shape.displace is not None:
        displace = find_picture(collector, (*path, "shape", "displace"), shape.displace, "height picture")
    edits = resolved.MeshEdits(
        replaced_by=replaced_by,
        replaced_file=replaced_file,
        displace_file=None if displace is None else displace[0],
        image_file=None if image is None else image[0],
        tint=None if material is None or material.tint is None else _linear(material.tint),
    )
    if shape is None:
        return edits
    return replace(
        edits,
        part=shape.part,
        scale=(1.0, 1.0, 1.0) if shape.scale is None else cast(resolved.Vector, tuple(shape.scale)),
        bend_rad=shape.bend or 0.0,
        twist_rad=shape.twist or 0.0,
        displace_m=shape.amount,
    )


def _replacement(
    collector: Collector, path: SpecPath, thing: SceneObject, objects: dict[str, SceneObject]
) -> tuple[str | None, Path | None]:
    replacement = thing.replace
    if replacement is None:
        return None, None
    if replacement.file is not None:
        return None, find_file(collector, collector.below((*path, "replace"), "file"), replacement.file, MESH)
    name, seen = str(replacement.object), [str(path[1])]
    if name not in objects:
        collector.unknown((*path, "replace"), name, tuple(objects))
        return None, None
    while name in objects and name not in seen:
        seen.append(name)
        following = objects[name].replace
        name = objects[name].copy_of or (following.object if following is not None else None) or ""
    if name in seen:
        loop = " -> ".join(f"`{step}`" for step in (*seen, name))
        collector.error((*path, "replace"), f"the replacements go in a circle: {loop}", "one of them needs a mesh")
        return None, None
    return replacement.object, None


def _linear(colour: str) -> resolved.Vector:
    """Returns linear red, green, blue of `#rrggbb`."""
    levels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** _BACK_TO_LINEAR for level in levels)
    return cast(resolved.Vector, tuple(linear))


def check_removed(collector: Collector, objects: dict[str, SceneObject], path: SpecPath, name: object) -> None:
    """Notes the use of an object that is taken out of the scene."""
    if isinstance(name, str) and name in objects and objects[name].remove:
        collector.error(path, f"`{name}` is removed from the scene", "use another object, or leave out `remove`")
