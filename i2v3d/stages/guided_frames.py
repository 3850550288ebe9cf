"""A rendered frame as generative backends take it."""

from __future__ import annotations

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.base import GuidedFrame
from i2v3d.geometry.frames import Array
from i2v3d.geometry.guidance_maps import depth_condition, depth_extent, strength_map
from i2v3d.stages.depth_range import DepthRange

_BACKGROUND_ID = 1


def read_guided_frames(
    colours: tuple[Image, ...],
    passes: tuple[Passes, ...],
    strengths: tuple[tuple[float, ...], ...],
    clip_range: DepthRange | None,
) -> tuple[GuidedFrame, ...]:
    """Returns the frames of a step, read from their files.

    Args:
        colours: In time order.
        passes: Of the same frames.
        strengths: By frame and object id.
        clip_range: The clip's depths; None normalises over each frame.
    """
    extent = None if clip_range is None else clip_range.read()
    return tuple(
        guided_frame(colour.read(), known.read(), strength, extent)
        for colour, known, strength in zip(colours, passes, strengths, strict=True)
    )


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
