"""Overlapping windows over a clip: long clips are generated jointly, a few frames at a time (paper section 3.2.3)."""

from __future__ import annotations


def overlapping_windows(frames: int, *, size: int, overlap: int) -> tuple[range, ...]:
    """Frame ranges that cover a clip, each `overlap` frames into the one before.

    A last window that holds nothing new (it is no longer than the overlap) is dropped, so every window but the first
    brings at least one frame. `overlapping_windows(5, size=4, overlap=1)` is `range(0, 4), range(3, 5)`.

    Args:
        frames: Length of the clip, at least 1.
        size: Frames per window, at least 1; a clip that is no longer is one window.
        overlap: Frames that two neighbouring windows share, 0 to `size - 1`.

    Raises:
        ValueError: If a number is out of its range.
    """
    if frames < 1 or size < 1 or not 0 <= overlap < size:
        message = f"no windows of {size} frames overlapping by {overlap} over {frames} frames"
        raise ValueError(message)
    starts = range(0, frames, size - overlap)
    windows = (range(start, min(start + size, frames)) for start in starts)
    return tuple(window for window in windows if window.start == 0 or len(window) > overlap)
