"""A check on the terminal: a short diff, the worst first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from i2v3d.execute.regression import SceneCheck
from i2v3d.report.check_cases import Case, cases_of
from i2v3d.report.check_sentences import sentence
from i2v3d.report.problems import count_text
from i2v3d.report.tables import columns_text, size_text

_MOST_LINES = 12


def check_text(check: SceneCheck, page: Path | None) -> str:
    """Returns the verdict, what failed, what was found, and where to look further.

    Args:
        check: What was found.
        page: The HTML diff, if one was written.
    """
    cases = cases_of(check)
    failed = [case for case in cases if case.status in ("failed", "error")]
    lines = [f"{check.scene}: {_verdict(check, failed, len(cases))}"]
    rows = [(f"  {case.name}", f"{case.place}  {case.message}".strip()) for case in failed[:_MOST_LINES]]
    if rows:
        lines.append(columns_text(rows))
    if len(failed) > _MOST_LINES:
        lines.append(f"  ... and {len(failed) - _MOST_LINES} more")
    lines += [f"  found: {case.message}" for case in cases if case.group == "finding" and case.status == "passed"]
    lines += [f"  {line}" for line in _notes(check)]
    if page is not None:
        lines.append(f"  {shown(page)}")
    return "\n".join(lines)


def shown(path: Path) -> str:
    """Returns a path relative to the working directory when it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _verdict(check: SceneCheck, failed: list[Case], count: int) -> str:
    if check.build is not None and not check.build.is_success:
        return "the build failed"
    if failed:
        return f"{len(failed)} of {count_text(count, 'check')} failed"
    if check.written is not None:
        return "baseline written" if check.baseline is None else "baseline updated"
    return f"as expected, {count_text(count, 'check')}" if count else "nothing is expected of it"


def _notes(check: SceneCheck) -> Iterator[str]:
    if check.written is not None:
        frames = len(check.taken.clip.frames) if check.taken else 0
        yield f"{shown(check.folder)}: {count_text(frames, 'frame')}, {size_text(check.written)}"
        if check.baseline is not None:
            changes = sorted((one for one in check.comparisons if one.is_failure), key=lambda one: -one.excess)
            yield from (f"changed: {one.name}  {sentence(one)}" for one in changes)
            if not changes:
                yield "it says what the old one said"
    elif check.baseline is None and check.build is not None and check.build.is_success:
        yield (
            f"no baseline in {shown(check.folder)}, so only `expect:` was checked; "
            "make one with `i2v3d check --update` and commit it"
        )
    if check.options.video is not None:
        yield "only the pictures were compared: a video has no masks, depth or metrics"
    if check.differing_versions and any(one.is_failure for one in check.comparisons):
        pairs = (f"{name} {was} -> {now}" for name, (was, now) in check.differing_versions.items())
        yield f"since the baseline: {', '.join(pairs)}"
