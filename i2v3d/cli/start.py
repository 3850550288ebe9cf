"""Starting a spec and checking it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from i2v3d.cli.options import exit_code_of, open_project, project_options, with_project_options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The photo to start from.")
@click.option("--template", default="minimal", help="Starter spec [minimal].")
def init(folder: Path, image: Path | None, template: str) -> None:
    """Make a folder with a starter spec and your photo."""
    from i2v3d.spec.starter import write_starter

    spec = write_starter(folder, image=image, template=template)
    click.echo(f"wrote {spec}" if image else f"wrote {spec}; put your photo beside it as photo.jpg")


@click.command()
@with_project_options
@click.option("--deep", is_flag=True, help="Build the scene up to its assembly, and check what happens in it.")
def validate(deep: bool, **options: Any) -> None:
    """Check a spec; every problem is shown with its line."""
    from i2v3d.execute.project import load_spec
    from i2v3d.report.problems import count_text, problems_text

    loaded = load_spec(project_options(options))
    if notes := (*loaded.warnings, *loaded.unavailable):
        click.echo(problems_text(notes), err=True)
    scene = loaded.scene
    size = scene.output.size
    things = count_text(len(scene.objects), "object")
    click.echo(
        f"{options['spec']}: fine. {scene.name}: {things}, {scene.output.frame_count} frames "
        f"of {size.width}x{size.height} at {scene.output.fps:g} fps, profile {scene.profile}"
    )
    if deep:
        sys.exit(_check_deeply(options))


def _check_deeply(options: dict[str, Any]) -> int:
    """Builds until the scene is checked and prints the findings; returns the exit code."""
    from i2v3d.execute.deep_check import findings_of
    from i2v3d.report.progress import watch

    project = open_project({**options, "until": "check"})
    with watch("auto", project.loaded.locate) as on_event:
        result = project.build(on_event)
    if not result.is_success:
        return exit_code_of(result)
    findings = findings_of(project.out_dir)
    for line in findings:
        click.echo(f"found: {line}")
    click.echo(f"{len(findings) or 'no'} findings; {project.out_dir / 'check'}")
    return 1 if findings else 0


@click.command()
def schema() -> None:
    """Print the JSON schema of a scene spec."""
    from i2v3d.resources import schemas_dir

    click.echo((schemas_dir() / "scene.schema.json").read_text(encoding="utf-8"), nl=False)
