"""What differs between two scenes as their specs say it: field by field, after templates, variants and defaults.

Values are compared in base units and times as seconds of the clip, so `0.5s` and frame `12` at 24 fps
are equal, and so are a default and the same value written out. Comments and layout are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i2v3d.spec.load import LoadedScene
from i2v3d.spec.marks import Marked, SpecPath, path_text
from i2v3d.spec.units import Moment, Row
from i2v3d.spec.validate import validate

if TYPE_CHECKING:
    from i2v3d.spec.model.base import SpecPart

# What builds nothing: notes for people, and what is read before the scene is made.
_NOT_COMPARED = ("i2v3d", "description", "include", "vars", "variants")
_DIGITS = 9
_LONGEST = 60
_NOTHING = "(none)"

Place = tuple[Path, int, int]
Kind = Literal["changed", "added", "removed"]


@dataclass(frozen=True)
class FieldDifference:
    """One field that is not the same.

    Attributes:
        path: As the spec writes it, `camera[1].zoom`; an added or removed object, key or section as a whole.
        old, new: As written, `(default)` behind what is not; empty where there is nothing.
        old_place, new_place: File, line and column; None where neither the field nor its section is written.
    """

    path: str
    kind: Kind
    old: str
    new: str
    old_place: Place | None
    new_place: Place | None


@dataclass(frozen=True)
class _Side:
    loaded: LoadedScene

    def normal(self, value: Any) -> Any:  # Any: a value of the model
        """Returns what is compared: numbers rounded, times as seconds, no containers of the model's own."""
        if isinstance(value, Moment):
            output = self.loaded.scene.output
            last = output.frame_count - 1
            frame = value.to_frame(output.fps, last)
            # The declared end may lie after the last frame's start by less than a frame.
            return ("s", round(min(frame, last) if value.unit == "s" else frame, _DIGITS) / output.fps)
        if isinstance(value, Row):
            return (value.unit, round(value.value, _DIGITS))
        if isinstance(value, float):
            return float(f"{value:.{_DIGITS}g}")
        if isinstance(value, list | tuple):
            return tuple(map(self.normal, value))
        if isinstance(value, Mapping):
            return {key: self.normal(item) for key, item in value.items()}
        if _is_part(value):
            return {name: self.normal(item) for name, item in _fields(value).items()}
        return value

    def written(self, path: SpecPath) -> tuple[SpecPath, Marked | None]:
        """Returns the steps of a model's path that the spec has, and the value there if all the rest is its own."""
        node, known = self.loaded.tree, []
        is_whole = True
        for step in path:
            below = node.child(step)
            is_whole = below is not None
            if below is not None:
                node = below
                known.append(step)
        is_whole = is_whole or not isinstance(node.value, dict | list)
        return tuple(known), node if known and is_whole else None

    def place(self, path: SpecPath) -> Place | None:
        known, _ = self.written(path)
        if not known:
            return None
        key = self.loaded.tree.key_mark(known)
        mark = key or self.loaded.tree.find(known).mark
        return (mark.source.file, mark.line, mark.column)

    def shown(self, path: SpecPath, value: Any) -> str:  # Any: a value of the model
        _, node = self.written(path)
        if node is not None:
            return _flow(node.plain())
        return "" if value is None else f"{_flow(_plain(value))} (default)"


def scene_differences(old: LoadedScene, new: LoadedScene) -> tuple[FieldDifference, ...]:
    """Returns every field of the two scenes that differs, in the order of the language."""
    specs = [validate(loaded.tree)[0] for loaded in (old, new)]
    assert specs[0] is not None and specs[1] is not None  # both were loaded
    found = _Comparison(_Side(old), _Side(new)).parts(specs[0], specs[1], (), ())
    # A short form on one side stands for several fields: told once.
    return tuple(dict.fromkeys(difference for difference in found if difference.path not in _NOT_COMPARED))


