"""Results and their build.json: verified, and built again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2v3d.cli.options import with_devices

if TYPE_CHECKING:
    from i2v3d.execute.rebuild import Rebuilt
    from i2v3d.execute.verify import Verification


@click.command()
@click.argument("manifest", metavar="BUILD.JSON", type=click.Path(path_type=Path))
@click.option("--spec", type=click.Path(path_type=Path), help="Where the spec is now, when it was moved by itself.")
@click.option("--rebuild", is_flag=True, help="Build anew, apart from everything, and compare what comes out.")
@click.option("--cache", type=click.Path(path_type=Path), help="Store to rebuild with [an empty one that is removed].")
@click.option("--jobs", "-j", type=click.IntRange(1), help="CPU cores to rebuild with [all].")
@click.option(
    "--allow-path",
    "allow_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Let the spec read files below this folder, too.",
)
@with_devices
def verify(manifest: Path, spec: Path | None, rebuild: bool, allow_paths: tuple[Path, ...], **options: Any) -> None:
    """Say whether a result is what its build.json says, and whether it would be made again as it was.

    BUILD.JSON is the file, or the folder that it lies in. Exit code 0: the same, 1: it differs, 2: it can't be read.
    """
    from i2v3d.errors import UsageError
    from i2v3d.execute.verify import verify as compare
    from i2v3d.report.verification_text import title_text, verification_text

    if options["cache"] is not None and not rebuild:
        raise UsageError("--cache is the store to rebuild with", hint="add --rebuild")
    found = compare(manifest, spec=spec, allow_paths=allow_paths)
    click.echo(title_text(found))
    click.echo(verification_text(found))
    is_same = found.is_same
    if rebuild:
        rebuilt = _rebuild(found, manifest, spec, allow_paths, options)
        click.echo(verification_text(rebuilt))
        is_same = is_same and not rebuilt.differences
    click.echo("not the same" if not is_same else "the same" if found.has_spec else "the same, as far as was compared")
    sys.exit(0 if is_same else 1)


def _rebuild(
    found: Verification, manifest: Path, spec: Path | None, allow_paths: tuple[Path, ...], options: dict[str, Any]
) -> Rebuilt:
    """Builds into a temporary folder and compares."""
    import tempfile
    from dataclasses import replace

    from i2v3d.errors import UsageError
    from i2v3d.execute.rebuild import build_again, compare_builds
    from i2v3d.execute.verify import manifest_file, options_of
    from i2v3d.report.progress import watch

    file = manifest_file(manifest)
    chosen = options_of(found.manifest, file, spec, allow_paths)
    if not chosen.spec_file.is_file():
        raise UsageError(
            f"{chosen.spec_file}: the spec is gone, so nothing can be rebuilt", hint="name it: --spec FILE"
        )
    chosen = replace(chosen, device=options["device"], vram=options["vram"], jobs=options["jobs"])
    with tempfile.TemporaryDirectory(prefix="i2v3d-verify-") as folder, watch("auto") as on_event:
        cache = options["cache"] or Path(folder, "cache")
        again = build_again(chosen, cache, Path(folder, "out"), on_event)
        return compare_builds(found.manifest, file.parent, again, Path(folder, "out"))
