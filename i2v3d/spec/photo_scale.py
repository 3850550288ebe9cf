"""From coordinates as written (pixels of the original photo, or shares) to pixels of the prepared photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from i2v3d.geometry.resolution import Resolution
from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.units import Row

Point = tuple[float, float]
BoxPx = tuple[float, float, float, float]
REFERENCE_WIDTH = 1024.0  # default widths in pixels are for a picture this wide


@dataclass(frozen=True)
class PhotoScale:
    """Both sizes of the photo, and the ways from one to the other."""

    original: Resolution
    prepared: Resolution

    def points(self, points: Sequence[Point]) -> tuple[Point, ...]:
        """Returns the points; they are shares when no coordinate of them is beyond -1..1."""
        if are_shares(points):
            scale_x, scale_y = float(self.prepared.width), float(self.prepared.height)
        else:
            scale_x = self.prepared.width / self.original.width
            scale_y = self.prepared.height / self.original.height
        return tuple((x * scale_x, y * scale_y) for x, y in points)

    def row(self, row: Row | None) -> float | None:
        """Returns the row in pixels of the prepared photo."""
        if row is None:
            return None
        return row.to_px(original=self.original.height, prepared=self.prepared.height)

    def default_px(self, at_reference: float) -> float:
        """Returns a width given for a picture of 1024 pixels."""
        return at_reference * self.prepared.width / REFERENCE_WIDTH

    def checked_points(
        self, collector: Collector, path: SpecPath, points: Sequence[Point], what: str
    ) -> tuple[Point, ...]:
        """Returns the points; notes when `what` leaves the picture or mixes shares and pixels."""
        found = self.points(points)
        values = [value for point in points for value in point]
        looks_like_shares = any(0 < abs(value) < 1 for value in values)
        size = f"the photo has {self.original.width} x {self.original.height} pixels"
        if not are_shares(points) and looks_like_shares:
            if max(map(abs, values)) <= 2:
                collector.error(path, f"{what} leaves the picture", "shares of the photo go from 0 to 1")
            else:
                hint = "give all of them as pixels of the photo, or all from 0 to 1"
                collector.error(path, f"{what} mixes shares and pixels", hint)
        elif not all(self._is_inside(point) for point in found):
            hint = "shares of the photo go from 0 to 1" if are_shares(points) else f"{size}; or give shares from 0 to 1"
            collector.error(path, f"{what} leaves the picture", hint)
        return found

    def checked_box(self, collector: Collector, path: SpecPath, box: Sequence[float], what: str) -> BoxPx:
        """Returns (left, top, right, bottom); notes when it is empty or not in the picture."""
        left, top, right, bottom = box
        if left >= right or top >= bottom:
            hint = "give [left, top, right, bottom], from the top left corner of the photo"
            collector.error(path, f"{what} is empty: its right or bottom edge is not beyond the left or top one", hint)
            return left, top, right, bottom
        (left, top), (right, bottom) = self.checked_points(collector, path, ((left, top), (right, bottom)), what)
        return left, top, right, bottom

    def _is_inside(self, point: Point) -> bool:
        slack_x, slack_y = 1e-6 * self.prepared.width, 1e-6 * self.prepared.height
        return (
            -slack_x <= point[0] <= self.prepared.width + slack_x
            and -slack_y <= point[1] <= self.prepared.height + slack_y
        )


def are_shares(points: Sequence[Point]) -> bool:
    """Returns whether every coordinate lies in -1..1."""
    return all(-1 <= value <= 1 for point in points for value in point)
