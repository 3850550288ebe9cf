"""Takes the fingerprint of a finished build, or of a video, and what else a check looks at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.metrics import ClipMetrics, Metrics
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FrameStates, JsonFile, Layout, NpzFile, SceneStatic
from i2v3d.execute.baseline import TakenPrint
from i2v3d.execute.finished import FinishedBuild
from i2v3d.geometry.camera_inside import Surroundings, moved_vertices, where_outside
from i2v3d.geometry.frames import Array
from i2v3d.geometry.scene_checks import Finding, Thing
from i2v3d.metrics.fingerprint import ClipPrint, FramePrint, geometry_print, make_thumbnail, mean_colours
from i2v3d.metrics.thumbnails import choose_quality, decode_thumbnail, encode_thumbnail
from i2v3d.stages.base import OutputRef

_THREADS = 2
_MOST_EMPTY = 0.001  # of a picture
Item = TypeVar("Item")


@dataclass(frozen=True)
class CameraTrouble:
    """A frame in which the camera is not inside the scene, and where it is instead."""

    frame: int
    where: str


@dataclass(frozen=True)
class TakenBuild:
    """What a check looks at of a build.

    Attributes:
        metrics: None where the build has none.
        findings: Of the stage `check`, which looks at the assembled scene.
        troubles: Of the camera, a frame each.
    """

    taken: TakenPrint
    metrics: ClipMetrics | None = None
    findings: tuple[Finding, ...] = ()
    troubles: tuple[CameraTrouble, ...] = ()
    backends: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipFacts:
    """Rate of a clip, and the names of its objects by id."""

    fps: float
    names: Mapping[int, str] = field(default_factory=dict)


def take_build(finished: FinishedBuild, fps: float, quality: int | None) -> TakenBuild:
    """Returns what a check looks at of a build.

    Args:
        finished: The build.
        fps: Of its clip.
        quality: Of the baseline's thumbnails; None chooses one.
    """
    with tempfile.TemporaryDirectory(prefix="i2v3d-check-") as temporary:
        build = _Opened(finished, Path(temporary))
        pictures = tuple(build.pictures())
        names, surroundings = build.scene()
        facts = ClipFacts(fps, names)
        passes = tuple(build.passes(index) for index in range(len(pictures)))
        taken, empty = _take(pictures, passes, facts, quality)
        states = build.states()
        troubles = []
        for frame, state in enumerate(states):
            where = where_outside(surroundings, state.read_arrays())
            if not where and frame < len(empty) and empty[frame] > _MOST_EMPTY:
                where = f"looking past the end of the scene: {100 * empty[frame]:.1f} % of the picture is empty"
            if where:
                troubles.append(CameraTrouble(frame, where))
        backends = {node.stage: node.backend for node in finished.graph.nodes.values() if node.backend}
        return TakenBuild(taken, build.metrics(), build.findings(), tuple(troubles), backends)


def take_pictures(pictures: Iterator[Array], fps: float, quality: int) -> TakenPrint:
    """Returns the fingerprint of pictures (height, width, 3) of which nothing else is known."""
    small = [(make_thumbnail(pixels), mean_colours(pixels), pixels.shape) for pixels in pictures]
    height, width = small[0][2][:2]
    files = _in_parallel(lambda one: encode_thumbnail(one[0], quality), small)
    frames = tuple(
        FramePrint(decode_thumbnail(data), colours) for data, (_, colours, _) in zip(files, small, strict=True)
    )
    return TakenPrint(ClipPrint(width, height, fps, frames), tuple(files), quality)


def _take(
    pictures: Sequence[Image], passes: Sequence[Passes], facts: ClipFacts, quality: int | None
) -> tuple[TakenPrint, list[float]]:
    """Returns the fingerprint, and the share of each picture in which nothing was drawn."""

    def look(index: int) -> tuple[Array, FramePrint, float]:
        pixels = pictures[index].read()
        known = passes[index].read()
        geometry = geometry_print(known.ids, known.depth_m, facts.names)
        small = make_thumbnail(pixels)
        return small, FramePrint(small, mean_colours(pixels), geometry), float((known.ids == 0).mean())

    looked = _in_parallel(look, range(len(pictures)))
    chosen = choose_quality([small for small, _, _ in looked]) if quality is None else quality
    files = _in_parallel(lambda one: encode_thumbnail(one[0], chosen), looked)
    height, width = pictures[0].read().shape[:2]
    frames = tuple(
        FramePrint(decode_thumbnail(data), frame.colours, frame.geometry)
        for data, (_, frame, _) in zip(files, looked, strict=True)
    )
    clip = ClipPrint(width, height, facts.fps, frames, facts.names)
    return TakenPrint(clip, tuple(files), chosen), [empty for _, _, empty in looked]


Result = TypeVar("Result")


def _in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Decoding and compression release the interpreter."""
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(work, items))


