"""Marked data to a checked `Spec`, every error as a Problem at the place the user wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from i2v3d.errors import Problem
from i2v3d.spec.yaml_marks import Mark, Marked, SpecPath, path_text

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec

_UNKNOWN = re.compile(r"unknown (?:key|metric) `(.*)`", re.DOTALL)


def validate(tree: Marked) -> tuple[Spec | None, tuple[Problem, ...]]:
    """Returns the checked spec (None when it is wrong) and all problems found."""
    from pydantic import ValidationError

    from i2v3d.spec.model import Spec

    if not isinstance(tree.value, dict):
        what = "the file is empty" if tree.value is None else "the file is not a mapping"
        return None, (tree.mark.problem(what, hint="start with `source: {image: photo.jpg}`"),)
    try:
        return Spec.model_validate(tree.plain()), ()
    except ValidationError as error:
        return None, tuple(in_order(_problem(tree, line) for line in error.errors(include_url=False)))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Returns the problems without repeats, in the order of the files."""
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (str(problem.file), problem.line, problem.column))


def place_of(tree: Marked, path: SpecPath) -> tuple[SpecPath, Mark]:
    """Returns the longest part of `path` that is in the tree, and where its value starts."""
    node, known = tree, 0
    for step in path:
        below = node.child(step)
        if below is None:
            continue  # a step that only the model has: the name of a form that was written short
        node, known = below, known + 1
    return path[:known], node.mark


def _problem(tree: Marked, line: Any) -> Problem:  # Any: pydantic's error dict
    steps, node = [], tree
    for step in line["loc"]:
        below = node.child(step)
        if below is not None:
            steps.append(step)
            node = below
    path: SpecPath = tuple(steps)
    message, hint = _words(line)
    mark = node.mark
    unknown = _UNKNOWN.match(message)
    if unknown:
        key = unknown.group(1)
        path = path if path and path[-1] == key else (*path, key)
        mark = tree.key_mark(path) or mark
    elif path:
        mark = _visible_mark(tree, path, mark)
    return mark.problem(message, hint=hint, path=path_text(path))


def _visible_mark(tree: Marked, path: SpecPath, mark: Mark) -> Mark:
    """A block value starts on the line below its key: the key's line says more."""
    key = tree.key_mark(path)
    return key if key is not None and key.line != mark.line and key.source is mark.source else mark


def _words(line: Any) -> tuple[str, str]:  # Any: pydantic's error dict
    context = line.get("ctx", {})
    if line["type"] == "spec":
        return str(context["message"]), str(context["hint"])
    if line["type"] == "missing":
        return f"`{line['loc'][-1]}` is missing", ""
    return str(line["msg"]), ""
