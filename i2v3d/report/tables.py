"""Plain-text tables of what the commands print: plans, explanations, stages, backends, findings, the store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from i2v3d.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from i2v3d.backends.catalog import Backend
    from i2v3d.execute.build import BuildResult
    from i2v3d.execute.environment import Finding
    from i2v3d.stages.base import FieldType, Stage
    from i2v3d.store.gc import StoredAction


def columns_text(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows as left-aligned columns with two spaces between; the last column is not padded."""
    if not rows:
        return ""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
    lines = (
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def stages_text(stages: Mapping[str, Stage]) -> str:
    """Returns what each stage does, takes and gives."""
    blocks = []
    for stage in stages.values():
        lines = [f"{stage.kind}  {stage.title}"]
        lines.append(f"    takes  {_fields_text(stage.inputs)}")
        lines.append(f"    gives  {_fields_text(stage.outputs)}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def backends_text(backends: Iterable[Backend]) -> str:
    """Returns one line a backend."""
    header = ("stage", "backend", "profiles", "licence", "what it is")
    return columns_text([header, *((b.stage, b.id, " ".join(b.profiles) or "-", b.licence, b.title) for b in backends)])


def findings_text(findings: Iterable[Finding]) -> str:
    """Returns what `doctor` found; each thing to mend is followed by the line that mends it."""
    listed = tuple(findings)
    table = columns_text([("ok" if f.is_good else "MISSING", f.name, f.detail) for f in listed])
    fixes = dict.fromkeys(finding.fix for finding in listed if not finding.is_good and finding.fix)
    if not fixes:
        return table
    return "\n".join([table, "", "to mend it:", *(f"  {fix}" for fix in fixes)])


def result_text(result: BuildResult, out_dir: Path) -> str:
    """Returns where a build's video is, what was reused, and what went wrong."""
    lines = []
    for step, error in result.failures.items():
        lines.append(f"failed: {step}: {error.message.removeprefix(f'{step}: ')}")
    if result.skipped:
        lines.append(f"{len(result.skipped)} steps were not reached")
    if result.is_success:
        video = next((name for name in ("video.mp4", "preview.mp4") if name in result.delivered), None)
        lines.append(str(result.delivered[video] if video else out_dir))
        others = (path for path in (*result.delivered, *(path.name for path in result.written)) if path != video)
        lines += [f"  {line}" for line in _places(others)]
    worked = duration_text(sum(result.seconds_by_stage.values()))
    lines.append(f"{len(result.executed)} steps run ({worked} of work), {len(result.reused)} reused")
    return "\n".join(lines)


def _places(paths: Iterable[str]) -> list[str]:
    """Returns the paths; numbered files of one folder as `keyframes/ (5 files)`."""
    numbered = Counter[str]()
    places: dict[str, str] = {}
    for path in sorted(paths):
        folder, _, name = path.rpartition("/")
        if folder and name.partition(".")[0].isdigit():
            numbered[folder] += 1
            places[folder] = f"{folder}/ ({numbered[folder]} files)" if numbered[folder] > 1 else path
        else:
            places[path] = path
    return list(places.values())


def actions_text(actions: Sequence[StoredAction]) -> str:
    """Returns the stored steps: stage, size, time it took, key."""
    rows = [
        (action.stage, size_text(action.bytes), duration_text(action.record.seconds), action.record.key[:12])
        for action in actions
    ]
    total = size_text(sum(action.bytes for action in actions))
    return "\n".join([columns_text([("stage", "size", "took", "key"), *rows]), f"{len(rows)} results, {total} in all"])


def parse_size(text: str) -> int:
    """Returns bytes of a size such as `500MB` or `2.5 GB` (powers of 1000).

    Raises:
        UsageError: It is not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?B?)\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"`{text}` is not a size", hint="for example 500MB or 20GB")
    powers = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
    return int(float(match.group(1)) * 1000 ** powers[match.group(2).lower().removesuffix("b")])


def size_text(size_bytes: float) -> str:
    """Returns a size with a unit, such as `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def duration_text(seconds: float) -> str:
    """Returns a duration as people say it: `0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


def _fields_text(fields: Iterable[FieldType]) -> str:
    parts = []
    for field in fields:
        kind = field.artifact.__name__ if field.artifact is not None else "file"
        parts.append(f"{field.name}: {kind}{'...' if field.is_many else ''}{'?' if field.is_optional else ''}")
    return ", ".join(parts) or "nothing"
