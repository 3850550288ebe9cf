"""What differs between two scenes and what it costs, as text and as JSON."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from i2v3d.execute.difference import SceneDifference
from i2v3d.plan.difference import ComparedStep
from i2v3d.report.problems import count_text
from i2v3d.report.tables import columns_text, duration_text
from i2v3d.spec.difference import FieldDifference, Place

_SIGNS = {"changed": "~", "added": "+", "removed": "-"}
_NUMBERED = re.compile(r"(?P<stage>.+)\[(?P<number>[0-9]+(?:-[0-9]+)?)\]\Z")


def difference_text(difference: SceneDifference, old_name: str, new_name: str) -> str:
    """Returns the differences of the scenes, then the steps that they cost, grouped by stage."""
    lines = [f"{old_name} -> {new_name}"]
    if difference.fields:
        lines.append(f"scene: {count_text(len(difference.fields), 'difference')}")
        lines += [_indented(columns_text([_field_row(field) for field in difference.fields]))]
    else:
        lines.append("scene: no difference")
    if difference.frames is not None and difference.frames[0] <= difference.frames[1]:
        first, last = difference.frames
        lines.append(f"frames: {first} to {last} look different, the others are expected to stay")
    steps = difference.steps
    costly = [step for step in steps.steps if step.state in ("differs", "may_differ")]
    kept = len(steps.steps) - len(costly)
    if not costly:
        lines.append(f"steps: none, all {count_text(len(steps.steps), 'step')} are shared{_gone(steps.gone)}")
        return "\n".join(lines)
    lines.append(f"steps: {len(costly)} of {len(steps.steps)} are not shared, {kept} are{_gone(steps.gone)}")
    rows: list[tuple[str, ...]] = [("stage", "certain", "possible", "in store", "about", "which")]
    rows += [
        _stage_row(stage, costly, [step.name for step in steps.steps if step.stage == stage])
        for stage in _stages(costly)
    ]
    lines.append(_indented(columns_text(rows)))
    todo = [step for step in costly if not step.is_stored]
    certain = [step for step in todo if step.state == "differs"]
    if not todo:
        lines.append("cost: nothing, all of it is in the store")
    else:
        lines.append(f"cost: {_cost(certain)} for certain, {_cost(todo)} at most")
    return "\n".join(lines)


def difference_json(difference: SceneDifference, old_name: str, new_name: str) -> dict[str, Any]:
    """Returns the same as a JSON document; seconds are null where they are not known."""
    return {
        "old": old_name,
        "new": new_name,
        "is_same": difference.is_same,
        "fields": [
            {
                "path": field.path,
                "kind": field.kind,
                "old": field.old or None,
                "new": field.new or None,
                "old_place": _place_json(field.old_place),
                "new_place": _place_json(field.new_place),
            }
            for field in difference.fields
        ],
        "changed_frames": list(difference.frames) if difference.frames is not None else None,
        "steps": [
            {
                "name": step.name,
                "stage": step.stage,
                "state": step.state,
                "is_stored": step.is_stored,
                "expected_s": step.expected_s,
            }
            for step in difference.steps.steps
        ],
        "gone": list(difference.steps.gone),
    }


def ranges_text(names: Sequence[str], every: Sequence[str]) -> str:
    """Returns names of steps shortened: `render[31..60]` for those that follow each other in `every`."""
    rank = {name: index for index, name in enumerate(sorted(every, key=_order))}
    runs: list[list[str]] = []
    for name in sorted(names, key=_order):
        if runs and _stem(runs[-1][-1]) == _stem(name) and rank[name] == rank[runs[-1][-1]] + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(_run_text(run) for run in runs)


def _run_text(run: Sequence[str]) -> str:
    if len(run) == 1:
        return run[0]
    first, last = _NUMBERED.match(run[0]), _NUMBERED.match(run[-1])
    assert first and last  # only numbered steps have a common stem
    return f"{first['stage']}[{first['number']}..{last['number']}]"


def _order(name: str) -> tuple[str, int]:
    match = _NUMBERED.match(name)
    return (match["stage"], int(match["number"].partition("-")[0])) if match else (name, -1)


def _stem(name: str) -> str:
    match = _NUMBERED.match(name)
    return match["stage"] if match else f"{name}!"


def _field_row(field: FieldDifference) -> tuple[str, ...]:
    values = {"added": field.new, "removed": field.old}.get(field.kind, f"{field.old} -> {field.new}")
    places = [_place_text(place) for place in (field.old_place, field.new_place) if place is not None]
    return (_SIGNS[field.kind], field.path, values, " -> ".join(dict.fromkeys(places)))


def _stage_row(stage: str, costly: Sequence[ComparedStep], every: Sequence[str]) -> tuple[str, ...]:
    steps = [step for step in costly if step.stage == stage]
    certain = sum(step.state == "differs" for step in steps)
    stored = sum(step.is_stored for step in steps)
    about = _cost([step for step in steps if not step.is_stored])
    shown = ranges_text([step.name for step in steps], every)
    cells = (str(certain or "-"), str(len(steps) - certain or "-"), str(stored or "-"))
    return (stage, *cells, about if stored < len(steps) else "-", shown)


def _cost(steps: Iterable[ComparedStep]) -> str:
    steps = list(steps)
    known = [step.expected_s for step in steps if step.expected_s is not None]
    if not steps:
        return "nothing"
    if not known:
        return "unknown"
    return duration_text(sum(known)) + ("" if len(known) == len(steps) else " and more")


def _gone(names: Sequence[str]) -> str:
    return f"; {len(names)} of the first are of no use to the second" if names else ""


def _stages(steps: Iterable[ComparedStep]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.stage for step in steps))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _place_text(place: Place) -> str:
    file, line, column = place
    relative = os.path.relpath(file) if file.is_absolute() else str(file)
    return f"{file if relative.startswith('..') else relative}:{line}:{column}"


def _place_json(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"file": str(place[0]), "line": place[1], "column": place[2]}
