"""Templates (`*.yaml.j2`) to text with a map back to the template, rendered in a limited child process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2v3d.errors import Problem, SpecError
from i2v3d.spec.marks import Origin, Source
from i2v3d.spec.suggest import nearest

_CHILD = Path(__file__).with_name("template_child.py")
_WALL_SECONDS = 30
_TOO_LONG = "the template took too long or too much memory"


@dataclass(frozen=True)
class Rendered:
    """A rendered template: its text, the source that leads back, and the variables that it asks for."""

    text: str
    source: Source
    used: tuple[str, ...]


def is_template(file: Path) -> bool:
    """Returns whether the file is rendered before it is read as YAML."""
    return file.suffix == ".j2"


def render_template(file: Path, text: str, variables: Mapping[str, Any]) -> Rendered:
    """Returns the rendered template.

    Raises:
        SpecError: It is wrong, reaches for what is not allowed, or does not end; with the template's line.
    """
    source = Source(file, tuple(text.splitlines()))
    for row, line in enumerate(source.lines):
        for mark in ("\ue000", "\ue001"):
            if mark in line:
                column = line.index(mark) + 1
                problem = Problem("", "a private-use character", "remove it", file, row + 1, column, line)
                raise SpecError((problem,))
    request = json.dumps({"text": text, "variables": dict(variables)}).encode()
    command = [sys.executable, "-I", str(_CHILD)]
    try:
        child = subprocess.run(command, input=request, capture_output=True, timeout=_WALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise SpecError((_at_line(source, 1, _TOO_LONG, "does a loop ever end?"),)) from None
    if child.returncode < 0:
        raise SpecError((_at_line(source, 1, _TOO_LONG, "does a loop ever end?"),))
    if child.returncode:
        why = child.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no reason given"]
        raise SpecError((_at_line(source, 1, f"the template could not be rendered: {why[0]}", ""),))
    answer = json.loads(child.stdout)
    if "error" in answer:
        hint = _undefined_hint(answer["error"], variables) or answer["hint"]
        raise SpecError((_at_line(source, int(answer["line"]), answer["error"], hint),))
    origin: Origin = tuple(tuple(tuple(mark) for mark in row) for row in answer["rows"])
    return Rendered(answer["text"], Source(file, source.lines, origin), tuple(answer["used"]))


def _undefined_hint(message: str, variables: Mapping[str, Any]) -> str:
    if not message.endswith("is undefined"):
        return ""
    near = nearest(message.split("'")[1] if "'" in message else message, variables)
    return f"did you mean `{near}`?" if near else ""


def _at_line(source: Source, line: int, message: str, hint: str) -> Problem:
    excerpt = source.excerpt(line)
    column = len(excerpt) - len(excerpt.lstrip()) + 1
    return Problem("", message, hint, source.file, line, column, excerpt)
