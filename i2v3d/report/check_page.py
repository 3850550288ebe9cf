"""The page of a check: verdict and findings, then before, after and difference of each frame, the worst first."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.execute.regression import SceneCheck
from i2v3d.metrics.comparison import Comparison
from i2v3d.metrics.thumbnails import encode_thumbnail
from i2v3d.report.check_cases import cases_of
from i2v3d.resources import templates_dir

if TYPE_CHECKING:
    from i2v3d.geometry.frames import Array

AMPLIFIED = 8
MOST_FRAMES = 48
_DIFFERENCE_QUALITY = 80
_MOST_TOLD = 3


@dataclass(frozen=True)
class FrameRow:
    """A frame on the page.

    Attributes:
        shown: Frame of the baseline beside it; None without a baseline.
        excess: The worst of what is off in it, times the tolerance.
        told: Names of what is off by too much in it.
        before, after, difference: Pictures as data URIs; empty without a baseline.
    """

    frame: int
    shown: int | None
    excess: float
    told: tuple[str, ...]
    after: str
    before: str = ""
    difference: str = ""


def check_page(check: SceneCheck) -> str:
    """Returns the page; it needs no other file and no network."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cases = cases_of(check)
    severities = _severities(check.comparisons, _count(check))
    order = sorted(range(len(severities)), key=lambda frame: (-severities[frame], frame))[:MOST_FRAMES]
    return environment.get_template("check.html.j2").render(
        check=check,
        cases=cases,
        failed=[case for case in cases if case.status in ("failed", "error")],
        passed=[case for case in cases if case.status == "passed"],
        rows=[_row(check, frame, severities[frame]) for frame in order],
        bars=[(frame, min(one, 3.0) / 3.0, one > 1) for frame, one in enumerate(severities)],
        amplified=AMPLIFIED,
        in_order=sorted(order),
    )


def _count(check: SceneCheck) -> int:
    return len(check.taken.clip.frames) if check.taken else 0


def _severities(comparisons: tuple[Comparison, ...], count: int) -> list[float]:
    """Returns for each frame the worst of its values, times the tolerance."""
    worst = [0.0] * count
    for one in comparisons:
        for frame, value in enumerate(one.by_frame[:count]):
            if value is not None and one.tolerance > 0:
                worst[frame] = max(worst[frame], value / one.tolerance)
    return worst


def _row(check: SceneCheck, frame: int, excess: float) -> FrameRow:
    assert check.taken is not None  # a page has frames
    after = check.taken.thumbnails[frame]
    if check.comparison is None or check.baseline is None:
        return FrameRow(frame, None, excess, (), _uri(after))
    shown = check.comparison.shown[frame] if frame < len(check.comparison.shown) else frame
    shown = min(shown, len(check.baseline.taken.thumbnails) - 1)
    told = sorted(
        (
            one
            for one in check.comparisons
            if frame < len(one.by_frame) and (one.by_frame[frame] or 0.0) > one.tolerance
        ),
        key=lambda one: -(one.by_frame[frame] or 0.0) / one.tolerance,
    )
    pixels = _difference(check.baseline.taken.clip.frames[shown].thumbnail, check.taken.clip.frames[frame].thumbnail)
    return FrameRow(
        frame,
        shown,
        excess,
        tuple(one.name for one in told[:_MOST_TOLD]),
        _uri(after),
        _uri(check.baseline.taken.thumbnails[shown]),
        _uri(encode_thumbnail(pixels, _DIFFERENCE_QUALITY)),
    )


def _difference(before: Array, after: Array) -> Array:
    """Returns what differs, amplified; black where nothing does."""
    if before.shape != after.shape:
        return np.full_like(after, 255)
    return np.clip(AMPLIFIED * np.abs(after.astype(np.int32) - before), 0, 255).astype(np.uint8)


def _uri(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode('ascii')}"
