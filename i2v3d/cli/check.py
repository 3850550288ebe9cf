"""Holding results to what is expected of them, for people and for CI."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2v3d.cli.options import PROJECT_OPTIONS, LockedCommand, exit_code_of, project_options, with_devices, with_lock

if TYPE_CHECKING:
    from i2v3d.execute.regression import CheckOptions, SceneCheck
    from i2v3d.report.junit import Suite


def _with_specs(command: Any) -> Any:  # Any: click's decorators
    for option in reversed(PROJECT_OPTIONS):
        command = option(command)
    return click.argument("specs", nargs=-1, required=True, type=click.Path(path_type=Path))(command)


@click.command(cls=LockedCommand)
@_with_specs
@with_devices
@with_lock
@click.option("--jobs", "-j", type=click.IntRange(1), help="CPU cores to use [all].")
@click.option("--update", "is_update", is_flag=True, help="Make the result the baseline, and say what changes.")
@click.option("--baseline", "baselines", type=click.Path(path_type=Path), help="Folder [baseline beside the spec].")
@click.option("--require-baseline", "needs_baseline", is_flag=True, help="Fail where there is no baseline.")
@click.option("--video", type=click.Path(path_type=Path), help="Hold this video to the baseline; build nothing.")
@click.option("--no-report", is_flag=True, help="Write no report.html, and draw nothing for it.")
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML here.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the page here [check.html in the output folder].")
@click.option("--progress", type=click.Choice(["auto", "live", "lines", "json"]), default="auto", show_default=True)
def check(
    specs: tuple[Path, ...],
    junit: Path | None,
    html: Path | None,
    progress: str,
    **options: Any,
) -> None:
    """Build, and hold the result to `expect:` in the spec and to a committed baseline.

    Exits with 1 when anything does not hold. The page shows before, after and difference, the worst frames first.
    """
    from i2v3d.errors import I2V3DError, UsageError
    from i2v3d.execute.regression import CheckOptions
    from i2v3d.report.check_files import failed_suite, suite_of, write_junit
    from i2v3d.report.problems import error_text

    chosen = CheckOptions(**{name: options.pop(name) for name in _CHECK_OPTIONS})
    for name, value in (("--html", html), ("--out", options["out"]), ("--video", chosen.video)):
        if len(specs) > 1 and value is not None:
            raise UsageError(f"{name} is of one spec, and {len(specs)} are given", hint="check them one by one")
    code = 0
    suites: list[Suite] = []
    for spec in specs:
        try:
            found = _check(spec, options, chosen, html=html, progress=progress)
        except I2V3DError as error:
            if len(specs) == 1 and junit is None:
                raise
            click.echo(error_text(error), err=True)
            suites.append(failed_suite(spec, error))
            code = max(code, error.exit_code)
            continue
        suites.append(suite_of(found, spec))
        code = max(code, _exit_code(found))
    if junit is not None:
        write_junit(junit, suites)
    sys.exit(code)


_CHECK_OPTIONS = ("baselines", "is_update", "needs_baseline", "video")


def _check(
    spec: Path, options: dict[str, Any], chosen: CheckOptions, *, html: Path | None, progress: str
) -> SceneCheck:
    from i2v3d.execute.project import open_project
    from i2v3d.execute.regression import check_scene
    from i2v3d.report.after_build import finishers
    from i2v3d.report.check_files import write_check_page
    from i2v3d.report.check_text import check_text
    from i2v3d.report.problems import problem_text
    from i2v3d.report.progress import watch

    project = open_project(project_options({"spec": spec, **options}))
    for problem in project.loaded.warnings:
        click.echo(problem_text(problem), err=True)
    with watch(progress, project.loaded.locate) as on_event:
        found = check_scene(
            project, chosen, on_event, finishers(project.loaded, with_report=not project.options.no_report)
        )
    page = write_check_page(found, html or project.out_dir / "check.html")
    click.echo(check_text(found, page), err=progress == "json")
    return found


def _exit_code(found: SceneCheck) -> int:
    if found.build is not None and not found.build.is_success:
        return exit_code_of(found.build)
    return 1 if found.is_failure else 0
