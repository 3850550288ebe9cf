"""Where a watch stands: what the page and the terminal show of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from i2v3d.errors import I2V3DError, Problem
from i2v3d.spec import LoadedScene

Phase = Literal["building", "ready", "failed"]
Full = Literal["", "building", "ready", "failed"]


@dataclass(frozen=True)
class WatchState:
    """One moment of a watch.

    Attributes:
        number: Counts the rounds, one a save, from 1.
        phase: Where this round stands; `ready` once its preview is delivered, whether or not the checks are done.
        spec: The spec's file.
        changed: Files whose change began the round; empty for the first.
        fields: Spec fields that differ from the last spec that could be read, as dotted paths.
        running: Step that runs now, or empty.
        ran: Steps of this round that ran, each with its seconds, and how many were reused.
        seconds: From the save to the preview, or from the start of the first round; None until it is there.
        previews: How many different previews were delivered since the watch began.
        error: What is wrong; an earlier preview stays.
        warnings: What the spec, the checks and the steps have to tell.
        loaded: The scene of this round, or of the last one that could be read.
        out_dir: Where it is delivered.
        full: Whether and how far the whole result is built, too; `results` counts those that were delivered.
        is_done: Nothing more of this round is to come.
        places: What deliverables the scene may have, relative to `out_dir`.
    """

    number: int = 0
    phase: Phase = "building"
    spec: Path | None = None
    changed: tuple[Path, ...] = ()
    fields: tuple[str, ...] = ()
    running: str = ""
    ran: tuple[tuple[str, float], ...] = ()
    reused: int = 0
    seconds: float | None = None
    previews: int = 0
    error: I2V3DError | None = None
    warnings: tuple[Problem, ...] = ()
    loaded: LoadedScene | None = None
    out_dir: Path | None = None
    full: Full = ""
    results: int = 0
    is_done: bool = False
    places: tuple[str, ...] = ()


def changed_fields(before: Any, after: Any, path: str = "") -> Iterator[str]:  # Any: plain YAML values
    """Yields the dotted path of each value that differs, `camera[1].orbit.azimuth`; of a whole list where it grew."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            inner = f"{path}.{key}" if path else str(key)
            if key in before and key in after:
                yield from changed_fields(before[key], after[key], inner)
            else:
                yield inner
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from changed_fields(old, new, f"{path}[{index}]")
    elif type(before) is not type(after) or before != after:
        yield path
