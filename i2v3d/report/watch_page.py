"""The page of a watch: its HTML, and what it shows of a state as JSON."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from i2v3d.compile.scene import PREVIEW_DELIVERABLES
from i2v3d.errors import SpecError
from i2v3d.execute.watch_state import WatchState
from i2v3d.report.problems import count_text, error_text, problem_text
from i2v3d.report.tables import duration_text
from i2v3d.report.watch_server import Served
from i2v3d.report.watch_text import changed_text, full_text, preview_text
from i2v3d.resources import templates_dir

# Written beside a whole result by other hands than the graph's, so no deliverables.
_BESIDE_RESULT = ("report.html",)
_OFFERED = ("video.mp4", "render.mp4", "scene.glb", "scene.blend", "cameras.json")


def watch_pages(spec: str) -> Mapping[str, str]:
    """Returns the HTML of the page and of the one around the report, by path; `WatchServer` fills in the rest."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "report"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
    )
    templates = {"/": "watch.html.j2", "/report": "watch_report.html.j2"}
    values = {"spec": spec, "nonce": "{{NONCE}}"}
    return {path: environment.get_template(name).render(values) for path, name in templates.items()}


class PageState:
    """Turns states into what is served; pages of an earlier watch see by `session` that they are old."""

    def __init__(self) -> None:
        self._session = secrets.token_hex(4)

    def __call__(self, state: WatchState) -> Served:
        """Returns the page's state and the files that it may read."""
        places = (*state.places, *_BESIDE_RESULT)
        served = Served({}, state.out_dir, places)
        return Served({"session": self._session, **_shown(state, served)}, state.out_dir, places)


def _shown(state: WatchState, served: Served) -> Mapping[str, Any]:  # Any: JSON
    loaded = state.loaded
    problems = _problems(state)
    video, sheet = (_url(served, item.path, state.previews) for item in PREVIEW_DELIVERABLES)
    return {
        "title": loaded.scene.name if loaded else "i2v3d watch",
        "phase": state.phase,
        "is_done": state.is_done,
        "status": _status(state),
        "changed": changed_text(state) if state.changed else "",
        "note": f"Preview: {preview_text(loaded)}." if loaded else "",
        # A preview of an earlier watch is no preview of this spec.
        "video": video if state.previews or state.phase == "ready" else "",
        "sheet": sheet if state.previews or state.phase == "ready" else "",
        "previews": state.previews,
        "steps": _steps(state),
        "steps_text": _steps_title(state),
        "problems": problems,
        "problems_title": _problems_title(state, problems),
        "full": full_text(state).partition("\n")[0],
        "files": _files(served, state),
        "results": state.results,
    }


def _status(state: WatchState) -> str:
    if state.phase == "failed":
        return "failed; the last good preview stays" if state.previews else "failed; no preview yet"
    if state.phase == "building":
        return f"building: {state.running}" if state.running else "building"
    took = f"{state.seconds:.1f} s after the {'save' if state.changed else 'start'}" if state.seconds else ""
    return f"ready, {took}" if took else "ready"


def _steps_title(state: WatchState) -> str:
    count = len(state.ran)
    total = duration_text(sum(seconds for _, seconds in state.ran))
    if not count:
        return f"All {state.reused} steps reused" if state.reused else "No step ran"
    return f"{count_text(count, 'step')} ran ({total}), {state.reused} reused"


def _steps(state: WatchState) -> list[dict[str, Any]]:  # Any: JSON
    """Returns the steps that ran with their seconds, in order; several of one name as one, `render x61`."""
    groups: dict[str, list[tuple[str, float]]] = {}
    for step, seconds in state.ran:
        groups.setdefault(step.partition("[")[0], []).append((step, seconds))
    return [
        {
            "name": steps[0][0] if len(steps) == 1 else f"{name} x{len(steps)}",
            "seconds": round(sum(seconds for _, seconds in steps), 3),
        }
        for name, steps in groups.items()
    ]


def _problems(state: WatchState) -> list[dict[str, str]]:
    warnings = [_problem("warning", problem_text(problem), state) for problem in state.warnings]
    if state.error is None:
        return warnings
    if isinstance(state.error, SpecError):
        errors = [_problem("error", problem_text(problem), state) for problem in state.error.problems]
    else:
        locate = state.loaded.locate if state.loaded else None
        errors = [_problem("error", error_text(state.error, locate), state)]
    return [*errors, *(warnings if state.phase != "failed" else [])]


def _problem(severity: str, text: str, state: WatchState) -> dict[str, str]:
    """Returns what is wrong in one line, and the lines below it; files are named from the spec's folder on."""
    if state.spec is not None:
        text = text.replace(f"{os.path.relpath(state.spec.parent)}/", "").replace(f"{state.spec.parent}/", "")
    head, _, lines = text.partition("\n")
    return {"severity": severity, "head": head, "lines": lines}


def _problems_title(state: WatchState, problems: list[dict[str, str]]) -> str:
    errors = sum(problem["severity"] == "error" for problem in problems)
    return count_text(errors, "problem") if errors else count_text(len(problems), "warning")


def _url(served: Served, place: str, version: int) -> str:
    return f"/files/{quote(place)}?v={version}" if served.file(place) is not None else ""


def _files(served: Served, state: WatchState) -> list[dict[str, str]]:
    found = [{"name": name, "url": _url(served, name, state.results)} for name in _OFFERED]
    if served.file("report.html") is not None:
        found.insert(0, {"name": "report", "url": "/report"})
    return [file for file in found if file["url"]]


def page_title(spec: Path) -> str:
    """Returns what the page is called before the spec has been read."""
    return spec.parent.name if spec.name.partition(".")[0] == "scene" else spec.name.partition(".")[0]


__all__ = ["PageState", "page_title", "watch_pages"]
