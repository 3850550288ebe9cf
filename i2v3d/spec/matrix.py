"""A matrix of scenes out of one spec: files of variables, times variants, times the values of each sweep.

Pure: from texts of the command line to named overrides, no file is read here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2v3d.errors import SpecError, UsageError
from i2v3d.spec.marks import Mark, Source, SpecPath, parse_path, path_text
from i2v3d.spec.suggest import hint_for
from i2v3d.spec.yaml_marks import parse_yaml

MAX_MEMBERS = 64
BASE = "base"
_ALL = "all"
_LONGEST_VALUE = 24
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Sweep:
    """One `--sweep PATH=VALUE,VALUE...`: a field of the spec and the plain values that it takes."""

    path: SpecPath
    values: tuple[Any, ...]  # Any: whatever YAML held


@dataclass(frozen=True)
class MemberSpec:
    """One member of a matrix, before it is loaded.

    Attributes:
        suffix: What its name adds to the scene's; empty for the spec as it is.
        label: The same for people: `closer, strength 0.5`.
        variables: Its file of template variables, or None.
        variant: Its variant, or None.
        swept: By dotted path, the value that each sweep gives it.
    """

    suffix: str
    label: str
    variables: Path | None
    variant: str | None
    swept: Mapping[str, Any]

    @property
    def overrides(self) -> tuple[str, ...]:
        """Its sweeps as `--set` takes them."""
        return tuple(f"{path}={json.dumps(value)}" for path, value in self.swept.items())


def parse_sweep(text: str, number: int) -> Sweep:
    """Returns `guidance.strength=1.0,0.5` read; `number` counts the sweeps of the command line from one.

    Values are YAML: scalars, or lists and mappings in brackets, whose commas do not part values.

    Raises:
        SpecError: It is none.
    """
    path, equals, values = text.partition("=")
    source = Source(Path("--sweep"), (text,), first_line=number)
    start = Mark(source, number, 1)
    if not equals or not path.strip() or not values.strip() or "\n" in text:
        hint = "for example `guidance.strength=1.0,0.5`"
        raise SpecError((start.problem(f"`{text}` is not `path=value,value,...`", hint=hint),))
    try:
        steps = parse_path(path.strip())
    except ValueError as error:
        raise SpecError((start.problem(str(error)),)) from None
    # Column 0 of what is parsed is the bracket put in front, in place of the last letter before the values.
    shifted = Source(source.file, source.lines, (((0, number, len(path) + 1, False),),), number)
    tree = parse_yaml(f"[{values}]", shifted)
    found = tree.plain()
    if not isinstance(found, list) or not found:
        raise SpecError((start.problem(f"`{values}` holds no value", hint="part values by commas"),))
    return Sweep(steps, tuple(found))


def parse_variants(text: str, known: Sequence[str]) -> tuple[str | None, ...]:
    """Returns the variants that `all`, `a,b` or `base,all` names; None stands for the spec as it is.

    Raises:
        UsageError: One is not known, given twice, or there are none.
    """
    chosen: list[str | None] = []
    for word in (part.strip() for part in text.split(",")):
        if word in known:
            chosen.append(word)
        elif word == _ALL:
            if not known:
                hint = "write `variants: {slow: {output.duration: 4s}}` in the spec, or use `--sweep`"
                raise UsageError("`--variants all`: the spec has no variants", hint=hint)
            chosen += known
        elif word == BASE:
            chosen.append(None)
        else:
            hint = hint_for(word, (*known, _ALL, BASE), label="variants")
            raise UsageError(f"`--variants {text}`: there is no variant `{word}`", hint=hint)
    twice = [name or BASE for name, count in Counter(chosen).items() if count > 1]
    if twice:
        raise UsageError(f"`--variants {text}`: `{twice[0]}` is given twice")
    return tuple(chosen)


def members_of(
    variants: Sequence[str | None],
    sweeps: Sequence[Sweep],
    *,
    batch: Sequence[Path] = (),
    max_members: int = MAX_MEMBERS,
) -> tuple[MemberSpec, ...]:
    """Returns every combination of a file of variables, a variant and the sweeps' values, the last changing fastest.

    Raises:
        UsageError: Too many members, two of one name, or a field that is swept twice.
    """
    paths = [path_text(sweep.path) for sweep in sweeps]
    for path, count in Counter(paths).items():
        if count > 1:
            raise UsageError(f"`{path}` is swept twice", hint="give all its values in one `--sweep`")
    counts = [len(batch) or 1, len(variants), *(len(sweep.values) for sweep in sweeps)]
    total = math.prod(counts)
    if total > max_members:
        factors = " x ".join(str(count) for count in counts if count > 1)
        hint = f"give fewer values, or allow it with `--max-members {total}`"
        raise UsageError(f"the matrix has {total} members ({factors}), more than {max_members}", hint=hint)
    short = _short_names([sweep.path for sweep in sweeps])
    members = [
        _member(variables, variant, tuple(zip(paths, short, values, strict=True)))
        for variables, variant, *values in itertools.product(
            batch or (None,), variants, *(sweep.values for sweep in sweeps)
        )
    ]
    refuse_same_names((member.suffix, member.label) for member in members)
    return tuple(members)


def refuse_same_names(names: Iterable[tuple[str, str]]) -> None:
    """Raises a UsageError when two of the (name, label) would have one folder, capitals or not."""
    taken: dict[str, str] = {}
    for name, label in names:
        other = taken.get(name.casefold())
        taken[name.casefold()] = label
        if other is not None:
            what = f"`{label}` twice" if other == label else f"`{other}` and `{label}`"
            raise UsageError(f"two members of the matrix would be called `{name}`: {what}", hint="leave one out")


def shown_value(value: Any) -> str:
    """Returns a plain value as short text: `0.5`, `512x288`, `{a: 1}`."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list) and value and all(_is_number(item) for item in value):
        return "x".join(map(str, value))
    if isinstance(value, list):
        return "[" + ", ".join(map(shown_value, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown_value(item)}" for key, item in value.items()) + "}"
    return str(value)


def _member(variables: Path | None, variant: str | None, swept: tuple[tuple[str, str, Any], ...]) -> MemberSpec:
    words = [] if variant is None else [variant]
    if variables is not None:
        words.insert(0, _safe(variables.stem))
    suffix = "-".join([*words, *(f"{_safe(name)}-{_file_value(value)}" for _, name, value in swept)])
    label = ", ".join([*words, *(f"{name} {shown_value(value)}" for _, name, value in swept)])
    values = {path: value for path, _, value in swept}
    return MemberSpec(_shortened(suffix, _LONGEST_NAME), label or BASE, variables, variant, values)


def _short_names(paths: Sequence[SpecPath]) -> list[str]:
    """Returns the end of each path, as long as it must be to tell it from the others."""
    names = []
    for path in paths:
        others = [other for other in paths if other != path]
        for length in range(1, len(path) + 1):
            end = path[-length:]
            if isinstance(end[0], str) and not any(other[-length:] == end for other in others):
                break
        names.append(path_text(end))
    return names


def _file_value(value: Any) -> str:
    return _shortened(_safe(shown_value(value)), _LONGEST_VALUE) or "empty"


def _safe(text: str) -> str:
    """Returns text as part of a folder's name; a sign in front stays."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).rstrip("-.").lstrip(".")


def _shortened(text: str, longest: int) -> str:
    """Returns text that is not too long, still different for different texts."""
    if len(text) <= longest:
        return text
    digest = hashlib.blake2b(text.encode(), digest_size=3).hexdigest()
    return f"{text[: longest - 7].rstrip('-.')}-{digest}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
