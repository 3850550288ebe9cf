"""Times refining, interpolating and encoding over rendered frames, and measures what they do to the picture.

    python tests/bench/refine.py FOLDER [--every 15] [--sheet SHEET.png]

FOLDER holds `photo.png` (the output window) and `r/000.png`, `r/000.npz`, ... as the render stage writes
colours and passes. Without a folder it draws a clip of its own at 1024x576.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.base import KeyframePast, RenderedFrame
from i2v3d.backends.embedded.interpolate import FlowInterpolator
from i2v3d.backends.embedded.refine import PatchRefiner
from i2v3d.backends.embedded.warping import motion_of, resting_track, sample, sample_sharp, step_back
from i2v3d.stages import encode, interpolate, keyframes
from tests.moving_clip import MovingClip
from tests.work_folder import WorkFolder

ResultT = TypeVar("ResultT")


def write_clip(folder: Path, count: int) -> None:
    clip = MovingClip(
        height=576,
        width=1024,
        steps=count - 1,
        slide_px=(1.5, 0.2),
        zoom=1.005,
        square_px=(400.0, 200.0, 150.0),
        corner_px=(0, 0),
        end_px=1030.0,
    )
    (folder / "r").mkdir(parents=True)
    Image(folder / "photo.png").write(clip.frame(0).colour)
    for index in range(count):
        frame = clip.frame(index)
        Image(folder / f"r/{index:03d}.png").write(frame.colour)
        Passes(folder / f"r/{index:03d}.npz").write(frame.passes)


def work_in(folder: Path, outputs: type) -> WorkFolder:
    folder.mkdir(parents=True)
    return WorkFolder(folder, outputs)


def refine_all(source: Path, work: Path, keys: list[int]) -> list[keyframes.Outputs]:
    done: list[keyframes.Outputs] = []
    for before, key in zip([None, *keys[:-1]], keys, strict=True):
        inputs = keyframes.Inputs(
            colour=Image(source / f"r/{key:03d}.png"),
            passes=Passes(source / f"r/{key:03d}.npz"),
            photo=Image(source / "photo.png"),
            previous=done[-1].colour if done else None,
            previous_trace=done[-1].trace if done else None,
            passes_since=()
            if before is None
            else tuple(Passes(source / f"r/{index:03d}.npz") for index in range(before, key + 1)),
        )
        target = work_in(work / f"key{key}", keyframes.Outputs)
        done.append(keyframes.run(inputs, keyframes.Params(0, 0, seed=1), PatchRefiner(), target))
    return done


def interpolate_all(source: Path, work: Path, keys: list[int], refined: list[keyframes.Outputs]) -> list[Frames]:
    clips = []
    for (first, last), ends in zip(pairwise(keys), pairwise(refined), strict=True):
        between = range(first, last + 1)
        inputs = interpolate.Inputs(
            ends[0].colour,
            ends[1].colour,
            tuple(Image(source / f"r/{index:03d}.png") for index in between),
            tuple(Passes(source / f"r/{index:03d}.npz") for index in between),
        )
        target = work_in(work / f"between{first}", interpolate.Outputs)
        params = interpolate.Params(is_final=last == keys[-1])
        clips.append(interpolate.run(inputs, params, FlowInterpolator(), target).frames)
    return clips


def flicker(frames: list[np.ndarray], passes: list[Passes], area: list[np.ndarray]) -> float:
    """Mean difference between a frame and the one before, warped to it, where `area` and visible; 0..255."""
    sums, counts = 0.0, 0
    motions = [motion_of(passes[0].read()), None]
    for index in range(1, len(frames)):
        motions[1] = motion_of(passes[index].read())
        track = step_back(motions[0], motions[1], resting_track(area[index].shape))
        is_counted = area[index] & track.is_visible
        warped = sample(frames[index - 1].astype(np.float32), track.at_px)
        sums += float(np.abs(warped - frames[index])[is_counted].sum()) / 3
        counts += int(is_counted.sum())
        motions[0] = motions[1]
    return sums / max(counts, 1)


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((picture.astype(np.float64) - truth) ** 2).mean(), 1e-9)))


def refined_alone(source: Path, first: int, at: int, key: keyframes.Outputs) -> np.ndarray:
    """The frame refined as if it were the next keyframe: what an interpolated frame should look like."""
    frame = RenderedFrame(Image(source / f"r/{at:03d}.png").read(), Passes(source / f"r/{at:03d}.npz").read())
    passes = (Passes(source / f"r/{index:03d}.npz").read() for index in range(first, at + 1))
    past = KeyframePast(key.colour.read(), key.trace.read(), passes)
    return PatchRefiner().refine(frame, Image(source / "photo.png").read(), past, seed=1).colour


def warped_keyframe(source: Path, first: int, at: int, colour: np.ndarray) -> np.ndarray:
    """The other way: the keyframe's colours themselves carried to a frame, holes left as rendered."""
    before = motion_of(Passes(source / f"r/{first:03d}.npz").read())
    track = resting_track(before.ids.shape)
    for index in range(first + 1, at + 1):
        current = motion_of(Passes(source / f"r/{index:03d}.npz").read())
        track = step_back(before, current, track)
        before = current
    rendered = Image(source / f"r/{at:03d}.png").read()
    warped = np.rint(np.clip(sample_sharp(colour.astype(np.float32), track.at_px), 0, 255)).astype(np.uint8)
    return np.where(track.is_visible[..., None], warped, rendered)


