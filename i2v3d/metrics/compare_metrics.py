"""Holds the metrics of a clip to those of its baseline: only what is worse by more than chance fails."""

from __future__ import annotations

from collections.abc import Mapping

from i2v3d.artifacts.metrics import ClipMetrics
from i2v3d.metrics.comparison import Comparison

# How much worse each may be, in its own unit: what renderers of two machines and rounding make of the same scene stays
# well below. A metric that is not here may be worse by a tenth of itself.
_MOST_WORSE: Mapping[str, float] = {
    "ssim_to_render": 0.01,
    "psnr_to_render": 1.0,
    "psnr_observed": 1.0,
    "psnr_foreground": 1.0,
    "frame_consistency": 0.01,
    "clip_i": 0.02,
    "silhouette_iou": 0.02,
    "unobserved_share": 0.02,
}
_SHARE = 0.1
_LEAST = 0.1
_MOST_DECIBEL = 50.0


def compare_metrics(before: Mapping[str, float], after: ClipMetrics) -> list[Comparison]:
    """Returns by how much each metric is worse than in the baseline; one that is better is 0 off."""
    found = []
    for name, was in before.items():
        now = after.measured.get(name)
        if now is None:
            detail: dict[str, float | str] = {"was": was, "why": after.missing.get(name, "it was not measured")}
            found.append(Comparison("metric", name, 1.0, 0.5, "", detail=detail))
            continue
        tolerance = _MOST_WORSE.get(name.partition("[")[0], max(_SHARE * abs(was), _LEAST))
        # Above 50 dB nobody sees a difference, and rounding makes one.
        most = _MOST_DECIBEL if now.unit == "dB" else float("inf")
        change = min(now.value, most) - min(was, most)
        worse = -change if now.better == "higher" else change
        facts: dict[str, float | str] = {"was": was, "now": now.value}
        found.append(Comparison("metric", name, max(0.0, worse), tolerance, now.unit, now.worst_frame, detail=facts))
    return found
