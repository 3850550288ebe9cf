"""Options that several commands share, and what they open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from i2v3d.errors import Problem
    from i2v3d.execute.build import BuildResult
    from i2v3d.execute.project import Project, ProjectOptions

Command = TypeVar("Command", bound=Callable[..., Any])

SPEC = click.argument("spec", type=click.Path(path_type=Path))
PROJECT_OPTIONS = (
    click.option("--set", "overrides", multiple=True, metavar="PATH=VALUE", help="Override one field of the spec."),
    click.option("--vars", "variables", type=click.Path(path_type=Path), help="YAML file of template variables."),
    click.option("--variant", metavar="NAME", help="Use this variant of the spec."),
    click.option(
        "--profile", type=click.Choice(["draft", "paper", "modern"]), help="Use the backends of this profile."
    ),
    click.option("--cache", type=click.Path(path_type=Path), help="Store folder [.i2v3d beside the spec]."),
    click.option("--out", type=click.Path(path_type=Path), help="Output folder [out/NAME beside the spec]."),
    click.option(
        "--allow-path",
        "allow_paths",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Let the spec read files below this folder, too.",
    ),
)


def with_project_options(command: Command) -> Command:
    """Adds the spec, and the options that say how it is read and where its build lies."""
    for option in reversed(PROJECT_OPTIONS):
        command = option(command)
    return SPEC(command)


def with_selection(command: Command) -> Command:
    """Adds the options that choose steps."""
    for option in (
        click.option("--force", multiple=True, metavar="STEP", help="Run this stage or step even if up to date."),
        click.option("--only", multiple=True, metavar="STEP", help="Only this stage or step and what it needs."),
        click.option("--until", metavar="STEP", help="Stop after this stage or step."),
        click.option("--preview", is_flag=True, help="Only the fast preview: the render, small, every fourth frame."),
    ):
        command = option(command)
    return command


def with_scene_options(command: Command) -> Command:
    """The options of a spec, without the output folder of its build."""
    for option in reversed((*PROJECT_OPTIONS[:5], *PROJECT_OPTIONS[6:])):
        command = option(command)
    return SPEC(command)


def with_devices(command: Command) -> Command:
    """Adds the options that say where models run."""
    for option in (
        click.option("--vram", metavar="SIZE", help="Memory of the device that models may take, `12GB` [all]."),
        click.option("--device", metavar="NAME", help="Where models run: cuda, cuda:1, mps, cpu [the best there is]."),
    ):
        command = option(command)
    return command


class LockedCommand(click.Command):
    """A command whose `--locked` may be given a file: `--locked=FILE`, but never `--locked SPEC`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Takes the file apart from the flag."""
        prefix = "--locked="
        named = [f"--lock-file={arg[len(prefix) :]}" if arg.startswith(prefix) else arg for arg in args]
        return super().parse_args(context, named)


def with_lock(command: Command) -> Command:
    """Adds the options of a `LockedCommand`."""
    what = "Refuse to build anything but what OUT/build.json says; `--locked=FILE` takes another lock."
    command = click.option("--lock-file", type=click.Path(path_type=Path), hidden=True)(command)
    return click.option("--locked", is_flag=True, help=what)(command)


def project_options(options: dict[str, Any]) -> ProjectOptions:
    """Returns the options of `with_project_options` and its companions as a record."""
    from i2v3d.execute.project import ProjectOptions

    if options.get("lock_file") is not None:
        options = {**options, "locked": True}
    return ProjectOptions(**options)


def open_project(options: dict[str, Any]) -> Project:
    """Returns the spec of these options, loaded."""
    from i2v3d.execute import project

    return project.open_project(project_options(options))


def print_warning(problem: Problem) -> None:
    """Prints a warning about the spec."""
    from i2v3d.report.problems import problem_text

    click.echo(problem_text(problem), err=True)


def exit_code_of(result: BuildResult) -> int:
    """Returns 0 for a build that succeeded, else the gravest of its failures."""
    return max((error.exit_code for error in result.failures.values()), default=0)
