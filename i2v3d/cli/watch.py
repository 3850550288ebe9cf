"""Rebuilding on save."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from i2v3d.cli.options import project_options, with_devices, with_project_options

if TYPE_CHECKING:
    from i2v3d.execute.watch_state import WatchState


@click.command()
@with_project_options
@with_devices
@click.option("--jobs", "-j", type=click.IntRange(1), help="CPU cores to use [all].")
@click.option("--full", "is_full", is_flag=True, help="After each preview, build the whole result, too.")
@click.option("--port", type=click.IntRange(1, 65535), help="Where to serve the page [8723 or the next free one].")
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
def watch(is_full: bool, port: int | None, is_opened: bool, **options: Any) -> None:
    """Rebuild a fast preview on every save, and show it on a page that updates itself."""
    from i2v3d.errors import UsageError
    from i2v3d.execute.watch_session import WatchSession
    from i2v3d.report.after_build import finishers
    from i2v3d.report.watch_page import PageState, page_title, watch_pages
    from i2v3d.report.watch_server import WatchServer
    from i2v3d.report.watch_text import TerminalReport

    chosen = project_options(options)
    if not chosen.spec_file.is_file():
        hint = "make one with `i2v3d init FOLDER --image PHOTO`"
        raise UsageError(f"{chosen.spec}: there is no such spec", hint=hint)
    server = WatchServer(watch_pages(page_title(chosen.spec_file)), port)
    page, terminal = PageState(), TerminalReport(lambda line: click.echo(line, err=True))

    def on_state(state: WatchState) -> None:
        server.update(page(state))
        terminal(state)

    signal.signal(signal.SIGTERM, _interrupted)
    try:
        click.echo(f"watching {chosen.spec_file.name}; the preview is at {server.url} (Ctrl-C ends)", err=True)
        if is_opened:
            click.launch(server.url)
        WatchSession(replace(chosen, spec=chosen.spec_file), on_state, is_full=is_full, finishers=finishers).run()
    finally:
        server.close()


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt
