"""What a terminal shows of a matrix: what is shared, what differs in nothing, what became of each member."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.report.problems import count_text
from i2v3d.report.tables import columns_text, duration_text

if TYPE_CHECKING:
    from i2v3d.execute.matrix import Matrix, MatrixResult
    from i2v3d.plan.make import Plan

_STATUS = {"built": "built", "failed": "FAILED", "not_reached": "not reached"}


def matrix_plan_text(matrix: Matrix, plan: Plan) -> str:
    """Returns what each member would run by itself and together with others, and the sums."""
    users = matrix.merged.users
    rows: list[tuple[str, ...]] = [("member", "steps", "up to date", "to run, shared", "to run, its own", "about")]
    for member in matrix.members:
        steps = list(matrix.merged.steps[member.name].values())
        coming = [step for step in steps if plan.steps[step].status != "up_to_date"]
        own = [step for step in coming if len(users[step]) == 1]
        about = _about(plan.steps[step].expected_s for step in own)
        counts = (len(steps), len(steps) - len(coming), len(coming) - len(own), len(own))
        rows.append((member.name, *map(str, counts), about))
    coming = [step for step, planned in plan.steps.items() if planned.status != "up_to_date"]
    shared = [step for step in coming if len(users[step]) > 1]
    apart = sum(len(users[step]) for step in coming)
    lines = [columns_text(rows)]
    if shared:
        stages = _counted([plan.steps[step].stage for step in shared])
        lines.append(f"shared: {stages}  {_about(plan.steps[step].expected_s for step in shared)}".rstrip())
    may = sum(plan.steps[step].status == "may_run" for step in coming)
    total = f"{len(coming) - may} steps will run, {may} may, {len(plan.steps) - len(coming)} are up to date"
    if about := _about(plan.steps[step].expected_s for step in coming):
        total += f", {about} of work"
    if apart > len(coming):
        total += f"; each member by itself: {apart} instead of {len(coming)}"
    lines.append(f"{matrix.scene}: {count_text(len(matrix.members), 'member')}, {total}")
    return "\n".join(lines)


def unread_text(matrix: Matrix) -> str:
    """Returns a warning for each group of members that do the same work; empty without any."""
    by_fields: dict[tuple[str, ...], list[str]] = {}
    for members, fields in matrix.unread():
        by_fields.setdefault(fields, []).append(" = ".join(members))
    profiles = ", ".join(dict.fromkeys(member.project.loaded.scene.profile for member in matrix.members))
    lines = []
    for fields, groups in by_fields.items():
        names = " and ".join(f"`{field}`" for field in fields) or "what tells them apart"
        verb = "make" if len(fields) > 1 else "makes"
        lines.append(
            f"warning: {names} {verb} no difference to any step (profile {profiles}): {'; '.join(groups)} "
            "come out the same"
        )
    return "\n".join(lines)


def matrix_result_text(matrix: Matrix, result: MatrixResult, files: Sequence[Path]) -> str:
    """Returns a line a member, the sums, and where the comparison lies."""
    users, work = matrix.merged.users, result.work
    ran = set(work.executed)
    rows: list[tuple[str, ...]] = [("member", "", "ran", "reused", "folder")]
    for one in result.members:
        steps = list(matrix.merged.steps[one.member.name].values())
        count = sum(step in ran for step in steps)
        reused = sum(step in work.reused for step in steps)
        folder = _shown(one.member.project.out_dir) if one.status == "built" else _why(one.failed)
        rows.append((one.member.name, _STATUS[one.status], str(count), str(reused), folder))
    several = [step for step in ran if len(users[step]) > 1]
    uses = sum(len(users[step]) for step in ran)
    seconds = sum(work.seconds_by_stage.values())
    total = f"{count_text(len(ran), 'step')} ran"
    if several:
        total += f" for {uses} of the members ({len(several)} shared)"
    lines = [
        columns_text(rows),
        f"{matrix.scene}: {total}, {duration_text(seconds)} of work, {len(work.reused)} reused",
    ]
    bad = [one for one in result.members if one.status != "built"]
    if bad:
        lines.append(f"{len(bad)} of {count_text(len(result.members), 'member')} not built")
    lines += [_shown(path) for path in files]
    return "\n".join(lines)


def _why(failed: Mapping[str, object]) -> str:
    return f"failed step: {', '.join(failed)}" if failed else "-"


def _counted(words: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(word if count == 1 else f"{word} x{count}" for word, count in counts.items())


def _about(seconds: Iterator[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    return f"about {duration_text(sum(known))}" if known else ""


def _shown(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
