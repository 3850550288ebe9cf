"""`--variants` and `--sweep`: plan and build a matrix of scenes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2v3d.cli.options import Command, print_warning, project_options

if TYPE_CHECKING:
    from i2v3d.errors import Problem
    from i2v3d.execute.events import Event
    from i2v3d.execute.finished import Finisher
    from i2v3d.execute.matrix import Matrix, MatrixOptions
    from i2v3d.spec import LoadedScene

_MATRIX_OPTIONS = (
    click.option("--variants", metavar="NAMES", help="Build several variants together: `all`, `a,b`, `base,all`."),
    click.option(
        "--sweep",
        "sweeps",
        multiple=True,
        metavar="PATH=V1,V2",
        help="Build one member for each of these values of a field; several sweeps are combined.",
    ),
    click.option(
        "--batch",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Build one member for each of these YAML files of template variables.",
    ),
    click.option(
        "--max-members", type=click.IntRange(1), default=64, show_default=True, help="Refuse a larger matrix."
    ),
)


def with_matrix(command: Command) -> Command:
    """Adds the options that make a matrix of a spec."""
    for option in reversed(_MATRIX_OPTIONS):
        command = option(command)
    return command


def split_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], MatrixOptions | None]:
    """Returns the options of one build, and those of a matrix when there is to be one."""
    names = ("variants", "sweeps", "batch", "max_members")
    rest = {name: value for name, value in options.items() if name not in names}
    if options["variants"] is None and not options["sweeps"] and not options["batch"]:
        return rest, None
    from i2v3d.execute.matrix import MatrixOptions

    return rest, MatrixOptions(**{name: options[name] for name in names})


def plan_matrix(options: dict[str, Any], chosen: MatrixOptions) -> None:
    """Prints what each member would run and what is shared."""
    from i2v3d.report.matrix_text import matrix_plan_text, unread_text

    matrix = _opened(options, chosen)
    if warning := unread_text(matrix):
        click.echo(warning, err=True)
    click.echo(matrix_plan_text(matrix, matrix.plan()))


def build_matrix(options: dict[str, Any], chosen: MatrixOptions, progress: str) -> int:
    """Builds every member and what compares them; returns the exit code."""
    from i2v3d.execute.matrix import MemberPlaces
    from i2v3d.report.after_build import finishers
    from i2v3d.report.matrix_files import write_comparison
    from i2v3d.report.matrix_text import matrix_result_text, unread_text
    from i2v3d.report.progress import watch
    from i2v3d.report.weights_text import licence_notes

    matrix = _opened(options, chosen)
    weights = [found for member in matrix.members for found in member.project.weights]
    for note in dict.fromkeys(licence_notes(weights)):
        click.echo(note, err=True)
    if warning := unread_text(matrix):
        click.echo(warning, err=True)
    places = MemberPlaces(matrix)
    with watch(progress, places.locate) as show:

        def on_event(event: Event) -> None:
            places.note(event)
            show(event)

        def finishers_of(loaded: LoadedScene) -> tuple[Finisher, ...]:
            return () if matrix.options.preview else finishers(loaded, with_report=not matrix.options.no_report)

        result = matrix.build(on_event, finishers_of)
    files = write_comparison(matrix, result)
    if progress != "json":
        click.echo(matrix_result_text(matrix, result, files))
    return max((error.exit_code for error in result.failures.values()), default=0 if result.is_success else 1)


def _opened(options: dict[str, Any], chosen: MatrixOptions) -> Matrix:
    """Returns the matrix, its warnings printed: those of all members once."""
    from i2v3d.execute.matrix import open_matrix

    matrix = open_matrix(project_options(options), chosen)
    warnings: dict[Problem, None] = {}
    for member in matrix.members:
        warnings.update(dict.fromkeys(member.project.loaded.warnings))
    for problem in warnings:
        print_warning(problem)
    return matrix
