"""Objects and background of a spec to resolved records, all coordinates in pixels of the prepared photo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from i2v3d.geometry.resolution import Resolution
from i2v3d.spec import resolved
from i2v3d.spec.collect import Collector
from i2v3d.spec.references import DEPTH, MESH, find_file, find_picture
from i2v3d.spec.yaml_marks import SpecPath

if TYPE_CHECKING:
    from i2v3d.spec.model.background import Background
    from i2v3d.spec.model.objects import Mesh, SceneObject, Segment

Point = tuple[float, float]
REFERENCE_WIDTH = 1024.0  # default widths in pixels are for a picture this wide


@dataclass(frozen=True)
class PhotoScale:
    """From what a spec writes (pixels of the original photo, or shares) to pixels of the prepared photo."""

    original: Resolution
    prepared: Resolution

    def points(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Returns the points; shares when no coordinate of them is beyond -1..1."""
        if all(-1 <= value <= 1 for point in points for value in point):
            scale_x, scale_y = float(self.prepared.width), float(self.prepared.height)
        else:
            scale_x = self.prepared.width / self.original.width
            scale_y = self.prepared.height / self.original.height
        return tuple((x * scale_x, y * scale_y) for x, y in points)

    def box(self, box: Sequence[float]) -> tuple[float, float, float, float]:
        """Returns (left, top, right, bottom)."""
        (left, top), (right, bottom) = self.points(((box[0], box[1]), (box[2], box[3])))
        return left, top, right, bottom

    @staticmethod
    def is_mixed(points: Sequence[Sequence[float]]) -> bool:
        """Returns whether some coordinates can only be shares and others only pixels."""
        values = [abs(value) for point in points for value in point]
        return any(0 < value < 1 for value in values) and any(value > 1 for value in values)

    def is_inside(self, point: Point) -> bool:
        """Returns whether a point of the prepared photo lies in it, within rounding of the last pixel."""
        slack_x, slack_y = 1e-6 * self.prepared.width, 1e-6 * self.prepared.height
        return (
            -slack_x <= point[0] <= self.prepared.width + slack_x
            and -slack_y <= point[1] <= self.prepared.height + slack_y
        )

    def default_px(self, at_reference: float) -> float:
        """Returns a width given for a picture of 1024 pixels."""
        return at_reference * self.prepared.width / REFERENCE_WIDTH


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
        prompts = _prompts(collector, path, thing.segment, scale) if thing.segment else None
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
                contact_y_px=_row(thing.contact, scale),
                is_standing=stands,
                distance_m=thing.distance,
                class_name=thing.class_name,
                spec_path=f"objects.{name}",
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
    if thing.parent is not None and thing.parent.split(".")[0] not in names and thing.parent not in names:
        collector.unknown((*path, "parent"), thing.parent.split(".")[0], names)
    if thing.replace is not None and thing.replace.object is not None and thing.replace.object not in names:
        collector.unknown((*path, "replace"), thing.replace.object, names)


def _prompts(collector: Collector, path: SpecPath, segment: Segment, scale: PhotoScale) -> resolved.Prompts:
    path = (*path, "segment")
    if segment.box is None and segment.points is None and not segment.polygon and segment.mask is None:
        collector.error(path, "no outline is given", "give box, points, polygon or mask")
    if segment.points is not None and not segment.points.include:
        collector.error((*path, "points"), "no point lies on the thing", "add one to `include`")
    include: tuple[Point, ...] = ()
    exclude: tuple[Point, ...] = ()
    if segment.points is not None:
        everything = scale.points([*segment.points.include, *segment.points.exclude])
        count = len(segment.points.include)
        include, exclude = everything[:count], everything[count:]
        if not all(scale.is_inside(point) for point in everything):
            collector.error((*path, "points"), "a point lies outside the picture", _picture_hint(scale))
    polygons = tuple(scale.points(polygon) for polygon in segment.polygon or ())
    if not all(scale.is_inside(point) for polygon in polygons for point in polygon):
        collector.error((*path, "polygon"), "the polygon leaves the picture", _picture_hint(scale))
    mask = find_picture(collector, (*path, "mask"), segment.mask, "mask") if segment.mask is not None else None
    if mask is not None:
        _check_mask_shape(collector, (*path, "mask"), Resolution(mask[1].width, mask[1].height), scale)
    return resolved.Prompts(
        box=_box(collector, (*path, "box"), segment.box, scale) if segment.box else None,
        include_points=include,
        exclude_points=exclude,
        polygons=polygons,
        mask_file=mask[0] if mask else None,
        band_px=scale.default_px(8.0) if segment.band is None else segment.band,
        soft_px=scale.default_px(4.0) if segment.soft is None else segment.soft,
    )


def _box(
    collector: Collector, path: SpecPath, box: Sequence[float], scale: PhotoScale
) -> tuple[float, float, float, float]:
    left, top, right, bottom = found = scale.box(box)
    if scale.is_mixed((box,)):
        hint = "give all four as pixels of the photo, or all from 0 to 1"
        collector.error(path, f"the box {_numbers(box)} mixes shares and pixels", hint)
    elif left >= right or top >= bottom:
        hint = "a box is [left, top, right, bottom], from the top left corner of the photo"
        collector.error(path, "the box is empty: its right or bottom edge is not beyond the left or top one", hint)
    elif not scale.is_inside((left, top)) or not scale.is_inside((right, bottom)):
        collector.error(path, f"the box {_numbers(box)} leaves the picture", _picture_hint(scale))
    return found


