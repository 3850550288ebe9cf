"""A small guided clip drawn by arithmetic, and tasks on tiny models."""

import numpy as np

from i2v3d.backends.base import ClipTask, GuidedFrame, ModelFiles
from i2v3d.spec.resolved_generation import ClipFeatures, ClipSampling


def moving_square(count, height=64, width=128):
    """A red square that moves over a gradient; a strip at the right is not in the photo."""
    rows, columns = np.mgrid[:height, :width]
    frames = []
    for index in range(count):
        is_square = (abs(columns - 30 - 4 * index) < 12) & (abs(rows - height // 2) < 12)
        colour = np.stack([columns + 3 * index, rows * 3, rows + columns], axis=-1).clip(0, 255)
        colour[is_square] = (200, 50, 50)
        frames.append(
            GuidedFrame(
                colour=colour.astype(np.uint8),
                depth=np.where(is_square, 0.9, rows / height * 0.5).astype(np.float32),
                is_foreground=is_square,
                is_visible=columns < width - 24,
                strength=np.ones((height, width), np.float32),
            )
        )
    return tuple(frames)


def clip_task(tiny_models, count=3, **changes):
    """An interval whose keyframes are the rendered ends, a little brighter."""
    frames = changes.pop("frames", None) or moving_square(count)
    given = {
        "first": brighter(frames[0].colour),
        "last": brighter(frames[-1].colour),
        "frames": frames,
        "fps": 24.0,
        "prompt": "a square",
        "sampling": ClipSampling(steps=3),
        "depth": 1.0,
        "features": ClipFeatures(),
        "models": ModelFiles({role: tiny_models[role] for role in ("svd", "svd_controlnet_depth")}, "fp32"),
        "seed": 1,
    }
    return ClipTask(**given | changes)


def brighter(picture):
    return np.minimum(picture.astype(int) + 12, 255).astype(np.uint8)