def write_sheet(file: Path, renders: list[np.ndarray], frames: list[np.ndarray]) -> None:
    shown = [round(index * (len(frames) - 1) / 3) for index in range(4)]
    rows = [np.hstack([pictures[index] for index in shown]) for pictures in (renders, frames)]
    change = [np.clip(128 + 4.0 * (frames[i].astype(np.float32) - renders[i]), 0, 255) for i in shown]
    rows.append(np.hstack(change).astype(np.uint8))
    Image(file).write(cv2.resize(np.vstack(rows), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--every", type=int, default=15)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        source = options.folder or work / "clip"
        if options.folder is None:
            write_clip(source, 61)
        measure(source, work, options.every, options.sheet)


def measure(source: Path, work: Path, every: int, sheet: Path | None) -> None:
    count = len(list((source / "r").glob("*.png")))
    keys = sorted({*range(0, count, every), count - 1})
    refined = timed("keyframes", lambda: refine_all(source, work, keys))
    clips = timed("interpolate", lambda: interpolate_all(source, work, keys, refined))
    inputs = encode.Inputs(tuple(clips), ())
    target = work_in(work / "video", encode.Outputs)
    video = timed("encode", lambda: encode.run(inputs, encode.Params(fps=24.0), None, target))
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size_mb = video.video.path.stat().st_size / 1e6
    print(f"{source.name}: {count} frames, {len(keys)} keyframes; peak {peak_gb:.2f} GB; video {size_mb:.1f} MB")

    passes = [Passes(source / f"r/{index:03d}.npz") for index in range(count)]
    holes = [item.read().ids == 0 for item in passes]
    drawn = [~is_hole for is_hole in holes]
    renders = [Image(source / f"r/{index:03d}.png").read() for index in range(count)]
    frames = [item.read() for clip in clips for item in clip]
    change = [cv2.absdiff(a, b)[where].mean() for a, b, where in zip(frames, renders, drawn, strict=True)]
    print(f"  change to the render where drawn: {np.mean(change):.3f} of 255")
    print(f"  flicker along the flow: render {flicker(renders, passes, drawn):.3f}, finished", end=" ")
    print(f"{flicker(frames, passes, drawn):.3f}, in holes {flicker(frames, passes, holes):.3f}", end=" ")
    print(f"({np.mean(holes):.1%} of all pixels)")
    middle = (keys[-2] + keys[-1]) // 2
    truth = refined_alone(source, keys[-2], middle, refined[-2])
    other = warped_keyframe(source, keys[-2], middle, refined[-2].colour.read())
    print(
        f"  frame {middle} against itself refined as a keyframe: render {psnr(renders[middle], truth):.1f} dB,", end=" "
    )
    print(
        f"render + warped corrections {psnr(frames[middle], truth):.1f} dB, warped keyframe {psnr(other, truth):.1f} dB"
    )
    if sheet:
        write_sheet(sheet, renders, frames)


def timed(name: str, work: Callable[[], ResultT]) -> ResultT:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    result = work()
    print(f"{name}: {time.perf_counter() - wall_s:.1f} s, of processors {time.process_time() - cpu_s:.1f} s")
    return result


if __name__ == "__main__":
    main()