def _check_mask_shape(collector: Collector, path: SpecPath, mask: Resolution, scale: PhotoScale) -> None:
    photo = scale.original
    if abs(mask.width / mask.height - photo.width / photo.height) > 0.02 * photo.width / photo.height:
        sizes = f"{mask.width} x {mask.height}, the photo {photo.width} x {photo.height}"
        collector.error(path, f"the mask has another shape than the photo: {sizes}", "give a mask of the whole photo")


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
        file = find_file(collector, _below(collector, path, "file"), mesh.file, MESH)
        return resolved.MeshFile(file or Path(mesh.file))
    if mesh.text is not None:
        collector.not_yet(_below(collector, path, "text"), "text objects are")
    else:
        hint = "use inflate, lathe, card, box or a mesh file"
        collector.not_yet(_below(collector, path, "model"), f"the mesh model `{mesh.model}` is", hint)
    return default


def _below(collector: Collector, path: SpecPath, key: str) -> SpecPath:
    """The path of a form written as a mapping, or of the word that stands for it."""
    return (*path, key) if collector.has_key((*path, key)) else path


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


def resolve_background(
    collector: Collector, background: Background, scale: PhotoScale, *, fov_rad: float, pitch_rad: float | None
) -> resolved.Background:
    """Returns the declared layout; `pitch_rad` of the source camera gives the horizon when it is not declared."""
    path: SpecPath = ("background",)
    layout = background.layout
    layout_path: SpecPath = ("background", "layout") if collector.has_key(("background", "layout")) else path
    kind, depth_file = layout.word or "ground_and_backdrop", None
    if layout.depth is not None:
        kind = "depth"
        depth_path = (*layout_path, "depth")
        depth_file = find_file(collector, _below(collector, depth_path, "file"), layout.depth.file, DEPTH)
        if layout.depth.near >= layout.depth.far:
            collector.error((*depth_path, "near"), "`near` is not below `far`", "give metres, for example 1m and 100m")
    elif layout.views is not None:
        collector.not_yet((*layout_path, "views"), "layouts from several photos are", "use a declared layout")
    elif layout.model is not None:
        collector.not_yet(layout_path, f"the layout model `{layout.model}` is", "use a declared layout or a depth file")
    horizon = _horizon(collector, background, scale, fov_rad, pitch_rad)
    contact = _row(background.contact, scale)
    if contact is not None and horizon is not None and contact <= horizon:
        collector.error((*path, "contact"), "the backdrop meets the ground above the horizon", "give a row below it")
    wall = scale.box(background.back_wall) if background.back_wall else None
    if wall is not None and (wall[0] >= wall[2] or wall[1] >= wall[3]):
        collector.error((*path, "back_wall"), "the back wall is empty", "give [left, top, right, bottom]")
    if wall is not None and kind != "room":
        collector.warn((*path, "back_wall"), f"a layout `{kind}` has no back wall", "write `layout: room`")
    return resolved.Background(
        layout=cast(Literal["ground_and_backdrop"], kind),
        horizon_y_px=horizon,
        contact_y_px=contact,
        back_wall_px=wall,
        distance_m=background.distance,
        depth_file=depth_file,
        depth_kind=cast(Literal["metric", "inverse"], layout.depth.kind if layout.depth else "metric"),
        near_m=layout.depth.near if layout.depth else 1.0,
        far_m=layout.depth.far if layout.depth else 100.0,
        margin=background.margin,
        hole_grow_px=round(scale.default_px(6.0) if background.grow is None else background.grow),
        shadow_grow_px=_shadow(background, scale),
        forbidden=tuple(scale.points(polygon) for polygon in background.forbid),
    )


def _horizon(
    collector: Collector, background: Background, scale: PhotoScale, fov_rad: float, pitch_rad: float | None
) -> float | None:
    if pitch_rad is None:
        return _row(background.horizon, scale)
    if background.horizon is not None:
        message = "both the horizon and the camera's pitch are given"
        collector.error(("background", "horizon"), message, "each follows from the other: leave one out")
    focal_px = 0.5 * scale.prepared.width / math.tan(0.5 * fov_rad)
    return scale.prepared.height / 2 + focal_px * math.tan(pitch_rad)


def _shadow(background: Background, scale: PhotoScale) -> int:
    if background.shadow is None:
        return round(0.03 * scale.prepared.height)
    return max(0, round(background.shadow.to_px(original=scale.original.height, prepared=scale.prepared.height)))


def _row(row: object, scale: PhotoScale) -> float | None:
    from i2v3d.spec.units import Row

    if not isinstance(row, Row):
        return None
    return row.to_px(original=scale.original.height, prepared=scale.prepared.height)


def _picture_hint(scale: PhotoScale) -> str:
    return f"the photo has {scale.original.width} x {scale.original.height} pixels; or give shares from 0 to 1"


def _numbers(values: Sequence[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"
