"""The store of finished steps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from i2v3d.store.local import LocalStore


@click.group()
def cache() -> None:
    """Look at the store of finished steps, check it, or make it smaller."""


_CACHE = click.option(
    "--cache",
    "folder",
    type=click.Path(path_type=Path),
    default=Path(".i2v3d"),
    show_default=True,
    help="Store folder.",
)


@cache.command("ls")
@_CACHE
def cache_ls(folder: Path) -> None:
    """List the stored steps, the one used last first, with their sizes."""
    from i2v3d.report.tables import actions_text
    from i2v3d.store.gc import list_actions

    click.echo(actions_text(list_actions(_store(folder))))


@cache.command("verify")
@_CACHE
def cache_verify(folder: Path) -> None:
    """Rehash every stored file; what is damaged is dropped and will be built again."""
    from i2v3d.store.gc import verify_store

    damaged = verify_store(_store(folder))
    for digest in damaged:
        click.echo(f"damaged, removed: {digest}")
    click.echo(f"{len(damaged)} damaged files" if damaged else "every stored file is what it was")
    sys.exit(1 if damaged else 0)


@cache.command("gc")
@_CACHE
@click.option("--max-size", default="10GB", show_default=True, help="Keep the store below this size.")
def cache_gc(folder: Path, max_size: str) -> None:
    """Drop the results unused for longest until the store is small enough; the last builds are kept."""
    from i2v3d.report.tables import parse_size, size_text
    from i2v3d.store.gc import clean_store

    done = clean_store(_store(folder), parse_size(max_size))
    click.echo(
        f"removed {done.removed_actions} results, {size_text(done.removed_bytes)}; {size_text(done.kept_bytes)} kept"
    )


def _store(folder: Path) -> LocalStore:
    from i2v3d.errors import UsageError
    from i2v3d.store.local import LocalStore

    if not (folder / "objects").is_dir():
        raise UsageError(
            f"{folder}: there is no store here", hint="name it with --cache DIR; it is `.i2v3d` beside a spec"
        )
    return LocalStore(folder)
