"""The declared background of a spec to its resolved record."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from i2v3d.spec import resolved
from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.photo_scale import PhotoScale
from i2v3d.spec.references import DEPTH, find_file, find_picture

if TYPE_CHECKING:
    from i2v3d.spec.model.background import Background


def resolve_background(
    collector: Collector,
    background: Background,
    scale: PhotoScale,
    *,
    fov_rad: float,
    pitch_rad: float | None,
    has_shadows: bool,
) -> resolved.Background:
    """Returns the declared layout.

    Args:
        collector: Takes all problems.
        background: The section as given.
        scale: Sizes of the photo.
        fov_rad: Horizontal field of view of the source camera.
        pitch_rad: Its declared pitch, which gives the horizon when that is not declared.
        has_shadows: Whether some object stands on the ground, and so has a contact shadow.
    """
    path: SpecPath = ("background",)
    kind, depth_file = _layout(collector, background)
    depth = background.layout.depth
    horizon = _horizon(collector, background, scale, fov_rad, pitch_rad)
    contact = scale.row(background.contact)
    if contact is not None and horizon is not None and contact <= horizon:
        collector.error((*path, "contact"), "the backdrop meets the ground above the horizon", "give a row below it")
    wall_path: SpecPath = ("background", "back_wall")
    if background.layout.word == "room" and background.back_wall is None:
        hint = "give `back_wall: [left, top, right, bottom]`, the rectangle of the wall at the far end"
        collector.error(("background",), "a room is solved from its back wall, and none is given", hint)
    edges = background.back_wall
    wall = scale.checked_box(collector, wall_path, edges, "the back wall") if edges else None
    if wall is not None and kind != "room":
        collector.warn(wall_path, f"a layout `{kind}` has no back wall", "write `layout: room`")
    return resolved.Background(
        layout=cast(Literal["ground_and_backdrop"], kind),
        horizon_y_px=horizon,
        contact_y_px=contact,
        back_wall_px=wall,
        distance_m=background.distance,
        depth_file=depth_file,
        depth_kind=cast(Literal["metric", "inverse"], depth.kind if depth else "metric"),
        near_m=depth.near if depth else 1.0,
        far_m=depth.far if depth else 100.0,
        margin=background.margin,
        hole_grow_px=round(scale.default_px(6.0) if background.grow is None else background.grow),
        shadow_grow_px=_shadow(background, scale, has_shadows=has_shadows),
        forbidden=tuple(
            scale.checked_points(collector, (*path, "forbid"), polygon, "the polygon") for polygon in background.forbid
        ),
    )


def _layout(collector: Collector, background: Background) -> tuple[str, Path | None]:
    """Returns the kind of layout, and the depth file of a layout by depth."""
    layout = background.layout
    layout_path: SpecPath = ("background", "layout") if collector.has_key(("background", "layout")) else ("background",)
    kind, depth_file = layout.word or "ground_and_backdrop", None
    if layout.depth is not None:
        kind = "depth"
        depth_path = (*layout_path, "depth")
        depth_file = find_file(collector, collector.below(depth_path, "file"), layout.depth.file, DEPTH)
        if layout.depth.near >= layout.depth.far:
            collector.error((*depth_path, "near"), "`near` is not below `far`", "give metres, for example 1m and 100m")
    elif layout.views is not None:
        for index, view in enumerate(layout.views):
            find_picture(collector, (*layout_path, "views", index), view, "view")
        collector.not_yet((*layout_path, "views"), "layouts from several photos are", "use a declared layout")
    elif layout.model is not None:
        collector.not_yet(layout_path, f"the layout model `{layout.model}` is", "use a declared layout or a depth file")
    return kind, depth_file


def _horizon(
    collector: Collector, background: Background, scale: PhotoScale, fov_rad: float, pitch_rad: float | None
) -> float | None:
    if pitch_rad is None:
        return scale.row(background.horizon)
    if background.horizon is not None:
        message = "both the horizon and the camera's pitch are given"
        collector.error(("background", "horizon"), message, "each follows from the other: leave one out")
    focal_px = 0.5 * scale.prepared.width / math.tan(0.5 * fov_rad)
    return scale.prepared.height / 2 + focal_px * math.tan(pitch_rad)


def _shadow(background: Background, scale: PhotoScale, *, has_shadows: bool) -> int:
    if background.shadow is None:
        return round(0.03 * scale.prepared.height) if has_shadows else 0
    return max(0, round(scale.row(background.shadow) or 0.0))
