"""What a regression check holds the result to, resolved. No step reads it: an edit of `expect:` rebuilds nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Relation = Literal[">=", "<=", ">", "<"]


@dataclass(frozen=True)
class Bound:
    """One bound on a metric.

    Attributes:
        metric: As `artifacts.metrics` names it: `ssim_to_render`, `silhouette_iou[rocket]`.
        spec_path: Where it is written.
    """

    metric: str
    relation: Relation
    limit: float
    spec_path: str

    def holds(self, value: float) -> bool:
        """Returns whether a value keeps to it."""
        if self.relation == ">=":
            return value >= self.limit
        if self.relation == "<=":
            return value <= self.limit
        return value > self.limit if self.relation == ">" else value < self.limit

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.limit:g}"


@dataclass(frozen=True)
class Expectations:
    """All of them.

    Attributes:
        is_camera_inside: The camera stays inside the scene, see `geometry.camera_inside`.
        has_no_findings: What the stage `check` finds is a failure.
    """

    bounds: tuple[Bound, ...] = ()
    is_camera_inside: bool = False
    has_no_findings: bool = False
