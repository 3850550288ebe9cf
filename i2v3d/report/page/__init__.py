"""The report of a build: one HTML file that holds everything it shows and asks nobody for anything."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from i2v3d.execute.finished import FinishedBuild
    from i2v3d.spec import LoadedScene

NAME = "report.html"


def write_report(finished: FinishedBuild, loaded: LoadedScene) -> tuple[Path, ...]:
    """Writes the page beside the result and returns its path; what goes wrong is a warning and no page.

    The path is returned then, too: a file that is not there keeps the next build from being a no-op, and so the page is
    tried again. A build of a part of the graph leaves the page of the whole alone.
    """
    if {item.path for item in finished.graph.deliverables} != set(finished.graph.places):
        return ()
    target = finished.out_dir / NAME
    temporary = target.with_name(f".{NAME}.{secrets.token_hex(4)}.i2v3d")
    try:
        html = page_html(finished, loaded)
        temporary.write_text(html, encoding="utf-8")
        os.replace(temporary, target)  # noqa: PTH105 - one step, whatever lies there
    except Exception as error:  # noqa: BLE001 - the video is made; nothing about the page may fail the build
        temporary.unlink(missing_ok=True)
        click.echo(f"warning: {NAME} could not be written: {error}", err=True)
    return (target,)


def page_html(finished: FinishedBuild, loaded: LoadedScene, *, live_reload: str = "") -> str:
    """Returns the page of a build, whole or of a part of its graph; see `assemble.page_html`."""
    from i2v3d.report.page import assemble

    return assemble.page_html(finished, loaded, live_reload=live_reload)


__all__ = ["NAME", "page_html", "write_report"]
