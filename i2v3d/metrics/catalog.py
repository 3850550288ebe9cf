"""The table of metrics: what each is called, its unit, which way is better, and what it says.

Help texts, reports, tables and the README read it from here. A metric of one object has the object's name in brackets
behind its own, `silhouette_iou[rocket]`, and shares its entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from i2v3d.artifacts.metrics import Better


@dataclass(frozen=True)
class MetricKind:
    """One metric.

    Attributes:
        unit: As in `Measured`.
        identical: What a clip that equals its render gives.
        explanation: One sentence for people.
        digits: Decimals that mean something.
    """

    name: str
    title: str
    unit: str
    better: Better
    identical: str
    explanation: str
    digits: int = 3


_KINDS = (
    MetricKind(
        "ssim_to_render",
        "SSIM to the render",
        "",
        "higher",
        "1",
        "Structural similarity (Wang et al. 2004) of the luma of result and render, mean over the drawn pixels.",
        4,
    ),
    MetricKind(
        "psnr_to_render",
        "PSNR to the render",
        "dB",
        "higher",
        "100",
        "Peak signal to noise ratio over all drawn pixels, of the squared error of the whole clip; at most 100 dB.",
        2,
    ),
    MetricKind(
        "psnr_observed",
        "PSNR where the photo was seen",
        "dB",
        "higher",
        "100",
        "The same over the pixels whose colour is the photo's own: there the render is the truth.",
        2,
    ),
    MetricKind(
        "silhouette_iou",
        "outline of objects",
        "",
        "higher",
        "1",
        "Intersection over union of an object's outline, found alike in result and render; of all objects the worst.",
        4,
    ),
    MetricKind(
        "displacement",
        "displacement",
        "px",
        "lower",
        "0",
        "How far the result's texture lies from where the render has it, median over tracked points.",
    ),
    MetricKind(
        "motion_error",
        "error of motion",
        "px",
        "lower",
        "0",
        "How far points move from one frame to the next other than in the render, mean over tracked points.",
    ),
    MetricKind(
        "warp_error",
        "warp error",
        "of 255",
        "lower",
        "the render's own, from resampling; 0 if nothing moves",
        "Mean difference of a frame from the next one, brought back along the exact flow, where both show the surface.",
        2,
    ),
    MetricKind(
        "seam_jump",
        "jump at keyframes",
        "",
        "lower",
        "1",
        "Change of the result against the render at a keyframe over that beside it, one level of 255 added to both.",
    ),
    MetricKind(
        "flicker",
        "flicker",
        "of 255",
        "lower",
        "0",
        "Noise that changes from frame to frame where nothing moves: its standard deviation, from second differences.",
    ),
    MetricKind(
        "unobserved_share",
        "not in the photo",
        "",
        "lower",
        "that of the scene",
        "Share of pixels that the photo does not show, so that they are made up; a fact of scene and camera path.",
        4,
    ),
    MetricKind(
        "camera_path_error",
        "error of the camera's place",
        "m",
        "lower",
        "0",
        "Distance of the camera, solved from the background's motion and depth, from the scene's, RMS over the clip.",
    ),
    MetricKind(
        "camera_path_share",
        "the same, share of the way",
        "",
        "lower",
        "0",
        "`camera_path_error` over the length of the camera's way.",
        4,
    ),
    MetricKind(
        "camera_rotation_error",
        "error of the camera's turn",
        "deg",
        "lower",
        "0",
        "Angle between the solved camera and the scene's, RMS over the clip.",
    ),
    MetricKind(
        "frame_consistency",
        "frame consistency",
        "",
        "higher",
        "that of the render",
        "Mean cosine of CLIP embeddings of frames that follow each other (needs CLIP's weights).",
        4,
    ),
    MetricKind(
        "clip_i",
        "CLIP-I",
        "",
        "higher",
        "that of the render",
        "Mean cosine of CLIP embeddings of each frame and the photo (needs CLIP's weights).",
        4,
    ),
    MetricKind(
        "d_rmse",
        "D-RMSE",
        "",
        "lower",
        "0",
        "Error of the depth that Depth Anything sees in the result against that in the render (needs its weights).",
        4,
    ),
    MetricKind(
        "d_rmse_to_scene",
        "D-RMSE to the scene",
        "",
        "lower",
        "that of the depth model",
        "The same against the scene's own depth (needs Depth Anything's weights).",
        4,
    ),
)

KINDS: Mapping[str, MetricKind] = MappingProxyType({kind.name: kind for kind in _KINDS})


def kind_of(name: str) -> MetricKind | None:
    """Returns the entry of a metric, that of one object too, or None for one that a plug-in brought."""
    return KINDS.get(name.partition("[")[0])


__all__ = ["KINDS", "MetricKind", "kind_of"]
