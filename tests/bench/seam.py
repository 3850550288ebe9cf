"""What hides the seam between two generated intervals best: numbers and, if asked for, a sheet.

    python tests/bench/seam.py [FOLDER] [--every 15] [--sheet SHEET.png]

FOLDER holds `r/000.png`, `r/000.npz`, ... as the render stage writes colours and passes, two intervals of them; without
a folder a clip is drawn here. The clip stands for the truth; each interval gets drift of its own, as a video model's
autoencoder and sampling give it: a tint that changes over the interval, another across the picture, one of the objects,
contrast, and lost and invented texture. Then the seam is made in four ways:

    as decoded          nothing is done
    ends replaced       the keyframes take the place of the decoded ends
    corrected           `without_colour_drift`: what the backends do
    corrected, replaced both

and measured: the change into and out of the shared keyframe against the mean change of the other frames (whole, and of
16-pixel means, which is colour), error of colour over the clip, and sharpness of the keyframe against its neighbours.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.colour_drift import without_colour_drift
from i2v3d.geometry.frames import Array
from tests.moving_clip import MovingClip


@dataclass(frozen=True)
class Clip:
    """Pictures, uint8 (height, width, 3), and masks of their objects."""

    pictures: list[Array]
    masks: list[Array]

    def part(self, first: int, last: int) -> Clip:
        """The frames of an interval, both ends included."""
        return Clip(self.pictures[first : last + 1], self.masks[first : last + 1])


def read_clip(folder: Path, count: int) -> Clip:
    names = [folder / "r" / f"{index:03d}" for index in range(count)]
    return Clip(
        [Image(name.with_suffix(".png")).read() for name in names],
        [Passes(name.with_suffix(".npz")).read_ids() > 1 for name in names],
    )


def drawn_clip(count: int) -> Clip:
    moving = MovingClip(height=288, width=512, steps=count - 1, slide_px=(1.5, 0.2), zoom=1.005, corner_px=(0, 0))
    frames = [moving.frame(index) for index in range(count)]
    return Clip([frame.colour for frame in frames], [frame.ids > 1 for frame in frames])


def drifted(clip: Clip, random: np.random.Generator) -> list[Array]:
    """An interval as a video model might give it back."""
    at_start, at_end = random.normal(0, 4, (2, 3))
    across, of_objects, contrast = random.normal(0, 4, 3), random.normal(0, 8, 3), 1 + random.normal(0, 0.03)
    width = clip.pictures[0].shape[1]
    from_left = np.linspace(-1, 1, width)[None, :, None]
    drifting = []
    for share, picture, mask in zip(np.linspace(0, 1, len(clip.pictures)), clip.pictures, clip.masks, strict=True):
        texture = cv2.GaussianBlur(random.normal(0, 6, picture.shape), (0, 0), 1.0)
        soft = cv2.GaussianBlur(picture.astype(float), (0, 0), 0.8) + texture
        tinted = soft + (1 - share) * at_start + share * at_end + across * from_left + of_objects * mask[..., None]
        drifting.append(np.rint((tinted - 128) * contrast + 128).clip(0, 255).astype(np.uint8))
    return drifting


def joined(
    truth: Clip, intervals: list[list[Array]], every: int, *, is_corrected: bool, is_replaced: bool
) -> list[Array]:
    made: list[Array] = []
    for index, frames in enumerate(intervals):
        part = truth.part(index * every, (index + 1) * every)
        ends = part.pictures[0], part.pictures[-1]
        if is_corrected:
            frames = without_colour_drift(frames, first=ends[0], last=ends[1], is_foreground=part.masks)
        if is_replaced:
            frames = [ends[0], *frames[1:-1], ends[1]]
        made = [*made[:-1], *frames]
    return made


def coarse(picture: Array) -> Array:
    height, width = picture.shape[:2]
    return cv2.resize(picture, (width // 16, height // 16), interpolation=cv2.INTER_AREA).astype(float)


def mean_change(first: Array, second: Array) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


def measure(made: list[Array], truth: list[Array], seam: int) -> str:
    def seam_over_rest(pictures: list[Array]) -> float:
        changes = np.array([mean_change(*pair) for pair in pairwise(pictures)])
        at_seam = [seam - 1, seam]
        rest = np.delete(changes, [0, *at_seam, len(changes) - 1])
        return float(changes[at_seam].max() / rest.mean())

    sharpness = [float(cv2.Laplacian(picture[..., 1], cv2.CV_32F).std()) for picture in made]
    beside = np.mean([sharpness[index] for index in (seam - 3, seam - 2, seam + 2, seam + 3)])
    colour_error = np.mean([mean_change(coarse(a), coarse(b)) for a, b in zip(made, truth, strict=True)])
    return (
        f"seam / mean change {seam_over_rest(made):5.2f}   of colour {seam_over_rest([*map(coarse, made)]):5.2f}   "
        f"colour error {colour_error:5.2f}   sharpness of the keyframe {sharpness[seam] / beside:5.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--every", type=int, default=15)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    count = 2 * given.every + 1
    truth = read_clip(given.folder, count) if given.folder else drawn_clip(count)
    random = np.random.default_rng(3)
    halves = [truth.part(index * given.every, (index + 1) * given.every) for index in (0, 1)]
    intervals = [drifted(half, random) for half in halves]
    print(f"{'the truth':20s} {measure(truth.pictures, truth.pictures, given.every)}")
    rows = [truth.pictures]
    for name, is_corrected, is_replaced in (
        ("as decoded", False, False),
        ("ends replaced", False, True),
        ("corrected", True, False),
        ("corrected, replaced", True, True),
    ):
        made = joined(truth, intervals, given.every, is_corrected=is_corrected, is_replaced=is_replaced)
        print(f"{name:20s} {measure(made, truth.pictures, given.every)}")
        rows.append(made)
    if given.sheet:
        shown = [given.every + offset for offset in (-8, -1, 0, 1, 8)]
        sheet = np.vstack([np.hstack([row[index][::3, ::3] for index in shown]) for row in rows])
        Image(given.sheet).write(np.ascontiguousarray(sheet))


if __name__ == "__main__":
    main()
