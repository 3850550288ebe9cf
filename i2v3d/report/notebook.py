"""Plans and results as HTML for notebooks: a table, the video itself, the metrics. Everything is escaped."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from i2v3d.plan.printed import runs_of
from i2v3d.report.tables import duration_text, size_text
from i2v3d.resources import templates_dir

if TYPE_CHECKING:
    import jinja2

    from i2v3d.artifacts.metrics import ClipMetrics
    from i2v3d.plan.make import Plan

INLINE_BYTES = 8_000_000
"""A video up to this size is part of the page; a larger one is linked to."""

_SHOWN_REASONS = 3
_TITLES = {"up_to_date": "up to date", "will_run": "will run", "may_run": "may run"}


def plan_html(plan: Plan) -> str:
    """Returns a plan as a table, steps that are alike in one row."""
    rows = []
    for steps in runs_of(list(plan.steps.values())):
        first = steps[0]
        seconds = [step.expected_s for step in steps if step.expected_s is not None]
        rows.append(
            {
                "name": first.name if len(steps) == 1 else f"{first.name} ... {steps[-1].name} ({len(steps)})",
                "status": _TITLES[first.status],
                "about": duration_text(sum(seconds)) if seconds and first.status != "up_to_date" else "",
                "why": "; ".join([*first.reasons[:_SHOWN_REASONS], *_more(len(first.reasons) - _SHOWN_REASONS)]),
            }
        )
    counts = [f"{len(plan.names(status))} {title}" for status, title in _TITLES.items() if plan.names(status)]  # type: ignore[arg-type]  # the keys are every Status
    expected_s = plan.expected_s("will_run", "may_run")
    about = duration_text(expected_s) if expected_s else ""
    return _template("plan").render(scene=plan.scene, summary=", ".join(counts), about=about, rows=rows)


def build_html(
    scene: str, summary: str, videos: Mapping[str, Path], metrics: ClipMetrics | None, report: Path | None
) -> str:
    """Returns a result: its videos by title, its metrics, and the way to its report."""
    return _template("build").render(
        scene=scene,
        summary=summary,
        videos=[_video(name, path) for name, path in videos.items()],
        metrics=_metric_rows(metrics) if metrics else [],
        report=_href(report) if report else "",
    )


def _more(count: int) -> list[str]:
    return [f"and {count} more"] if count > 0 else []


def _metric_rows(metrics: ClipMetrics) -> list[dict[str, str]]:
    return [
        {
            "name": one.name,
            "value": f"{one.value:.4g} {one.unit}".rstrip(),
            "better": one.better,
            "worst": "" if one.worst_frame is None else str(one.worst_frame),
        }
        for one in metrics.measured.values()
    ]


def _video(name: str, path: Path) -> dict[str, str]:
    """Returns what the page shows of a video: itself, or how to get to it."""
    size = path.stat().st_size
    data = base64.b64encode(path.read_bytes()).decode("ascii") if size <= INLINE_BYTES else ""
    return {"name": name, "data": data, "href": _href(path), "size": size_text(size)}


def _href(path: Path) -> str:
    """Returns a link as seen from the working directory, which is that of the notebook."""
    return quote(Path(os.path.relpath(path)).as_posix())


@cache
def _template(name: str) -> jinja2.Template:
    import jinja2

    loader = jinja2.FileSystemLoader(templates_dir() / "report" / "notebook")
    environment: Any = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    template: jinja2.Template = environment.get_template(f"{name}.html.j2")
    return template
