"""Motion capture in .bvh files: a hierarchy of joints, and a row of channels a frame.

The format has no standard; what is read is what its makers agree on: offsets from the parent at rest,
position and rotation channels in any order, angles in degrees, turns applied in the order of the channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.rig_curves import quaternions_of
from i2v3d.rigs.motion_data import MotionData, MotionFileError

MAX_FRAMES = 200_000
MAX_JOINTS = 1000
_CHANNELS = {f"{axis}{kind}".lower(): (kind, "XYZ".index(axis)) for axis in "XYZ" for kind in ("position", "rotation")}


@dataclass
class _Joint:
    """A joint while it is read; `channels` are (kind, axis, column of the motion's rows)."""

    name: str
    parent: int
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    channels: list[tuple[str, int, int]] = field(default_factory=list)
    end: tuple[float, ...] | None = None


class _Words:
    """The words of a file with their lines, and errors that name both."""

    def __init__(self, file: Path, text: str) -> None:
        self.file = file
        self.line = 1
        self.lines = text.splitlines()
        self._words: Iterator[tuple[int, str]] = (
            (number, word) for number, line in enumerate(self.lines, 1) for word in line.split()
        )

    def error(self, message: str, hint: str = "") -> MotionFileError:
        return MotionFileError(f"{self.file.name}:{self.line}: {message}", hint)

    def next(self, what: str) -> str:
        found = next(self._words, None)
        if found is None:
            self.line = max(len(self.lines), 1)
            raise self.error(f"the file ends where {what} should be", "export it again: it is cut off")
        self.line = found[0]
        return found[1]

    def expect(self, word: str) -> None:
        found = self.next(f"`{word}`")
        if found.upper() != word.upper():
            raise self.error(f"expected `{word}`, found `{found[:40]}`")

    def number(self, what: str) -> float:
        word = self.next(what)
        try:
            value = float(word)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise self.error(f"expected {what}, found `{word[:40]}`")
        return value

    def whole(self, what: str, least: int, most: int) -> int:
        value = self.number(what)
        if value != int(value) or not least <= value <= most:
            raise self.error(f"{value:g} can't be {what}", f"a whole number from {least} to {most:,} is")
        return int(value)


def read_bvh(file: Path) -> MotionData:
    """Returns the motion of a .bvh file.

    Raises:
        MotionFileError: It is no .bvh file, or damaged; the message names the line.
    """
    words = _Words(file, file.read_text(encoding="utf-8", errors="replace"))
    words.expect("HIERARCHY")
    joints, columns = _read_hierarchy(words)
    words.expect("Frames:")
    count = words.whole("the number of frames", 1, MAX_FRAMES)
    words.expect("Frame")
    words.expect("Time:")
    seconds = words.number("the seconds of a frame")
    if not 1e-4 <= seconds <= 10:
        raise words.error(f"a frame of {seconds:g} s is no rate of a motion", "write `Frame Time: 0.0333333`")
    return _moved(joints, _read_rows(words, count, columns), 1 / seconds)


def _read_hierarchy(words: _Words) -> tuple[list[_Joint], int]:
    """Returns the joints and how many columns their channels take, read up to the word MOTION."""
    joints: list[_Joint] = []
    above: list[int] = []
    columns = 0
    while True:
        word = words.next("a joint or `MOTION`")
        kind = word.upper()
        if kind in ("ROOT", "JOINT"):
            if (kind == "ROOT") != (not above):
                raise words.error(f"`{word}` can't stand here", "a ROOT has no parent, a JOINT has one")
            if len(joints) == MAX_JOINTS:
                raise words.error(f"there are more than {MAX_JOINTS} joints")
            name = words.next("the joint's name")
            if any(joint.name == name for joint in joints):
                raise words.error(f"two joints are called `{name}`")
            joints.append(_Joint(name, above[-1] if above else -1))
            words.expect("{")
            above.append(len(joints) - 1)
        elif kind == "END" and above:
            words.next("`Site`")
            words.expect("{")
            words.expect("OFFSET")
            joints[above[-1]].end = tuple(words.number("an offset") for _ in range(3))
            words.expect("}")
        elif kind == "OFFSET" and above:
            joints[above[-1]].offset = tuple(words.number("an offset") for _ in range(3))
        elif kind == "CHANNELS" and above:
            for _ in range(words.whole("the number of channels", 0, 6)):
                name = words.next("a channel")
                if name.lower() not in _CHANNELS:
                    raise words.error(f"there is no channel `{name[:40]}`", f"these are: {', '.join(_CHANNELS)}")
                joints[above[-1]].channels.append((*_CHANNELS[name.lower()], columns))
                columns += 1
        elif kind == "}" and above:
            above.pop()
        elif kind == "MOTION" and not above and joints:
            return joints, columns
        else:
            raise words.error(
                f"`{word[:40]}` can't stand here", "expected a joint, OFFSET, CHANNELS, End Site or MOTION"
            )


def _read_rows(words: _Words, count: int, columns: int) -> Array:
    """Returns (count, columns); a row is a line."""
    rows = np.zeros((count, columns))
    numbered = [(n, line) for n, line in enumerate(words.lines[words.line :], words.line + 1) if line.strip()]
    for index in range(count):
        if index == len(numbered):
            words.line = len(words.lines)
            raise words.error(f"there are {index} frames, and `Frames:` says {count}", "export it again: it is cut off")
        words.line, line = numbered[index]
        try:
            values = np.array(line.split(), np.float64)
        except ValueError:
            raise words.error("there is something in this frame that is no number") from None
        if len(values) != columns:
            raise words.error(f"this frame has {len(values)} numbers, and the joints have {columns} channels")
        if not np.isfinite(values).all():
            raise words.error("there is something in this frame that is no number")
        rows[index] = values
    return rows


def _moved(joints: list[_Joint], rows: Array, fps: float) -> MotionData:
    count, parents = len(joints), [joint.parent for joint in joints]
    heads, tails = np.zeros((count, 3)), np.zeros((count, 3))
    turns, places = np.zeros((len(rows), count, 3, 3)), np.zeros((len(rows), count, 3))
    for index, (joint, parent) in enumerate(zip(joints, parents, strict=True)):
        offset = np.array(joint.offset)
        heads[index] = offset + (heads[parent] if parent >= 0 else 0.0)
        turn = np.repeat(np.eye(3)[None], len(rows), axis=0)
        way = np.repeat(offset[None], len(rows), axis=0)
        for kind, axis, column in joint.channels:
            if kind == "position":
                way[:, axis] = rows[:, column]
            else:
                turn = turn @ _turns_about(axis, np.radians(rows[:, column]))
        if parent >= 0:
            turns[:, index] = turns[:, parent] @ turn
            places[:, index] = places[:, parent] + np.einsum("fij,fj->fi", turns[:, parent], way)
        else:
            turns[:, index], places[:, index] = turn, way
    for index, joint in enumerate(joints):
        below = [heads[other] for other, parent in enumerate(parents) if parent == index]
        end = joint.end if joint.end is not None else (0.0, 0.0, 0.0)
        tails[index] = np.mean(below, axis=0) if below else heads[index] + np.array(end)
    names = tuple(joint.name for joint in joints)
    return MotionData(names, tuple(parents), heads, tails, quaternions_of(turns), places, fps)


def _turns_about(axis: int, angles: Array) -> Array:
    """Returns (n, 3, 3): turns about an axis of the file."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    found = np.zeros((len(angles), 3, 3))
    found[:, axis, axis] = 1.0
    found[:, i, i] = found[:, j, j] = np.cos(angles)
    found[:, j, i], found[:, i, j] = np.sin(angles), -np.sin(angles)
    return found
