"""One tree of values out of a spec file, its includes, a variant and the command line, with all places kept.

Strength, strongest first: command line (`--set`, `--vars`, `--profile`), variant, file, included file,
default. Mappings are merged key by key; lists, `mesh` and `layout` are replaced whole; `null` takes away
what a weaker file says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from i2v3d.errors import Problem, SpecError
from i2v3d.spec.marks import Mark, Marked, Source, SpecPath, parse_path, path_text
from i2v3d.spec.suggest import hint_for
from i2v3d.spec.template import is_template, render_template
from i2v3d.spec.yaml_marks import MAX_NODES, parse_yaml, read_text, source_of

MAX_INCLUDES = 50
_WHOLE = ("mesh", "layout")
_VARIABLE = re.compile(r"\$\$|\$\{([^{}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass
class Reading:
    """What has been read so far.

    Attributes:
        root: Folder that includes must stay in.
        allow_paths: Further folders that they may lead to.
        variables: Values of `--vars`.
        files: Every file read, in order.
        problems: What was wrong without stopping the reading.
        warnings: What is probably not meant.
        used: Names of variables that something asked for.
    """

    root: Path
    allow_paths: tuple[Path, ...]
    variables: Mapping[str, Any]
    files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    used: set[str] = field(default_factory=set)


def read_tree(reading: Reading, file: Path, given: Mapping[str, Any], chain: tuple[Path, ...] = ()) -> Marked:
    """Returns a file's tree merged over those that it includes.

    Raises:
        SpecError: A file can't be read or parsed.
    """
    if len(reading.files) >= MAX_INCLUDES:
        raise SpecError((Problem("include", f"more than {MAX_INCLUDES} files are included", "", file),))
    text = read_text(file)
    reading.files.append(file)
    if is_template(file):
        rendered = render_template(file, text, {**given, **reading.variables})
        reading.used.update(rendered.used)
        tree = parse_yaml(rendered.text, rendered.source)
    else:
        tree = parse_yaml(text, source_of(file, text))
    includes = tree.child("include")
    if includes is None:
        return tree
    merged: Marked | None = None
    for entry, path in _entries(includes):
        included = _included(reading, entry, path, (*chain, file), _own_variables(tree, given))
        if included is not None:
            merged = included if merged is None else merge(merged, included)
    own = without(tree, "include")
    return own if merged is None else merge(merged, own)


def merge(weak: Marked, strong: Marked, key: str = "") -> Marked:
    """Returns `strong` over `weak`."""
    if not isinstance(weak.value, dict) or not isinstance(strong.value, dict) or key in _WHOLE:
        return strong
    items, marks = dict(weak.value), dict(weak.key_marks)
    for name, value in strong.value.items():
        if value.value is None:
            items.pop(name, None)
            marks.pop(name, None)
        else:
            items[name] = merge(items[name], value, name) if name in items else value
            marks[name] = strong.key_marks[name]
    return Marked(items, strong.mark, marks, 1 + sum(item.size for item in items.values()))


def without(tree: Marked, *keys: str) -> Marked:
    """Returns a mapping without some of its keys."""
    if not isinstance(tree.value, dict):
        return tree
    items = {key: item for key, item in tree.value.items() if key not in keys}
    return replace(tree, value=items, key_marks={key: tree.key_marks[key] for key in items})


def apply_variant(tree: Marked, overrides: Marked) -> Marked:
    """Returns the tree with a variant's overrides: mappings are merged, dotted keys set one value.

    Raises:
        SpecError: A dotted key leads nowhere.
    """
    if not isinstance(overrides.value, dict):
        problem = overrides.mark.problem("a variant is a mapping of overrides", hint="`slow: {output.duration: 4s}`")
        raise SpecError((problem,))
    dotted = [key for key in overrides.value if "." in key or "[" in key]
    tree = merge(tree, without(overrides, *dotted))
    for key in dotted:
        tree = set_value(tree, _steps(key, overrides.key_marks[key]), overrides.value[key], overrides.key_marks[key])
    return tree


def apply_override(tree: Marked, override: str, number: int) -> Marked:
    """Returns the tree with `path=value` of the command line; `number` counts from one.

    Raises:
        SpecError: It is not `path=value`, or the path leads nowhere.
    """
    path, equals, text = override.partition("=")
    source = Source(Path("--set"), (override,), first_line=number)
    start = Mark(source, number, 1)
    if not equals or not path.strip() or "\n" in override:
        problem = start.problem(f"`{override}` is not `path=value`", hint="for example `output.duration=4s`")
        raise SpecError((problem,))
    shifted = replace(source, origin=(((0, number, len(path) + 2, False),),))
    return set_value(tree, _steps(path.strip(), start), parse_yaml(text, shifted), start)


def set_value(tree: Marked, path: SpecPath, value: Marked, mark: Mark) -> Marked:
    """Returns the tree with one value put at `path`; missing mappings are made, list entries must exist.

    Raises:
        SpecError: The path leads through a value that has nothing below it, or to a missing list entry.
    """
    return _set(tree, path, 0, value, mark)


def _set(node: Marked, path: SpecPath, depth: int, value: Marked, mark: Mark) -> Marked:
    if depth == len(path):
        return value
    step, here = path[depth], path_text(path[:depth]) or "the scene"
    if isinstance(step, int):
        if node.value is None:
            message = f"there is no `{here}` in the spec that could have an entry {step}"
            hint = f"set the list as a whole: `{here}=[...]`"
            raise SpecError((mark.problem(message, hint=hint, path=path_text(path)),))
        if not isinstance(node.value, list):
            raise SpecError((mark.problem(f"{here} is not a list", path=path_text(path)),))
        if step >= len(node.value):
            hint = f"it has {len(node.value)} entries, counted from 0"
            raise SpecError((mark.problem(f"{here} has no entry {step}", hint=hint, path=path_text(path)),))
        entries = list(node.value)
        entries[step] = _set(entries[step], path, depth + 1, value, mark)
        return replace(node, value=entries)
    if node.value is None:
        node = Marked({}, mark)
    if not isinstance(node.value, dict):
        what = "a list" if isinstance(node.value, list) else f"`{node.value}`"
        hint = f"write `{here}[0].{step}`" if isinstance(node.value, list) else f"set `{here}` as a whole"
        raise SpecError((mark.problem(f"{here} is {what}, it has no `{step}`", hint=hint, path=path_text(path)),))
    below = node.value.get(step, Marked(None, mark))
    items = {**node.value, step: _set(below, path, depth + 1, value, mark)}
    return replace(node, value=items, key_marks={**node.key_marks, step: mark})


def substitute(reading: Reading, tree: Marked) -> Marked:
    """Returns the tree without `vars`, each `${name}` in its texts replaced; `$$` stands for `$`.

    A text that is one `${name}` takes the variable's value with its type. What is wrong is noted.
    """
    variables = _variables(reading, tree)
    budget = [MAX_NODES]

    def walk(node: Marked, path: SpecPath) -> Marked:
        if isinstance(node.value, dict):
            return replace(node, value={key: walk(item, (*path, key)) for key, item in node.value.items()})
        if isinstance(node.value, list):
            return replace(node, value=[walk(item, (*path, index)) for index, item in enumerate(node.value)])
        if isinstance(node.value, str) and "$" in node.value:
            found = _expanded(reading, node, variables, path_text(path))
            budget[0] -= found.size
            if budget[0] < 0:
                raise SpecError((node.mark.problem(f"variables make more than {MAX_NODES:,} values"),))
            return found
        return node

    return walk(without(tree, "vars"), ())


def _expanded(reading: Reading, node: Marked, variables: dict[str, Marked], path: str) -> Marked:
    text = str(node.value)
    whole = _VARIABLE.fullmatch(text)
    pieces, end = [], 0
    for match in _VARIABLE.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        if match.group() == "$$":
            pieces.append("$")
            continue
        name = match.group(1).strip()
        reading.used.add(name)
        if not match.group().endswith("}") or not _NAME.match(name):
            message = f"`{match.group()}` is not a variable"
            reading.problems.append(
                node.mark.problem(message, hint="write `${name}`, or `$$` for a plain $", path=path)
            )
        elif name not in variables:
            hint = hint_for(name, variables, label="variables")
            reading.problems.append(node.mark.problem(f"there is no variable `{name}`", hint=hint, path=path))
        elif whole is not None:
            return replace(variables[name], mark=node.mark)
        elif isinstance(variables[name].value, dict | list):
            message = f"the variable `{name}` is no plain value: it can't stand inside a text"
            reading.problems.append(node.mark.problem(message, hint=f"use `${{{name}}}` alone", path=path))
        else:
            pieces.append(_as_text(variables[name].value))
    return replace(node, value="".join((*pieces, text[end:])))


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: ""}[value]
    return str(value)


def _variables(reading: Reading, tree: Marked) -> dict[str, Marked]:
    """Variables of `vars:` and, stronger, of the command line."""
    declared = tree.child("vars")
    found: dict[str, Marked] = {}
    if declared is not None and isinstance(declared.value, dict):
        found.update(declared.value)
        for name, mark in declared.key_marks.items():
            if not _NAME.match(name):
                message = f"`{name}` can't name a variable"
                reading.problems.append(mark.problem(message, hint="use letters, digits and `_`", path=f"vars.{name}"))
    elif declared is not None and declared.value is not None:
        hint = "write `vars: {name: value}`"
        reading.problems.append(declared.mark.problem("expected a mapping of variables", hint=hint, path="vars"))
    for number, (name, value) in enumerate(reading.variables.items(), start=1):
        source = Source(Path("--vars"), (f"{name}={value}",), first_line=number)
        known = (*found, *reading.used)
        if name not in known:
            hint = hint_for(name, known, label="variables")
            mark, message = Mark(source, number, 1), f"nothing asks for the variable `{name}`"
            reading.warnings.append(mark.problem(message, hint=hint, severity="warning"))
        found[name] = marked_from(value, Mark(source, number, len(name) + 2))
    return found


def marked_from(value: Any, mark: Mark) -> Marked:  # Any: a plain value from Python
    """Returns plain data with one place for all of it."""
    if isinstance(value, Mapping):
        items = {str(key): marked_from(item, mark) for key, item in value.items()}
        return Marked(items, mark, dict.fromkeys(items, mark), 1 + sum(item.size for item in items.values()))
    if isinstance(value, list | tuple):
        entries = [marked_from(item, mark) for item in value]
        return Marked(entries, mark, size=1 + sum(item.size for item in entries))
    return Marked(value, mark)


def _own_variables(tree: Marked, given: Mapping[str, Any]) -> dict[str, Any]:
    declared = tree.child("vars")
    own = declared.plain() if declared is not None and isinstance(declared.value, dict) else {}
    return {**own, **given}


def _entries(includes: Marked) -> list[tuple[Marked, SpecPath]]:
    if isinstance(includes.value, list):
        return [(entry, ("include", index)) for index, entry in enumerate(includes.value)]
    return [(includes, ("include",))]


def _included(
    reading: Reading, entry: Marked, path: SpecPath, chain: tuple[Path, ...], given: Mapping[str, Any]
) -> Marked | None:
    """Reads one entry of `include`: a file name, or {file, vars}."""
    name, variables = entry, given
    if isinstance(entry.value, dict):
        unknown = [key for key in entry.value if key not in ("file", "vars")]
        if unknown or "file" not in entry.value:
            key = unknown[0] if unknown else "file"
            message = f"unknown key `{key}`" if unknown else "`file` is missing"
            mark = entry.key_marks.get(key, entry.mark)
            hint = hint_for(key, ("file", "vars"), label="known keys") if unknown else "`{file: base.yaml}`"
            reading.problems.append(mark.problem(message, hint=hint, path=path_text((*path, key))))
            return None
        name = entry.value["file"]
        own = entry.child("vars")
        variables = {**given, **own.plain()} if own is not None and isinstance(own.value, dict) else given
    if not isinstance(name.value, str):
        hint = "give a file name"
        reading.problems.append(name.mark.problem("expected a file name", hint=hint, path=path_text(path)))
        return None
    file = (chain[-1].parent / name.value).resolve()
    problem = None
    if not any(file.is_relative_to(folder.resolve()) for folder in (reading.root, *reading.allow_paths)):
        problem = (f"`{name.value}` leads out of the spec's folder", "copy it here, or allow it with `--allow-path`")
    elif not file.is_file():
        near = (other.name for other in file.parent.glob("*.y*ml*")) if file.parent.is_dir() else ()
        problem = (f"there is no file `{name.value}`", hint_for(file.name, near, label="files there"))
    elif file in [above.resolve() for above in chain]:
        loop = " -> ".join(above.name for above in (*chain, file))
        problem = (f"the includes go in a circle: {loop}", "")
    if problem is not None:
        reading.problems.append(name.mark.problem(problem[0], hint=problem[1], path=path_text(path)))
        return None
    return read_tree(reading, file, variables, chain)


def _steps(text: str, mark: Mark) -> SpecPath:
    try:
        return parse_path(text)
    except ValueError as error:
        raise SpecError((mark.problem(str(error)),)) from None