@dataclass(frozen=True)
class _Opened:
    """The outputs of a build's steps, linked below a folder when they are asked for."""

    finished: FinishedBuild
    folder: Path

    def pictures(self) -> Iterator[Image]:
        """The finished frames in order: what the video is encoded from."""
        inputs = self.finished.graph.nodes["encode"].inputs
        for ref in (*_refs(inputs["clips"]), *_refs(inputs["pictures"])):
            artifact = self.finished.artifact(ref.node, ref.output, self.folder)
            if isinstance(artifact, Frames):
                yield from artifact
            elif isinstance(artifact, Image):
                yield artifact

    def passes(self, frame: int) -> Passes:
        """The exact passes of a frame."""
        artifact = self.finished.artifact(f"render[{frame}]", "passes", self.folder)
        assert isinstance(artifact, Passes)  # every scene renders
        return artifact

    def states(self) -> FrameStates:
        """The scene cache over time."""
        artifact = self.finished.artifact("assemble", "states", self.folder)
        assert isinstance(artifact, FrameStates)  # every scene is assembled
        return artifact

    def scene(self) -> tuple[dict[int, str], Surroundings]:
        """Name by id of every object, and what the camera must stay within."""
        static = self.finished.artifact("assemble", "static", self.folder)
        assert isinstance(static, SceneStatic)  # as above
        (ref,) = _refs(self.finished.graph.nodes["check"].inputs["layout"])
        solved = self.finished.artifact(ref.node, ref.output, self.folder)
        assert isinstance(solved, Layout)  # the stage's type
        layout = solved.read()
        entries = JsonFile(static.path / "scene.json").read_json()["objects"]
        transforms = self.states().item(0).read_arrays()["transforms"]
        things, vertices, faces = [], [np.zeros((0, 3))], [np.zeros((0, 3), int)]
        for entry in entries:
            mesh = NpzFile(static.path / entry["mesh"] / "geometry.npz").read_arrays()
            if entry["is_foreground"]:
                things.append(Thing(entry["name"], entry["id"], mesh["vertices_m"], mesh["faces"], False))
            else:
                faces.append(mesh["faces"] + sum(len(one) for one in vertices))
                vertices.append(moved_vertices(mesh["vertices_m"], transforms[entry["id"] - 1]))
        surroundings = Surroundings(
            layout.camera.world_from_camera[:3, 3],
            layout.background,
            np.concatenate(vertices),
            np.concatenate(faces),
            things,
        )
        return {int(entry["id"]): str(entry["name"]) for entry in entries}, surroundings

    def metrics(self) -> ClipMetrics | None:
        """What was measured on the clip."""
        if "evaluate" not in self.finished.graph.nodes:
            return None
        artifact = self.finished.artifact("evaluate", "metrics", self.folder)
        return artifact.read() if isinstance(artifact, Metrics) else None

    def findings(self) -> tuple[Finding, ...]:
        """What the stage `check` found."""
        artifact = self.finished.artifact("check", "findings", self.folder)
        if not isinstance(artifact, JsonFile):
            return ()
        return tuple(Finding(**one) for one in artifact.read_json()["findings"])


def _refs(value: object) -> tuple[OutputRef, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(one for one in values if isinstance(one, OutputRef))
