"""From a declared background to the numbers of its surfaces (see `stages/layout.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array, Camera, Intrinsics
from i2v3d.geometry.layout_solve import ground_point, horizon_row

_EYE_SHARE = 0.6  # a room's horizon, as a share of its wall's height over the floor
_BEHIND = 1.15  # a backdrop of unknown distance is at least this much further away than what stands before it,
_FURTHEST_BEHIND = 1.6  # and at most this much, so that a camera that orbits the thing does not sweep past the photo
_BEHIND_FLOATING = 1.6
_LEAST_DISTANCE_M = 3.0
_FAR_SHARE = 12.0
_FAR_DOME_M = 1000.0


@dataclass(frozen=True)
class Surfaces:
    """What is declared of the background's geometry; fields as in `spec.resolved.Background`."""

    layout: Literal["ground_and_backdrop", "plane", "backdrop", "room", "dome", "depth"]
    horizon_y_px: float | None
    contact_y_px: float | None
    back_wall_px: tuple[float, float, float, float] | None
    distance_m: float | None
    depth_kind: Literal["metric", "inverse"]
    near_m: float
    far_m: float


def default_horizon(surfaces: Surfaces, intrinsics: Intrinsics) -> float:
    """Returns the horizon of an undeclared one: a table is seen from 45 degrees above, all else straight on."""
    if surfaces.layout == "plane":
        return intrinsics.centre_y_px - intrinsics.focal_y_px
    if surfaces.layout == "room" and surfaces.back_wall_px is not None:
        _, top, _, bottom = surfaces.back_wall_px
        return bottom - _EYE_SHARE * (bottom - top)
    return intrinsics.centre_y_px


def solve_background(surfaces: Surfaces, camera: Camera, pivots: Mapping[str, Array], reach_m: float) -> dict[str, Any]:
    """Returns `SolvedLayout.background`.

    Args:
        surfaces: What is declared.
        camera: The solved source camera.
        pivots: Where each object stands, (3,) world metres.
        reach_m: How far ahead the furthest object is.

    Raises:
        StageError: A surface would be in front of an object, or a room does not close around the camera.
    """
    if surfaces.layout in ("ground_and_backdrop", "backdrop"):
        distance = _backdrop_distance(surfaces, camera, pivots, reach_m)
        return {"kind": surfaces.layout, "backdrop_y_m": distance, "far_m": _FAR_SHARE * distance}
    if surfaces.layout == "plane":
        return {"kind": "plane", "far_m": _plane_far(camera)}
    if surfaces.layout == "dome":
        radius = surfaces.distance_m or max(_FAR_DOME_M, 4 * reach_m)
        _check_behind(radius, pivots, "the dome", "give a larger `background.distance`")
        return {"kind": "dome", "radius_m": radius, "far_m": radius}
    if surfaces.layout == "room":
        return _room(surfaces, camera, pivots)
    return {
        "kind": "depth",
        "depth_kind": surfaces.depth_kind,
        "scale": 1.0,
        "near_m": surfaces.near_m,
        "far_m": surfaces.far_m,
    }


def _backdrop_distance(surfaces: Surfaces, camera: Camera, pivots: Mapping[str, Array], reach_m: float) -> float:
    if surfaces.distance_m is not None:
        _check_behind(surfaces.distance_m, pivots, "the backdrop", "give a larger `background.distance`")
        return surfaces.distance_m
    centre = camera.intrinsics.centre_x_px
    if surfaces.contact_y_px is not None:
        row = surfaces.contact_y_px
        distance = float(ground_point(camera, centre, row, "the backdrop")[1])
        what = f"the backdrop, which meets the ground on row {row:.0f},"
        _check_behind(distance, pivots, what, "give a `background.contact` nearer to the horizon")
        return distance
    if surfaces.layout == "backdrop":
        return max(_LEAST_DISTANCE_M, _BEHIND_FLOATING * reach_m)
    height = camera.intrinsics.resolution.height
    row = horizon_row(camera) + 0.01 * height
    distance = float(ground_point(camera, centre, row, "the backdrop")[1])
    return float(np.clip(distance, _BEHIND * reach_m, _FURTHEST_BEHIND * reach_m)) if reach_m > 0 else distance


def _check_behind(distance_m: float, pivots: Mapping[str, Array], what: str, hint: str) -> None:
    for name, pivot in pivots.items():
        if pivot[1] >= distance_m:
            message = f"{what} is {distance_m:.3g} m away, in front of `{name}` at {pivot[1]:.3g} m"
            raise StageError(message, hint=hint, field="surfaces")


def _plane_far(camera: Camera) -> float:
    """Returns a distance behind which a table top that reaches the horizon is cut off."""
    eye_m = float(camera.world_from_camera[2, 3])
    down = max(0.05, float(-camera.world_from_camera[2, 2]))
    return _FAR_SHARE * eye_m / down


def _room(surfaces: Surfaces, camera: Camera, pivots: Mapping[str, Array]) -> dict[str, Any]:
    if surfaces.back_wall_px is None:
        raise StageError(
            "a room needs its back wall",
            hint="give `background.back_wall: [left, top, right, bottom]`",
            field="surfaces",
        )
    left, top, right, bottom = surfaces.back_wall_px
    centre = camera.intrinsics.centre_x_px
    horizon = horizon_row(camera)
    if not (left < centre < right and top < horizon < bottom):
        message = f"the back wall must hold the point straight ahead, ({centre:.0f}, {horizon:.0f})"
        raise StageError(
            f"{message}, as rooms are seen from inside", hint="mend `back_wall` or `horizon`", field="surfaces"
        )
    back = float(ground_point(camera, centre, bottom, "the back wall")[1])
    _check_behind(back, pivots, "the back wall", "give a `back_wall` whose lower edge is nearer to the horizon")
    eye = camera.world_from_camera[:3, 3]

    def on_wall(x_px: float, y_px: float) -> Array:
        ray = camera.world_from_camera[:3, :3] @ camera.intrinsics.rays(np.array([x_px, y_px]))
        return np.asarray(eye + ray * (back / ray[1]))

    return {
        "kind": "room",
        "back_m": back,
        "left_m": float(on_wall(left, horizon)[0]),
        "right_m": float(on_wall(right, horizon)[0]),
        "ceiling_m": float(on_wall(centre, top)[2]),
        "far_m": 2 * back,
    }
