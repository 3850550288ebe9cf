"""Clips that are measured: drawn frames with exact passes, and changed copies of them."""

from collections.abc import Callable, Sequence

import numpy as np

from i2v3d.artifacts.metrics import ClipMetrics
from i2v3d.metrics.clip import ClipFacts, join_frames
from i2v3d.metrics.frame import FrameValues, MeasuredFrame, measure_frame
from tests.moving_clip import MovingClip

LENS = np.array([[300.0, 0, 112], [0, 300.0, 80], [0, 0, 1]])
SEAM = 4


def drawn(**options: object) -> list:
    return MovingClip(**{"end_px": 1e6, **options}).frames()


def measured_values(frames: Sequence, results: Sequence[np.ndarray]) -> list[FrameValues]:
    clip = [
        MeasuredFrame(result, frame.colour, frame.passes, LENS) for frame, result in zip(frames, results, strict=True)
    ]
    around = zip([None, *clip[:-1]], clip, [*clip[1:], None], strict=True)
    return [measure_frame(frame, following, previous) for previous, frame, following in around]


def measured(frames: Sequence, change: Callable[[int, np.ndarray], np.ndarray] | None = None) -> ClipMetrics:
    """Measures a clip whose frames are changed; without a change it equals its render."""
    results = [frame.colour if change is None else change(index, frame.colour) for index, frame in enumerate(frames)]
    return joined(measured_values(frames, results))


def joined(values: Sequence[FrameValues]) -> ClipMetrics:
    still = np.repeat(np.eye(4)[None], len(values), axis=0)
    return join_frames(values, ClipFacts(24.0, {1: "plane", 2: "square"}, (0, SEAM, len(values) - 1), still))
