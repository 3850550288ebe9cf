"""`--locked`: a build is what its lock says, or nothing runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from i2v3d.compile.scene import REPORT_STAGES
from i2v3d.errors import I2V3DError, UsageError
from i2v3d.execute.manifest import model_entries
from i2v3d.plan.drift import drift_lines, drift_of_models, find_drift
from i2v3d.plan.manifest import FILE_NAME, Manifest, read_manifest
from i2v3d.plan.resolve import Resolver

if TYPE_CHECKING:
    from pathlib import Path

    from i2v3d.execute.project import Project


class LockError(I2V3DError):
    """A build that would not be what its lock says; nothing was run."""

    # Not beside the others in `errors`, which is part of the code of every step.


def check_lock(project: Project) -> None:
    """Compares what would be built with the lock.

    Raises:
        LockError: With everything that differs.
        UsageError: There is no lock file, or it can't be read.
    """
    if project.options.preview:
        raise UsageError("a lock is of a whole result, and a preview is none", hint="leave out --locked or --preview")
    path = project.options.lock_file or project.out_dir / FILE_NAME
    if not path.is_file():
        hint = "build once without `--locked`, or name the file: --locked=FILE"
        raise UsageError(f"{path}: there is no such lock file", hint=hint)
    lines = lines_of_drift(project, read_manifest(path), path.parent)
    if lines:
        text = "".join(f"\n  {line}" for line in lines)
        hint = "undo what differs, or build without `--locked` to make a new lock"
        raise LockError(f"nothing was run: this build would not be what {path} says{text}", hint=hint)


def lines_of_drift(project: Project, lock: Manifest, folder: Path) -> tuple[str, ...]:
    """Returns a line for each thing that differs from the lock. folder: that the lock lies in."""
    resolver = Resolver(project.graph, project.store)
    options, graph = project.options, project.graph
    is_part = bool(options.until or options.only or options.no_report)
    drift = find_drift(graph, resolver, lock, is_part=is_part)
    if not lock.spec.report:
        # What only the report page shows is in no deliverable.
        new = tuple(name for name in drift.new if graph.nodes[name].stage not in REPORT_STAGES)
        drift = replace(drift, new=new)
    roles = {role for name in project.graph.nodes if name in lock.steps for role in lock.steps[name].models}
    entries = model_entries(project.weights, resolver, folder) if roles else ()
    project.store.state.flush()
    return (*drift_lines(drift, project.place), *drift_of_models(entries, lock, roles))
