"""Fills the frames between neighbouring keyframes.

One node per interval. The frames of an interval run from its first keyframe up to, not including, its
last one, which opens the next interval; only the last interval keeps both ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, overload

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.base import ClipFrame, ClipInterpolator
from i2v3d.backends.catalog import is_run_by
from i2v3d.geometry.frames import Array
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.generate_keyframes import keyframe_ref

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

_KEPT_FRAMES = 20  # 15 MB each at 1024x576; intervals up to this length are read from disk once


@dataclass(frozen=True)
class Inputs:
    """Both refined keyframes, and the renders from one to the other, both included."""

    first: Image
    last: Image
    colours: tuple[Image, ...]
    passes: tuple[Passes, ...]


@dataclass(frozen=True)
class Params:
    """`is_final`: True for the last interval of the clip, which keeps its last keyframe."""

    is_final: bool


@dataclass(frozen=True)
class Outputs:
    """The interval's finished frames."""

    frames: Frames


class _FrameOnDisk:
    """A `ClipFrame`; what was read stays in memory."""

    def __init__(self, colour: Image, passes: Passes) -> None:
        self._colour = colour
        self._passes = passes

    @cached_property
    def colour(self) -> Array:
        return self._colour.read()

    @cached_property
    def ids(self) -> Array:
        return self._passes.read_ids()

    @cached_property
    def passes(self) -> FramePasses:
        return self._passes.read()


class _RendersOnDisk(Sequence[ClipFrame]):
    """Renders that are read when they are asked for; the latest ones stay in memory."""

    def __init__(self, colours: tuple[Image, ...], passes: tuple[Passes, ...]) -> None:
        self._count = len(colours)
        self._frame = lru_cache(maxsize=_KEPT_FRAMES)(lambda index: _FrameOnDisk(colours[index], passes[index]))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> ClipFrame: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ClipFrame]: ...
    def __getitem__(self, index: int | slice) -> ClipFrame | Sequence[ClipFrame]:
        if isinstance(index, slice):
            return [self._frame(item) for item in range(len(self))[index]]
        return self._frame(range(len(self))[index])


def nodes(scene: Scene) -> Iterator[Node]:
    """Yields one node per pair of neighbouring keyframes, where a backend fills them in."""
    if not is_run_by(scene.backends, "interpolate", "interpolate"):
        return
    for first, last in pairwise(scene.keyframing.frames):
        between = range(first, last + 1)
        yield Node(
            name=f"interpolate[{first}-{last}]",
            stage="interpolate",
            params=Params(is_final=last == scene.keyframing.frames[-1]),
            inputs={
                "first": keyframe_ref(scene, first),
                "last": keyframe_ref(scene, last),
                "colours": tuple(OutputRef(f"render[{index}]", "colour") for index in between),
                "passes": tuple(OutputRef(f"render[{index}]", "passes") for index in between),
            },
            backend=scene.backends["interpolate"],
            origins={"is_final": "keyframes"},
        )


@stage(
    "interpolate",
    version=1,
    nodes=nodes,
    capability="ClipInterpolator",
    resources=Resources(cpu=1, memory_gb=1.2),
    is_batched=True,
)
def run(inputs: Inputs, params: Params, backend: ClipInterpolator, work: WorkDir) -> Outputs:
    """Makes the frames of one interval."""
    outputs = Outputs(Frames(work.output("frames")))
    outputs.frames.path.mkdir()
    renders = _RendersOnDisk(inputs.colours, inputs.passes)
    count = len(renders) if params.is_final else len(renders) - 1
    for index, colour in enumerate(backend.interpolate(inputs.first.read(), inputs.last.read(), renders)):
        if index < count:
            outputs.frames.item(index).write(colour)
            work.progress((index + 1) / count)
    return outputs
