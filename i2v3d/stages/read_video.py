"""Reads a video that something else made, brought to the size and the frames of the scene, so that it can be measured.

It is in no scene's own graph: `i2v3d eval --video` asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from i2v3d.artifacts.images import Frames
from i2v3d.artifacts.videos import VideoFacts, probe_video, read_pictures
from i2v3d.errors import StageError, UsageError
from i2v3d.geometry.frames import Array
from i2v3d.stages.base import Node, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

Timing = Literal["stretch", "seconds"]

MOST_ASPECT_ERROR = 0.01


@dataclass(frozen=True)
class Inputs:
    """The video."""

    video: Path


@dataclass(frozen=True)
class Params:
    """What it is brought to.

    Attributes:
        timing: `stretch`: the whole video over the whole clip; `seconds`: second by second from its start.
    """

    width: int
    height: int
    frame_count: int
    fps: float
    timing: Timing


@dataclass(frozen=True)
class Outputs:
    """The frames."""

    frames: Frames


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields none: a scene knows of no other video."""
    yield from ()


def video_node(scene: Scene, label: str, video: Path, timing: Timing) -> Node:
    """Returns the node that reads a video for this scene."""
    size = scene.output.size
    return Node(
        name=f"read_video[{label}]",
        stage="read_video",
        params=Params(size.width, size.height, scene.output.frame_count, scene.output.fps, timing),
        inputs={"video": SourceFile(video)},
    )


@stage("read_video", version=1, nodes=nodes, resources=Resources(cpu=1, memory_gb=0.7))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Decodes the video once, in order, and writes the frames that are wanted.

    Raises:
        StageError: It can't be decoded to its end, or has another shape.
    """
    outputs = Outputs(Frames(work.output("frames")))
    outputs.frames.path.mkdir()
    try:
        facts = probe_video(inputs.video)
        check_shape(facts, params.width, params.height, inputs.video)
        wanted = frame_choice(facts, params.frame_count, params.fps, params.timing)
        frame, last = 0, None
        for index, (picture, _) in enumerate(read_pictures(inputs.video)):
            last = picture
            if frame < len(wanted) and wanted[frame] == index:
                scaled = scaled_to(picture, params.width, params.height)
                while frame < len(wanted) and wanted[frame] == index:
                    outputs.frames.item(frame).write(scaled)
                    frame += 1
                work.progress(frame / len(wanted))
        if last is None:
            raise StageError("there is no picture in the video")
        while frame < len(wanted):  # a file that promises more pictures than it has
            outputs.frames.item(frame).write(scaled_to(last, params.width, params.height))
            frame += 1
    except UsageError as error:
        raise StageError(error.message, hint=error.hint) from error
    return outputs


def frame_choice(facts: VideoFacts, frame_count: int, fps: float, timing: Timing) -> list[int]:
    """Returns which picture of a video stands for each frame of the clip, never going back.

    As many pictures as frames: one for one. Otherwise the nearest in time, the earlier of two: with `stretch` both are
    taken to begin and end together, with `seconds` to begin together, and the last picture stays once the video ends.
    """
    if facts.frame_count == frame_count:
        return list(range(frame_count))
    times = np.array(facts.times_s)
    wanted = np.linspace(0, times[-1], frame_count) if timing == "stretch" else np.arange(frame_count) / fps
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    is_before = np.abs(wanted - times[before]) <= np.abs(times[after] - wanted) + 1e-9
    return [int(index) for index in np.where(is_before, before, after)]


def reading_notes(facts: VideoFacts, params: Params) -> tuple[str, ...]:
    """Returns what happens to a video on its way to the clip's frames, as sentences for people."""
    notes = list(facts.notes)
    if (facts.width, facts.height) != (params.width, params.height):
        notes.append(f"scaled from {facts.width}x{facts.height} to {params.width}x{params.height}")
    if facts.frame_count != params.frame_count:
        given = f"{facts.frame_count} frames at {facts.fps:.4g} fps"
        clip = f"{params.frame_count} at {params.fps:g} fps"
        how = "stretched over" if params.timing == "stretch" else "laid second by second beside"
        notes.append(f"{given} {how} {clip}: each frame of the clip takes the nearest")
        short = params.frame_count / params.fps - facts.duration_s
        if params.timing == "seconds" and short > 0.5 / params.fps:
            notes.append(f"it ends {short:.2f} s early: its last frame stays")
    elif abs(facts.fps - params.fps) > 0.01 * params.fps:
        notes.append(f"{facts.fps:.4g} fps, {params.fps:g} in the scene: taken frame by frame")
    return tuple(notes)


def check_shape(facts: VideoFacts, width: int, height: int, video: Path) -> None:
    """Does nothing for a video of the clip's shape.

    Raises:
        UsageError: Its width over its height is off by more than 1 %.
    """
    ratio = (facts.width / facts.height) / (width / height)
    if abs(ratio - 1) > MOST_ASPECT_ERROR:
        cut = (round(facts.height * width / height), facts.height)
        if cut[0] > facts.width:
            cut = (facts.width, round(facts.width * height / width))
        raise UsageError(
            f"{video}: {facts.width}x{facts.height} is another shape than the clip's {width}x{height}",
            hint=f"cut it to {cut[0]}x{cut[1]} as the clip frames it (`ffmpeg -i IN -vf crop={cut[0]}:{cut[1]} OUT`), "
            "or give the spec's `output.size` its shape",
        )


def scaled_to(picture: Array, width: int, height: int) -> Array:
    """Returns a picture at this size, each axis scaled on its own."""
    import cv2

    if picture.shape[:2] == (height, width):
        return picture
    is_smaller = width < picture.shape[1]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_CUBIC)


__all__ = ["Params", "Timing", "check_shape", "frame_choice", "reading_notes", "video_node"]
