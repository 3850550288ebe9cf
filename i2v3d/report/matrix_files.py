"""What compares the members of a matrix: `matrix.json`, `matrix.csv`, `contact.png` and `grid.mp4`."""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import i2v3d
from i2v3d.artifacts.metrics import Metrics
from i2v3d.errors import ArtifactError
from i2v3d.execute.matrix import Matrix, MatrixResult, MemberResult
from i2v3d.report.clip_frames import Clip, open_clip
from i2v3d.spec.matrix import shown_value
from i2v3d.store.digests import digest_file, digest_json
from i2v3d.store.local import store_error

_FORMAT = 1
# The finished clip where every member has one, else the plain renders, or the previews.
_CLIPS = ("video.mp4", "render.mp4", "preview.mp4")


def write_comparison(matrix: Matrix, result: MatrixResult) -> tuple[Path, ...]:
    """Writes what compares the members that were built, and returns the files.

    Pictures are drawn anew only when a clip or a label has changed; without clips there are none.

    Raises:
        StoreError, UsageError: The folder can't be written.
        ArtifactError: A delivered video can't be read.
    """
    folder = matrix.out_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        which, clips = _clips(result)
        digests = {label: digest_file(clip.path) for label, clip in clips.items()}
        key = digest_json([i2v3d.__version__, [[clip.label, digests[name]] for name, clip in clips.items()]])
        pictures = _draw(folder, tuple(clips.values()), key)
        document = _document(matrix, result, which, digests)
        document["pictures"] = {"files": [path.name for path in pictures], "of": which, "key": key}
        listing, table = folder / "matrix.json", folder / "matrix.csv"
        _replace(listing, lambda path: path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8"))
        _replace(table, lambda path: path.write_text(_csv(document), encoding="utf-8", newline=""))
    except OSError as error:
        raise store_error(error, folder, option="--out DIR") from error
    return (*pictures, listing, table)


def _clips(result: MatrixResult) -> tuple[str, Mapping[str, Clip]]:
    """Returns which deliverable is compared (empty for none) and the members' clips by name."""
    built = [one for one in result.members if one.result is not None and one.status == "built"]
    for which in _CLIPS:
        paths = [one.result.delivered.get(which) for one in built if one.result is not None]
        if built and all(paths):
            found = zip(built, paths, strict=True)
            return which, {one.member.name: open_clip(one.member.spec.label, path) for one, path in found if path}
    return "", {}


def _draw(folder: Path, clips: tuple[Clip, ...], key: str) -> tuple[Path, ...]:
    files = (folder / "contact.png", folder / "grid.mp4")
    if not clips:
        for path in files:  # a picture of clips that are no longer made would mislead
            path.unlink(missing_ok=True)
        return ()
    if _drawn_key(folder) == key and all(path.is_file() for path in files):
        return files
    from PIL import Image

    from i2v3d.report.contact_sheet import contact_sheet
    from i2v3d.report.grid_video import write_grid

    _replace(files[0], lambda path: Image.fromarray(contact_sheet(clips)).save(path, format="PNG"))
    _replace(files[1], lambda path: write_grid(clips, path))
    return files


def _drawn_key(folder: Path) -> str:
    try:
        return str(json.loads((folder / "matrix.json").read_text(encoding="utf-8"))["pictures"]["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _replace(target: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place and moves it there."""
    temporary = target.with_name(f".{secrets.token_hex(4)}.{target.name}")
    try:
        write(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _document(matrix: Matrix, result: MatrixResult, which: str, digests: Mapping[str, str]) -> dict[str, Any]:
    first: dict[str, str] = {}
    members = []
    for one in result.members:
        name = one.member.name
        twin = first.setdefault(digests[name], name) if name in digests else name
        members.append({**_member(matrix, one), "same_clip_as": twin if twin != name else None})
    return {
        "format": _FORMAT,
        "scene": matrix.scene,
        "steps": len(matrix.merged.graph.nodes),
        "members": members,
        "clip": which or None,
    }


def _member(matrix: Matrix, one: MemberResult) -> dict[str, Any]:
    steps = matrix.merged.steps[one.member.name].values()
    users = matrix.merged.users
    return {
        "name": one.member.name,
        "label": one.member.spec.label,
        "variables": one.member.spec.variables.name if one.member.spec.variables else None,
        "variant": one.member.spec.variant,
        "swept": dict(one.member.spec.swept),
        "folder": os.path.relpath(one.member.project.out_dir, matrix.out_dir),
        "status": one.status,
        "failed": {step: error.message for step, error in one.failed.items()},
        "steps": len(steps),
        "shared_steps": sum(len(users[step]) > 1 for step in steps),
        "metrics": _metrics(one.member.project.out_dir / "metrics.json") if one.status == "built" else {},
    }


def _metrics(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    try:
        return {name: one.value for name, one in Metrics(path).read().measured.items()}
    except ArtifactError:  # of an older version: the numbers are in the file all the same
        return {}


def _csv(document: Mapping[str, Any]) -> str:
    members = document["members"]
    swept = list(dict.fromkeys(path for member in members for path in member["swept"]))
    metrics = list(dict.fromkeys(name for member in members for name in member["metrics"]))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["name", "variables", "variant", *swept, "status", "same_clip_as", *metrics])
    for member in members:
        values = (shown_value(member["swept"][path]) for path in swept)
        measured = (member["metrics"].get(name, "") for name in metrics)
        own = [
            member["name"],
            member["variables"] or "",
            member["variant"] or "",
            *values,
            member["status"],
            member["same_clip_as"] or "",
        ]
        rows.writerow([*own, *measured])
    return text.getvalue()
