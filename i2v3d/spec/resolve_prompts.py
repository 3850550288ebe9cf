"""What a spec says of an object's outline to resolved prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from i2v3d.geometry.resolution import Resolution
from i2v3d.spec import resolved
from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.photo_scale import PhotoScale, Point
from i2v3d.spec.references import find_picture

if TYPE_CHECKING:
    from i2v3d.spec.model.objects import Segment


def resolve_prompts(collector: Collector, path: SpecPath, segment: Segment, scale: PhotoScale) -> resolved.Prompts:
    """Returns the prompts of one object, whose `segment` is at `path`; notes what is wrong."""
    box = segment.box
    if box is None and segment.points is None and not segment.polygon and segment.mask is None:
        collector.error(path, "no outline is given", "give box, points, polygon or mask")
    include, exclude = _points(collector, (*path, "points"), segment, scale)
    mask = find_picture(collector, (*path, "mask"), segment.mask, "mask") if segment.mask is not None else None
    if mask is not None:
        _check_mask_shape(collector, (*path, "mask"), Resolution(mask[1].width, mask[1].height), scale)
    box_path = (*path, "box") if collector.has_key((*path, "box")) else path
    return resolved.Prompts(
        box=scale.checked_box(collector, box_path, box, f"the box {_numbers(box)}") if box else None,
        include_points=include,
        exclude_points=exclude,
        polygons=tuple(
            scale.checked_points(collector, (*path, "polygon"), polygon, "the polygon")
            for polygon in segment.polygon or ()
        ),
        mask_file=mask[0] if mask else None,
        band_px=scale.default_px(8.0) if segment.band is None else segment.band,
        soft_px=scale.default_px(4.0) if segment.soft is None else segment.soft,
    )


def _points(
    collector: Collector, path: SpecPath, segment: Segment, scale: PhotoScale
) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    points = segment.points
    if points is None:
        return (), ()
    if not points.include:
        collector.error(path, "no point lies on the thing", "add one to `include`")
    found = scale.checked_points(collector, path, [*points.include, *points.exclude], "a point")
    return found[: len(points.include)], found[len(points.include) :]


def _check_mask_shape(collector: Collector, path: SpecPath, mask: Resolution, scale: PhotoScale) -> None:
    photo = scale.original
    if abs(mask.width / mask.height - photo.width / photo.height) > 0.02 * photo.width / photo.height:
        sizes = f"{mask.width} x {mask.height}, the photo {photo.width} x {photo.height}"
        collector.error(path, f"the mask has another shape than the photo: {sizes}", "give a mask of the whole photo")


def _numbers(values: tuple[float, ...]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"
