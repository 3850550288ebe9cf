"""Printed forms of plans and explanations."""

from __future__ import annotations

from collections.abc import Callable

from i2v3d.plan.explain import Explanation
from i2v3d.plan.make import Plan, PlannedStep, Status

_TITLES: dict[Status, str] = {"up_to_date": "up to date", "will_run": "will run", "may_run": "may run"}


def plan_text(plan: Plan) -> str:
    """Returns the plan as text: steps alike in stage, status and reasons on one line, then the sums."""
    lines = []
    for steps in runs_of(list(plan.steps.values())):
        first, last = steps[0], steps[-1]
        name = first.name if len(steps) == 1 else f"{first.name} ... {last.name}  x{len(steps)}"
        seconds = [step.expected_s for step in steps if step.expected_s is not None]
        about = f"  about {sum(seconds):.1f} s" if seconds and first.status != "up_to_date" else ""
        why = f"  {'; '.join(first.reasons)}" if first.reasons else ""
        lines.append(f"{_TITLES[first.status]:<10}  {name}{about}{why}")
    sums = ", ".join(f"{len(plan.names(status))} {title}" for status, title in _TITLES.items() if plan.names(status))
    return "\n".join([*lines, f"{plan.scene}: {sums}"]) + "\n"


def explanation_text(explanation: Explanation, place: Callable[[str], str] = lambda path: path) -> str:
    """Returns an explanation as text. place: turns a dotted spec path into `file:line:column`."""
    outcome = explanation.outcome.replace("_", " ")
    lines = [f"{explanation.step}: {outcome}"]
    if explanation.compared_with is None:
        lines.append("  it was in no build that is kept")
    elif not explanation.changes:
        lines.append(f"  nothing in its key changed since build {explanation.compared_with}")
    else:
        lines.append(f"  changed since build {explanation.compared_with}:")
    for change in explanation.changes:
        at = f"  [{place(change.origin)}]" if change.origin else ""
        reads = f"  ({', '.join(change.reads[:4])}{', ...' if len(change.reads) > 4 else ''})" if change.reads else ""
        lines.append(f"    {change.field}: {change.old} -> {change.new}{reads}{at}")
    upstream = [cause for cause in explanation.causes if cause.step != explanation.step or cause.note]
    if upstream:
        lines.append("  because of:")
    for cause in upstream:
        if cause.change is None:
            lines.append(f"    {cause.step}: {cause.note}")
        else:
            at = f"  [{place(cause.change.origin)}]" if cause.change.origin else ""
            lines.append(f"    {cause.step}: {cause.change.field}: {cause.change.old} -> {cause.change.new}{at}")
    return "\n".join(lines) + "\n"


def runs_of(steps: list[PlannedStep]) -> list[list[PlannedStep]]:
    """Returns neighbours that are alike, together."""
    runs: list[list[PlannedStep]] = []
    for step in steps:
        alike = (step.stage, step.status, step.reasons if step.status == "will_run" else ())
        if runs:
            last = runs[-1][-1]
            if (last.stage, last.status, last.reasons if last.status == "will_run" else ()) == alike:
                runs[-1].append(step)
                continue
        runs.append([step])
    return runs
