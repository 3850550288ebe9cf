"""`i2v3d verify --rebuild`: builds a result anew, with nothing of the old build, and compares what came out.

Steps that are `exact` must give equal bytes. Steps that are `seeded` may differ by what a device does otherwise; what
is delivered after one that did is compared as pictures, to within `TOLERANCE_DB`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.plan.drift import listed
from i2v3d.plan.manifest import FILE_NAME, DeliveredEntry, InputEntry, Manifest, StepEntry, read_manifest

if TYPE_CHECKING:
    from i2v3d.execute.events import OnEvent

TOLERANCE_DB = 40.0
"""PSNR of the whole clip, or of a picture, at which two results of seeded steps count as the same."""

# `assemble.states[0:2]`; a user's file is named there, too, but is no output of a step.
_OUTPUT = re.compile(r"(?P<step>.+)\.(?P<output>\w+)(\[\d*:\d*\])?", re.DOTALL)
_PICTURES = (".mp4", ".png")


@dataclass(frozen=True)
class Rebuilt:
    """What a second build came to against the first; lines for people, as in `verify.Verification`."""

    same: tuple[str, ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]


def build_again(options: ProjectOptions, cache: Path, out: Path, on_event: OnEvent) -> Manifest:
    """Builds with another store and output folder, and returns the manifest of that.

    Raises:
        I2V3DError: It can't be built, or a step failed; the first failure is raised.
    """
    project = open_project(replace(options, cache=cache, out=out))
    try:
        result = project.build(on_event)
    finally:
        project.store.close()
    for error in result.failures.values():
        raise error
    return read_manifest(out / FILE_NAME)


def compare_builds(old: Manifest, old_dir: Path, new: Manifest, new_dir: Path) -> Rebuilt:
    """Compares a second build with the first, step by step and file by file."""
    kinds = {name: _kind(old.steps[name], new.steps[name]) for name in old.steps if name in new.steps}
    by_kind: dict[str, tuple[str, ...]] = {
        kind: tuple(name for name, own in kinds.items() if own == kind) for kind in kinds.values()
    }
    same = [f"{len(by_kind.get('same', ()))} of {len(old.steps)} steps gave the same bytes again"]
    differences, notes = [], []
    if broken := by_kind.get("exact"):
        differences.append(f"exact, but other bytes from equal inputs: {listed(broken)}")
    if changed := by_kind.get("changed"):
        differences.append(f"made with other code, packages or parameters, and other bytes: {listed(changed)}")
    if seeded := by_kind.get("seeded"):
        notes.append(f"seeded, and other bytes: {listed(seeded)}")
    if missing := tuple(name for name in old.steps if name not in new.steps):
        differences.append(f"not a step any more: {listed(missing)}")
    if reused := tuple(name for name, step in new.steps.items() if step.reused):
        notes.append(f"{len(reused)} steps were in the store given, so they were not made again")
    loose = _after_seeded(old, kinds)
    again = {entry.path: entry for entry in new.delivered}
    files = [_of_file(entry, again, old_dir, new_dir, is_loose=entry.step in loose) for entry in old.delivered]
    same.append(
        f"{sum(kind == 'same' for kind, _ in files)} of {len(files)} delivered files are the same byte for byte"
    )
    differences += [text for kind, text in files if kind == "differs"]
    notes += [text for kind, text in files if kind == "note"]
    return Rebuilt(tuple(same), tuple(differences), tuple(notes))


def picture_distance_db(one: Path, other: Path) -> float | None:
    """Returns the PSNR of two videos or pictures over all frames; None where they have other sizes or counts.

    Equal ones are infinitely near.
    """
    import math

    import av
    import numpy as np

    squares, count = 0.0, 0
    with av.open(str(one)) as first, av.open(str(other)) as second:
        pairs: Any = zip(first.decode(video=0), second.decode(video=0), strict=True)
        try:
            for frames in pairs:
                a, b = (frame.to_ndarray(format="rgb24").astype(np.int32) for frame in frames)
                if a.shape != b.shape:
                    return None
                squares += float(((a - b) ** 2).sum())
                count += a.size
        except ValueError:  # one has more frames
            return None
    if count == 0:
        return None
    return math.inf if squares == 0 else 10 * math.log10(255**2 * count / squares)


def _kind(old: StepEntry, new: StepEntry) -> str:
    """Returns how the second run of a step relates to the first."""
    if _digests(old) == _digests(new):
        return "same"
    if old.determinism == "seeded":
        return "seeded"
    if _contents(old) != _contents(new):
        return "follows"
    return "exact" if old.key == new.key else "changed"


def _after_seeded(old: Manifest, kinds: Mapping[str, str]) -> frozenset[str]:
    """Returns the steps whose bytes differ because of a seeded one and of nothing else."""
    loose: set[str] = set()
    for name, step in old.steps.items():
        kind = kinds.get(name)
        producers = _producers(step, old.steps)
        if kind == "seeded" or (kind == "follows" and _only_from(producers, kinds, loose)):
            loose.add(name)
    return frozenset(loose)


def _only_from(producers: frozenset[str], kinds: Mapping[str, str], loose: set[str]) -> bool:
    return all(kinds.get(producer) == "same" or producer in loose for producer in producers)


def _producers(step: StepEntry, steps: Mapping[str, StepEntry]) -> frozenset[str]:
    found = set()
    for value in step.inputs.values():
        for entry in (value,) if isinstance(value, InputEntry) else value or ():
            match = _OUTPUT.fullmatch(entry.source)
            if match is not None and match["step"] in steps and match["output"] in steps[match["step"]].outputs:
                found.add(match["step"])
    return frozenset(found)


def _of_file(
    entry: DeliveredEntry, again: Mapping[str, DeliveredEntry], old_dir: Path, new_dir: Path, *, is_loose: bool
) -> tuple[str, str]:
    """Returns `same`, `differs` or `note`, and the line about a delivered file."""
    new = again.get(entry.path)
    if new is None:
        return "differs", f"{entry.path}: not made any more"
    if new.digest == entry.digest:
        return "same", ""
    if entry.volatile:
        return "note", f"{entry.path}: not compared, its bytes differ between equal builds"
    if not is_loose:
        return "differs", f"{entry.path}: other bytes"
    if Path(entry.path).suffix not in _PICTURES:
        return "note", f"{entry.path}: other bytes, after a seeded step"
    if not (old_dir / entry.path).is_file():
        return "note", f"{entry.path}: other bytes, after a seeded step; the first one is gone"
    near = picture_distance_db(old_dir / entry.path, new_dir / entry.path)
    if near is None:
        return "differs", f"{entry.path}: another size or length"
    is_near = near >= TOLERANCE_DB
    said = f"{near:.1f} dB, after a seeded step; {TOLERANCE_DB:g} dB count as the same"
    return ("note" if is_near else "differs"), f"{entry.path}: {said}"


def _digests(step: StepEntry) -> dict[str, str]:
    return {name: output.digest for name, output in step.outputs.items() if not output.volatile}


def _contents(step: StepEntry) -> dict[str, Any]:
    return {
        field: value.digest if isinstance(value, InputEntry) else [entry.digest for entry in value or ()]
        for field, value in step.inputs.items()
    }
