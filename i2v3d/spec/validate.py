"""Marked data to a checked `Spec`, every error as a Problem at the place the user wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from i2v3d.errors import Problem
from i2v3d.spec.collect import BEYOND_END, NO_SUCH
from i2v3d.spec.marks import Mark, Marked, SpecPath, parse_path, path_text

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec

_CLIP_LENGTH: frozenset[SpecPath] = frozenset({("output",), ("output", "fps"), ("output", "duration")})
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


def validate_rest(tree: Marked, problems: tuple[Problem, ...]) -> tuple[Spec | None, tuple[SpecPath, ...]]:
    """Returns the spec without what was wrong, so that further checks can run, and the paths taken out.

    None when what is left is no spec.
    """
    pruned: list[SpecPath] = []
    for _ in range(4):
        for problem in problems:
            path = parse_path(problem.path)
            while path and isinstance(path[-1], int):
                path = path[:-1]
            pruned.append(path)
            tree = _without(tree, path)
        spec, problems = validate(tree)
        if spec is not None:
            return spec, tuple(pruned)
    return None, tuple(pruned)


def follows_from(problem: Problem, pruned: tuple[SpecPath, ...]) -> bool:
    """Returns whether a problem may be there only because something wrong was taken out."""
    path = parse_path(problem.path)
    if any(path[: len(gone)] == gone for gone in pruned):
        return True
    if any(gone[: len(path)] == path for gone in pruned) and not problem.message.startswith(NO_SUCH):
        return True
    if BEYOND_END in problem.message and not _CLIP_LENGTH.isdisjoint(pruned):
        return True
    lost_names = [str(gone[1]) for gone in pruned if gone[0] == "objects" and len(gone) == 2]
    return ("objects",) in pruned or any(f"`{name}`" in problem.message for name in lost_names)


def _without(tree: Marked, path: SpecPath) -> Marked:
    below = tree.child(path[0]) if path else None
    if below is None:
        return tree
    if isinstance(tree.value, list) and isinstance(path[0], int):
        entries = list(tree.value)
        entries[path[0]] = _without(below, path[1:])
        return replace(tree, value=entries)
    assert isinstance(tree.value, dict)  # only mappings have children by name
    if len(path) > 1:
        return replace(tree, value={**tree.value, str(path[0]): _without(below, path[1:])})
    return replace(tree, value={key: item for key, item in tree.value.items() if key != path[0]})


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