@dataclass(frozen=True)
class _Comparison:
    old: _Side
    new: _Side

    def parts(self, old: SpecPart, new: SpecPart, old_path: SpecPath, new_path: SpecPath) -> Iterator[FieldDifference]:
        before, after = _fields(old), _fields(new)
        for name, value in after.items():
            yield from self.values(before.get(name), value, (*old_path, name), (*new_path, name))

    def values(self, old: Any, new: Any, old_path: SpecPath, new_path: SpecPath) -> Iterator[FieldDifference]:
        """Yields what differs between two values of the model."""
        if self.old.normal(old) == self.new.normal(new):
            return
        if _is_part(old) and type(old) is type(new):
            yield from self.parts(old, new, old_path, new_path)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            for key in dict.fromkeys([*old, *new]):
                if key not in new:
                    yield self._difference("removed", old[key], None, (*old_path, key), new_path)
                elif key not in old:
                    yield self._difference("added", None, new[key], old_path, (*new_path, key))
                else:
                    yield from self.values(old[key], new[key], (*old_path, key), (*new_path, key))
        elif _are_parts(old) and _are_parts(new):
            yield from self._entries(old, new, old_path, new_path)
        else:
            yield self._difference("changed", old, new, old_path, new_path)

    def _entries(self, old: Any, new: Any, old_path: SpecPath, new_path: SpecPath) -> Iterator[FieldDifference]:
        for before, after in _pairs(self.old.normal(old), self.new.normal(new)):
            if before is None and after is not None:
                yield self._difference("added", None, new[after], old_path, (*new_path, after))
            elif after is None and before is not None:
                yield self._difference("removed", old[before], None, (*old_path, before), new_path)
            elif before is not None and after is not None:
                yield from self.values(old[before], new[after], (*old_path, before), (*new_path, after))

    def _difference(self, kind: Kind, old: Any, new: Any, old_path: SpecPath, new_path: SpecPath) -> FieldDifference:
        before = "" if kind == "added" else self.old.shown(old_path, old)
        after = "" if kind == "removed" else self.new.shown(new_path, new)
        if before == after:  # equal texts that mean two things: half of two lengths
            before, after = (
                f"{text} ({_flow(side.normal(value))})"
                for text, side, value in ((before, self.old, old), (after, self.new, new))
            )
        difference = FieldDifference(
            path_text(self._path(old_path if kind == "removed" else new_path, is_old=kind == "removed")),
            kind,
            before,
            after,
            None if kind == "added" else self.old.place(old_path),
            None if kind == "removed" else self.new.place(new_path),
        )
        if kind != "changed":
            return difference
        return replace(difference, old=before or _NOTHING, new=after or _NOTHING)

    def _path(self, path: SpecPath, *, is_old: bool) -> SpecPath:
        """Returns the path as a spec writes it: without steps that only the model has."""
        sides = (self.old, self.new) if is_old else (self.new, self.old)
        known = max((side.written(path)[0] for side in sides), key=len)
        return known or path


def _pairs(old: tuple[Any, ...], new: tuple[Any, ...]) -> Iterator[tuple[int | None, int | None]]:
    """Yields which entries of two lists belong together; keys of a path by their time where one came or went."""
    times = [[entry.get("at") for entry in entries] for entries in (old, new)]
    are_keys = all(None not in moments and len(set(moments)) == len(moments) for moments in times)
    if len(old) == len(new) or not are_keys:
        longest = max(len(old), len(new))
        for index in range(longest):
            yield index if index < len(old) else None, index if index < len(new) else None
        return
    found: list[tuple[Any, int | None, int | None]] = []
    for index, moment in enumerate(times[1]):
        found.append((moment, times[0].index(moment) if moment in times[0] else None, index))
    found += [(moment, index, None) for index, moment in enumerate(times[0]) if moment not in times[1]]
    for _, before, after in sorted(found, key=lambda entry: entry[0]):
        yield before, after


def _is_part(value: Any) -> bool:
    from i2v3d.spec.model.base import SpecPart

    return isinstance(value, SpecPart)


def _are_parts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_is_part(item) for item in value)


def _fields(part: SpecPart) -> dict[str, Any]:
    """Returns the values of a part by the names that a spec writes."""
    return {info.alias or name: getattr(part, name) for name, info in type(part).model_fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Moment):
        return str(value)
    if isinstance(value, Row):
        return f"{value.value * 100:g}%" if value.unit == "share" else f"{value.value:g}px"
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if _is_part(value):
        return {name: _plain(item) for name, item in _fields(value).items() if item is not None}
    return value


def _flow(value: Any) -> str:
    from i2v3d.spec.model.base import as_flow

    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else as_flow(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
