"""The frames of a clip in groups: a step of its own measures each, so that an edit measures only what it changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, overload

from i2v3d.artifacts.images import Frames, Image
from i2v3d.geometry.frames import Array
from i2v3d.stages.base import OutputRef
from i2v3d.stages.generate_keyframes import keyframe_ref

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class FrameGroup:
    """Frames that follow each other.

    Attributes:
        name: What steps that measure them have in brackets.
        frames: Which of the clip.
        clips: Sequences that hold them, in time order.
        pictures: Single pictures that come after these.
    """

    name: str
    frames: range
    clips: tuple[OutputRef, ...]
    pictures: tuple[OutputRef, ...] = ()


def finished_frames(scene: Scene) -> tuple[FrameGroup, ...]:
    """Returns the frames of the finished clip, those of an interval together."""
    keyframes = scene.keyframing.frames
    if len(keyframes) == 1:
        only = keyframes[0]
        return (FrameGroup(str(only), range(only, only + 1), (), (keyframe_ref(scene, only),)),)
    return tuple(
        FrameGroup(
            f"{first}-{last}",
            range(first, last + 1 if last == keyframes[-1] else last),
            (OutputRef(f"interpolate[{first}-{last}]", "frames"),),
        )
        for first, last in pairwise(keyframes)
    )


class PicturesOnDisk(Sequence[Array]):
    """Pictures that are read when they are asked for: of the sequences, then single ones; or a window of each.

    Args:
        clips: Sequences in order.
        pictures: What comes after them.
        window: Left, top, width and height in pixels; None for whole pictures.
    """

    def __init__(
        self, clips: Iterable[Frames], pictures: Iterable[Image], window: tuple[int, int, int, int] | None = None
    ) -> None:
        self._files = [*(picture for clip in clips for picture in clip), *pictures]
        self._window = window

    def __len__(self) -> int:
        return len(self._files)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Array]: ...
    def __getitem__(self, index: int | slice) -> Array | Sequence[Array]:
        if isinstance(index, slice):
            return [self._read(file) for file in self._files[index]]
        return self._read(self._files[index])

    def _read(self, file: Image) -> Array:
        if self._window is None:
            return file.read()
        left, top, width, height = self._window
        return file.read()[top : top + height, left : left + width]
