"""Camera paths, to other programs and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from i2v3d.cli.options import exit_code_of, open_project, with_scene_options


@click.group()
def cameras() -> None:
    """Take camera paths to other programs and back."""


CAMERA_FORMATS = ("opencv", "opengl", "colmap", "realestate10k", "unreal", "glb", "blend")


@cameras.command("export")
@with_scene_options
@click.option("--format", "form", type=click.Choice(CAMERA_FORMATS), required=True, help="What to write.")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def cameras_export(form: str, folder: Path, **options: Any) -> None:
    """Write the cameras of a spec's clip, building it up to step `assemble` first."""
    from i2v3d.blender.camera_paths import write_any
    from i2v3d.geometry.camera_files import read_cameras, summary
    from i2v3d.report.progress import watch
    from i2v3d.report.tables import result_text

    project = open_project({**options, "only": ("assemble",)})
    with watch("auto", project.loaded.locate) as on_event:
        result = project.build(on_event)
    if not result.is_success:
        click.echo(result_text(result, project.out_dir))
        sys.exit(exit_code_of(result))
    path = read_cameras(result.delivered["cameras.json"], "opencv")
    click.echo(summary(write_any(folder, form, path), form, path))


@cameras.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(CAMERA_FORMATS), help="What it is [told from name and content].")
@click.option("--camera", default="", help="Which camera, when it has several.")
@click.option("--out", "folder", type=click.Path(path_type=Path), help="Folder to write `cameras.json` to [here].")
def cameras_import(file: Path, form: str | None, camera: str, folder: Path | None) -> None:
    """Turn a camera path of another program into a `cameras.json` that a spec can name: `camera: {file: ...}`."""
    from i2v3d.blender.camera_paths import read_any, write_any
    from i2v3d.geometry.camera_files import guess_format, summary

    known = form or guess_format(file)
    path = read_any(file, known, camera)
    target = folder or Path()
    if (target / "cameras.json").exists() and (target / "cameras.json").resolve() == file.resolve():
        from i2v3d.errors import UsageError

        raise UsageError(f"{file}: it would be written over itself", hint="give another folder: --out DIR")
    written = write_any(target, "opencv", path)
    click.echo(f"{file}: read as {known}\n{summary(written, 'opencv', path)}")
