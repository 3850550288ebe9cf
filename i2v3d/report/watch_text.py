"""A watch in words: one line a round on the terminal, and the sentences that the page shares with it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from i2v3d.backends.catalog import find_backend, is_run_by
from i2v3d.execute.watch_state import WatchState
from i2v3d.report.problems import error_text, problem_text
from i2v3d.report.tables import duration_text
from i2v3d.spec import LoadedScene
from i2v3d.spec.resolved import Scene
from i2v3d.stages.preview import EVERY, small_size

_MOST_NAMED = 4


class TerminalReport:
    """Prints a line when a round's preview is in place, and what is wrong or told, each once."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._told = (0, "")
        self._warnings: set[str] = set()
        self._full = ""

    def __call__(self, state: WatchState) -> None:
        """Takes in one state."""
        for line in self._lines(state):
            self._write(line)

    def _lines(self, state: WatchState) -> list[str]:
        lines: list[str] = []
        now = (state.number, str(state.phase))
        if state.phase != "building" and self._told != now:
            self._told = now
            lines.append(f"{time.strftime('%H:%M:%S')}  {round_text(state)}")
            if state.phase == "failed" and state.error is not None:
                lines.append(error_text(state.error, state.loaded.locate if state.loaded else None))
                if state.previews:
                    lines.append("the last good preview stays")
        if state.phase == "ready":
            texts = [problem_text(problem) for problem in state.warnings]
            lines += [text for text in texts if text not in self._warnings]
            self._warnings.update(texts)
        if state.full != self._full:
            self._full = state.full
            if state.full in ("ready", "failed"):
                lines.append(f"{time.strftime('%H:%M:%S')}  {full_text(state)}")
        return lines


def round_text(state: WatchState) -> str:
    """Returns what changed, which steps ran, and how long the preview took from the save on."""
    what = changed_text(state)
    if state.phase == "failed":
        return f"{what}: {'a step failed' if state.ran else 'it can not be built'}"
    steps = _listed([step for step, _ in state.ran]) + " ran" if state.ran else "no step had to run"
    reused = f", {state.reused} reused" if state.reused else ""
    took = f"; preview {state.seconds:.1f} s after the {'save' if state.changed else 'start'}" if state.seconds else ""
    return f"{what}: {steps}{reused}{took}"


def changed_text(state: WatchState) -> str:
    """Returns which files were saved and which fields of the spec differ, short."""
    if not state.changed:
        return "started"
    files = _listed([path.name for path in state.changed])
    return f"{files} ({_listed(list(state.fields))})" if state.fields else files


def full_text(state: WatchState) -> str:
    """Returns how the whole result stands, or nothing when it is not built."""
    texts = {
        "building": "building the whole result",
        "ready": "the whole result is built",
        "failed": "the whole result could not be built",
    }
    text = texts.get(state.full, "")
    if state.full == "ready" and state.out_dir is not None:
        return f"{text}: {os.path.relpath(state.out_dir)}"
    if state.full == "failed" and state.error is not None:
        return f"{text}\n{error_text(state.error, state.loaded.locate if state.loaded else None)}"
    return text


def preview_text(loaded: LoadedScene) -> str:
    """Returns what a preview of this scene shows, and what it does not."""
    scene = loaded.scene
    size = small_size(scene)
    text = f"the render at {size.width}x{size.height}, every {EVERY}th frame"
    makers = _generative(scene)
    if makers:
        return f"{text}; the video itself is made from it by {' and '.join(makers)}"
    return text


def _generative(scene: Scene) -> list[str]:
    """Returns the names of the backends with models that make the video."""
    kinds = (("keyframes", "generate_keyframes"), ("interpolate", "generate_clip"))
    chosen = [(kind, scene.backends[stage]) for stage, kind in kinds if is_run_by(scene.backends, stage, kind)]
    return list(dict.fromkeys(find_backend(kind, backend).title.partition(":")[0] for kind, backend in chosen))


def steps_text(state: WatchState) -> str:
    """Returns the steps that ran with their seconds."""
    return ", ".join(f"{step} {duration_text(seconds)}" for step, seconds in state.ran)


def _listed(names: list[str]) -> str:
    shown = names[:_MOST_NAMED]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
