"""Values with the place where the user wrote them, and dotted paths to values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i2v3d.errors import Problem

Scalar = str | int | float | bool | None
SpecPath = tuple[str | int, ...]
Origin = tuple[tuple[tuple[int, int, int, bool], ...], ...]


@dataclass(frozen=True)
class Source:
    """One text that the user wrote: a file, a template, or an override on the command line.

    Attributes:
        file: The file; for an override the option's name.
        lines: The text as written, without newlines.
        origin: For text that was not read as written (a template's output, a value on the command line): by
            line of that text its pieces, each with its first column there (from zero), the line and column as
            written (from one), and whether all of the piece comes from that one place (an expression).
        first_line: Line number of the first of `lines`.
    """

    file: Path
    lines: tuple[str, ...]
    origin: Origin = ()
    first_line: int = 1

    def excerpt(self, line: int) -> str:
        """Returns the line as the user wrote it; empty when there is none."""
        index = line - self.first_line
        return self.lines[index] if 0 <= index < len(self.lines) else ""

    def mark(self, row: int, column: int) -> Mark:
        """Returns the place, as written, of a zero-based row and column of the text that was read."""
        if not self.origin:
            return Mark(self, row + self.first_line, column + 1)
        piece = (0, 1, 1, True)
        for candidate in self.origin[min(row, len(self.origin) - 1)]:
            if candidate[0] <= column:
                piece = candidate
        start, line, written, is_expression = piece
        return Mark(self, line, written if is_expression else written + column - start)


def _printable(text: str) -> str:
    """A text of the user's inside a message may not steer the terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


@dataclass(frozen=True)
class Mark:
    """A place in a source: one-based line and column of what the user wrote."""

    source: Source
    line: int
    column: int

    def problem(self, message: str, *, hint: str = "", path: str = "", severity: str = "error") -> Problem:
        """Returns a problem at this place."""
        excerpt = self.source.excerpt(self.line)
        message, hint = (_printable(text) for text in (message, hint))
        return Problem(path, message, hint, self.source.file, self.line, self.column, excerpt, severity)


@dataclass(frozen=True)
class Marked:
    """A value with its place; mappings and sequences hold further marked values.

    Attributes:
        value: A scalar, a mapping of keys to Marked, or a list of Marked.
        mark: Where the value starts.
        key_marks: For a mapping, where each key starts.
        size: Number of nodes in it, aliases counted each time.
    """

    value: Scalar | dict[str, Marked] | list[Marked]
    mark: Mark
    key_marks: dict[str, Mark] = field(default_factory=dict)
    size: int = 1

    def plain(self) -> Any:
        """Returns the data without places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def child(self, step: str | int) -> Marked | None:
        """Returns the value under a key or index, or None."""
        if isinstance(self.value, dict):
            return self.value.get(step) if isinstance(step, str) else None
        if isinstance(self.value, list) and isinstance(step, int) and -1 < step < len(self.value):
            return self.value[step]
        return None

    def find(self, path: SpecPath) -> Marked:
        """Returns the value at the longest part of `path` that exists."""
        node = self
        for step in path:
            below = node.child(step)
            if below is None:
                break
            node = below
        return node

    def key_mark(self, path: SpecPath) -> Mark | None:
        """Returns where the key at the end of `path` was written, or None when it is not there."""
        parent = self.find(path[:-1])
        step = path[-1] if path else None
        return parent.key_marks.get(step) if isinstance(step, str) else None


def path_text(path: SpecPath) -> str:
    """Returns `objects.rocket.segment.box[2]` for ("objects", "rocket", "segment", "box", 2)."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if re.fullmatch(r"[^\s.\[\]\"\\]+", step) else _quoted(step)
            text += f".{name}" if text else name
    return text


_PATH_STEP = re.compile(r'\.?(?:([^\s.\[\]"\\]+)|"((?:[^"\\]|\\.)*)")|\[([0-9]+)\]', re.DOTALL)


def _quoted(step: str) -> str:
    return '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_path(text: str) -> SpecPath:
    """Returns the steps of `objects.rocket.segment.box[2]`; the inverse of `path_text`.

    Raises:
        ValueError: It is not such a path.
    """
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _PATH_STEP.match(text, position)
        if match is None or (match.group().startswith(".") != bool(steps) and match.group(3) is None):
            raise ValueError(f"`{text}` is not a path such as `objects.rocket.height` or `camera[1].zoom`")
        bare, quoted, index = match.groups()
        if index is not None:
            steps.append(int(index))
        else:
            steps.append(bare if bare is not None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
        position = match.end()
    return tuple(steps)
