"""YAML read as data with the place of every key and value, in one pass over libyaml's events.

Scalars follow the core schema of YAML 1.2: `on`, `yes`, `no` and `1:30` are text, octal is `0o17`,
`1e-4` is a number. Refused with their place: tabs as indentation, duplicate keys, merge keys, custom
tags, several documents, and what would blow up (depth, size, aliases).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from i2v3d.errors import Problem, SpecError
from i2v3d.spec.marks import Mark, Marked, Scalar, Source

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 100_000

_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # Any: the C loader has no stubs
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")


def read_text(file: Path) -> str:
    """Returns the text of a spec file, its byte order mark removed.

    Raises:
        SpecError: It is missing, no file, too large, or not UTF-8.
    """
    try:
        raw = file.read_bytes() if file.stat().st_size <= MAX_BYTES else b""
        size = file.stat().st_size
    except FileNotFoundError:
        raise SpecError((Problem("", "there is no such file", "give the path of a scene.yaml", file),)) from None
    except IsADirectoryError:
        raise SpecError((Problem("", "this is a folder", "give the scene.yaml in it", file),)) from None
    except OSError as error:
        raise SpecError((Problem("", f"can't be read: {error.strerror}", "", file),)) from error
    if size > MAX_BYTES:
        raise SpecError((Problem("", f"{size:,} bytes is above the limit of {MAX_BYTES:,} for a spec", "", file),))
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rsplit(b"\n", 1)[-1].decode("utf-8", "replace")) + 1
        excerpt = raw.split(b"\n")[line - 1].decode("utf-8", "replace").rstrip("\r")
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise SpecError((Problem("", message, "save the file as UTF-8", file, line, column, excerpt),)) from None


def source_of(file: Path, text: str) -> Source:
    """Returns the source of a text as written."""
    return Source(file, tuple(text.splitlines()))


def parse_yaml(text: str, source: Source) -> Marked:
    """Returns the one document in `text` (rendered text, for a template) with all places.

    Raises:
        SpecError: It is not YAML, or uses what is refused; with every duplicate key found.
    """
    parser = _Parser(source)
    parser.check_tabs(text)
    try:
        root = parser.document(yaml.parse(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise SpecError((parser.syntax_problem(error),)) from None
    except yaml.YAMLError as error:
        raise SpecError((_character_problem(error, text, source),)) from None
    if parser.problems:
        raise SpecError(tuple(parser.problems))
    return root


@dataclass
class _Parser:
    source: Source
    problems: list[Problem] = field(default_factory=list)
    anchors: dict[str, Marked | None] = field(default_factory=dict)
    nodes: int = 0

    def mark(self, at: Any) -> Mark:  # Any: PyYAML's mark
        return self.mark_at(at.line, at.column)

    def mark_at(self, row: int, column: int) -> Mark:
        return self.source.mark(row, column)

    def check_tabs(self, text: str) -> None:
        for row, line in enumerate(text.splitlines()):
            indent = line[: len(line) - len(line.lstrip())]
            if "\t" in indent and line.strip() and not line.lstrip().startswith("#"):
                mark = self.mark_at(row, indent.index("\t"))
                raise SpecError((mark.problem("a tab in the indentation", hint="indent with spaces"),))

    def document(self, events: Iterator[Any]) -> Marked:  # Any: PyYAML's events
        root: Marked | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._refuse(event, "a second document", "one file holds one scene: remove the `---`")
            elif isinstance(event, yaml.NodeEvent):
                root = self.node(event, events, 0)
        return root or Marked(None, Mark(self.source, self.source.first_line, 1))

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Marked:
        if depth > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels", "")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        tag = event.tag
        if tag not in (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._refuse(event, f"the tag `{tag}` is not allowed", "a spec holds plain values only")
        if event.anchor:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node = Marked(self._scalar(event), self.mark(event.start_mark))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(event, events, depth)
        else:
            node = self._mapping(event, events, depth)
        self._count(event, 1)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def syntax_problem(self, error: yaml.MarkedYAMLError) -> Problem:
        at = error.problem_mark or error.context_mark
        mark = self.mark(at) if at is not None else Mark(self.source, self.source.first_line, 1)
        message = (error.problem or "not YAML").replace("block mapping", "mapping").replace("<", "").replace(">", "")
        context = error.context or ""
        started = f" (line {self.mark(error.context_mark).line})" if error.context_mark is not None else ""
        hint = "indent with spaces, close every bracket and quote"
        if "mapping values" in message:
            hint = "write `key: value` on a line of its own, or quote a text that holds `: `"
        elif "cannot start any token" in message and self.source.excerpt(mark.line)[mark.column - 1 :][:1] in "%@`":
            hint = "quote a text that starts with %, @ or `"
        return mark.problem(f"not YAML: {message}{f' {context}{started}' if context else ''}", hint=hint)

    def _sequence(self, event: Any, events: Iterator[Any], depth: int) -> Marked:
        items: list[Marked] = []
        for below in events:
            if isinstance(below, yaml.SequenceEndEvent):
                break
            items.append(self.node(below, events, depth + 1))
        return Marked(items, self.mark(event.start_mark), size=1 + sum(item.size for item in items))

    def _mapping(self, event: Any, events: Iterator[Any], depth: int) -> Marked:
        items: dict[str, Marked] = {}
        marks: dict[str, Mark] = {}
        for below in events:
            if isinstance(below, yaml.MappingEndEvent):
                break
            key, mark = self._key(below), self.mark(below.start_mark)
            value = self.node(next(events), events, depth + 1)
            if key in items:
                message = f"the key `{key}` is there twice"
                self.problems.append(mark.problem(message, hint=f"the first is on line {marks[key].line}; keep one"))
                continue
            items[key], marks[key] = value, mark
        return Marked(items, self.mark(event.start_mark), marks, 1 + sum(item.size for item in items.values()))

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, "a key must be plain text", "write `key: value`")
        if event.value == "<<" and not event.style:
            self._refuse(event, "merge keys (`<<`) are not part of YAML 1.2", "use `include:` or write the keys out")
        return str(event.value)

    def _alias(self, event: Any) -> Marked:
        node = self.anchors.get(event.anchor)
        if node is None:
            known = event.anchor in self.anchors
            what = f"`*{event.anchor}` stands inside its own anchor" if known else f"no anchor `&{event.anchor}` above"
            self._refuse(event, what, "")
            raise AssertionError  # _refuse always raises
        self._count(event, node.size)
        return node

    def _count(self, event: Any, more: int) -> None:
        self.nodes += more
        if self.nodes > MAX_NODES:
            self._refuse(event, f"more than {MAX_NODES:,} values", "too many aliases of aliases?")

    def _scalar(self, event: Any) -> Scalar:
        text = str(event.value)
        if event.style or event.tag:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.match(text) and len(text) < 20:
            return int(text)
        if _OCTAL.match(text):
            return int(text[2:], 8)
        if _HEXADECIMAL.match(text):
            return int(text[2:], 16)
        if _FLOAT.match(text) and math.isfinite(float(text)):
            return float(text)
        if _NOT_FINITE.match(text) or _FLOAT.match(text):
            self._refuse(event, f"`{text}` is not a finite number", "give a number")
        return text

    def _refuse(self, event: Any, message: str, hint: str) -> None:
        raise SpecError((*self.problems, self.mark(event.start_mark).problem(message, hint=hint)))


def _character_problem(error: yaml.YAMLError, text: str, source: Source) -> Problem:
    position = getattr(error, "position", 0)
    row = text.count("\n", 0, position)
    column = position - (text.rfind("\n", 0, position) + 1)
    mark = _Parser(source).mark_at(row, column)
    code = getattr(error, "character", None)
    what = f"the character U+{code:04X} is not allowed" if isinstance(code, int) else "a character is not allowed"
    return mark.problem(what, hint="remove it")
