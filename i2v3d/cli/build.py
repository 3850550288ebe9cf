"""The steps of a build: printed, planned, run, explained."""

from __future__ import annotations

import sys
from typing import Any

import click

from i2v3d.cli.matrix import build_matrix, plan_matrix, split_options, with_matrix
from i2v3d.cli.options import (
    LockedCommand,
    exit_code_of,
    open_project,
    print_warning,
    project_options,
    with_devices,
    with_lock,
    with_project_options,
    with_selection,
)


@click.command()
@with_project_options
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "dot"]), default="text", show_default=True)
def graph(form: str, **options: Any) -> None:
    """Print the graph of steps that a spec compiles to."""
    from i2v3d.compile.printed import printed_graph

    click.echo(printed_graph(open_project(options).graph, form))


@click.command(cls=LockedCommand)
@with_project_options
@with_selection
@with_devices
@with_matrix
@with_lock
def plan(**options: Any) -> None:
    """Say which steps a build would run, and why."""
    from i2v3d.execute.project import unchanged_build

    options, matrix = split_options(options)
    if matrix is not None:
        plan_matrix(options, matrix)
        return

    if (summary := unchanged_build(project_options(options))) is not None:
        click.echo(f"{summary['scene']}: {summary['steps']} up to date")
        return
    from i2v3d.execute.requirements import device_for_plan
    from i2v3d.plan.printed import plan_text
    from i2v3d.report.weights_text import memory_text, weights_text

    project = open_project(options)
    project.check_lock()
    click.echo(plan_text(project.plan()), nl=False)
    if project.weights:
        click.echo(f"\n{weights_text(project.weights)}")
        click.echo(f"\n{memory_text(project.graph, project.loaded.scene, *device_for_plan(project))}")


@click.command(cls=LockedCommand)
@with_project_options
@with_selection
@with_devices
@with_matrix
@with_lock
@click.option("--jobs", "-j", type=click.IntRange(1), help="CPU cores to use [all].")
@click.option("--keep-going", "-k", is_flag=True, help="After a failure, finish what does not depend on it.")
@click.option("--no-report", is_flag=True, help="Write no report.html, and draw nothing for it.")
@click.option("--progress", type=click.Choice(["auto", "live", "lines", "json"]), default="auto", show_default=True)
def build(progress: str, **options: Any) -> None:
    """Build the video, doing only what is not done yet."""
    from i2v3d.execute.project import unchanged_build

    options, matrix = split_options(options)
    if matrix is not None:
        sys.exit(build_matrix(options, matrix, progress))
    chosen = project_options(options)
    if (summary := unchanged_build(chosen)) is not None:
        for warning in summary.get("warnings", ()):
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{summary['scene']}: up to date, all {summary['steps']} steps reused\n{summary['out_dir']}")
        return
    from i2v3d.report.after_build import finishers
    from i2v3d.report.progress import watch
    from i2v3d.report.tables import result_text
    from i2v3d.report.watch_text import preview_text
    from i2v3d.report.weights_text import licence_notes

    project = open_project(options)
    for problem in project.loaded.warnings:
        print_warning(problem)
    for note in licence_notes(project.weights):
        click.echo(note, err=True)
    with watch(progress, project.loaded.locate) as on_event:
        chosen_finishers = () if chosen.preview else finishers(project.loaded, with_report=not chosen.no_report)
        result = project.build(on_event, chosen_finishers)
    if progress != "json":
        click.echo(result_text(result, project.out_dir))
        if chosen.preview:
            click.echo(f"a preview: {preview_text(project.loaded)}")
    sys.exit(exit_code_of(result))


@click.command()
@with_project_options
@click.argument("step")
@click.option("--build", "number", type=int, help="Explain build number N of the past instead of the next one.")
def explain(step: str, number: int | None, **options: Any) -> None:
    """Say why a step would run, or ran: each changed key field, old and new, with its line in the spec."""
    from i2v3d.plan.printed import explanation_text

    project = open_project(options)
    click.echo(explanation_text(project.explain(step, number), project.place), nl=False)
