"""A rendered frame as generative backends take it."""

from __future__ import annotations

from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.base import GuidedFrame
from i2v3d.geometry.frames import Array
from i2v3d.geometry.guidance_maps import depth_condition, depth_extent, strength_map

_BACKGROUND_ID = 1


def guided_frame(
    colour: Array, passes: FramePasses, strengths: tuple[float, ...], clip_range: tuple[float, float] | None
) -> GuidedFrame:
    """Returns the frame with its depth condition, masks and strengths.

    Args:
        colour: uint8 (height, width, 3).
        passes: Of the same frame.
        strengths: By object id.
        clip_range: Nearest and farthest depth of the clip in metres; None normalises over this frame.
    """
    near_m, far_m = depth_extent(passes.depth_m) if clip_range is None else clip_range
    return GuidedFrame(
        colour=colour,
        depth=depth_condition(passes.depth_m, near_m, far_m),
        is_foreground=passes.ids > _BACKGROUND_ID,
        is_visible=passes.is_observed,
        strength=strength_map(passes.ids, strengths),
    )
