"""Commands: parse, call, print, exit code; nothing else.

Only click is imported here; each command imports what it needs, so that `--help` stays quick.
Exit codes: 0 done, 1 a step failed, 2 bad spec or usage, 3 missing backend, 130 interrupted.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from i2v3d import __version__

if TYPE_CHECKING:
    from i2v3d.errors import Problem
    from i2v3d.execute.project import Project, ProjectOptions
    from i2v3d.store.local import LocalStore

Command = TypeVar("Command", bound=Callable[..., Any])

_SPEC = click.argument("spec", type=click.Path(path_type=Path))
_PROJECT_OPTIONS = (
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


def _with_project_options(command: Command) -> Command:
    for option in reversed(_PROJECT_OPTIONS):
        command = option(command)
    return _SPEC(command)


def _with_selection(command: Command) -> Command:
    for option in (
        click.option("--force", multiple=True, metavar="STEP", help="Run this stage or step even if up to date."),
        click.option("--only", multiple=True, metavar="STEP", help="Only this stage or step and what it needs."),
        click.option("--until", metavar="STEP", help="Stop after this stage or step."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="i2v3d")
@click.option("--debug", is_flag=True, help="Show a traceback for errors.")
def main(debug: bool) -> None:
    """Direct a photo: a scene spec in YAML goes in, a video comes out."""
    # `--debug` is read where errors are caught: see `run`.


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--image", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The photo to start from.")
@click.option("--template", default="minimal", help="Starter spec [minimal].")
def init(folder: Path, image: Path | None, template: str) -> None:
    """Make a folder with a starter spec and your photo."""
    from i2v3d.spec.starter import write_starter

    spec = write_starter(folder, image=image, template=template)
    click.echo(f"wrote {spec}" if image else f"wrote {spec}; put your photo beside it as photo.jpg")


@main.command()
@_with_project_options
@click.option("--deep", is_flag=True, help="Build the scene up to its assembly, and check what happens in it.")
def validate(deep: bool, **options: Any) -> None:
    """Check a spec; every problem is shown with its line."""
    from i2v3d.execute.project import load_spec
    from i2v3d.report.problems import count_text, problems_text

    loaded = load_spec(_options(options))
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

    project = _project({**options, "until": "check"})
    with watch("auto", project.loaded.locate) as on_event:
        result = project.build(on_event)
    if not result.is_success:
        return max(error.exit_code for error in result.failures.values())
    findings = findings_of(project.out_dir)
    for line in findings:
        click.echo(f"found: {line}")
    click.echo(f"{len(findings) or 'no'} findings; {project.out_dir / 'check'}")
    return 1 if findings else 0


@main.command()
@_with_project_options
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "dot"]), default="text", show_default=True)
def graph(form: str, **options: Any) -> None:
    """Print the graph of steps that a spec compiles to."""
    from i2v3d.compile.printed import printed_graph

    click.echo(printed_graph(_project(options).graph, form))


def _with_devices(command: Command) -> Command:
    for option in (
        click.option("--vram", metavar="SIZE", help="Memory of the device that models may take, `12GB` [all]."),
        click.option("--device", metavar="NAME", help="Where models run: cuda, cuda:1, mps, cpu [the best there is]."),
    ):
        command = option(command)
    return command


@main.command()
@_with_project_options
@_with_selection
@_with_devices
def plan(**options: Any) -> None:
    """Say which steps a build would run, and why."""
    from i2v3d.execute.project import unchanged_build

    if (summary := unchanged_build(_options(options))) is not None:
        click.echo(f"{summary['scene']}: {summary['steps']} up to date")
        return
    from i2v3d.execute.requirements import device_for_plan
    from i2v3d.plan.printed import plan_text
    from i2v3d.report.weights_text import memory_text, weights_text

    project = _project(options)
    click.echo(plan_text(project.plan()), nl=False)
    if project.weights:
        click.echo(f"\n{weights_text(project.weights)}")
        click.echo(f"\n{memory_text(project.graph, project.loaded.scene, *device_for_plan(project))}")


@main.command()
@_with_project_options
@_with_selection
@_with_devices
@click.option("--jobs", "-j", type=click.IntRange(1), help="CPU cores to use [all].")
@click.option("--keep-going", "-k", is_flag=True, help="After a failure, finish what does not depend on it.")
@click.option("--progress", type=click.Choice(["auto", "live", "lines", "json"]), default="auto", show_default=True)
def build(progress: str, **options: Any) -> None:
    """Build the video, doing only what is not done yet."""
    from i2v3d.execute.project import unchanged_build

    chosen = _options(options)
    if (summary := unchanged_build(chosen)) is not None:
        for warning in summary.get("warnings", ()):
            click.echo(f"warning: {warning}", err=True)
        click.echo(f"{summary['scene']}: up to date, all {summary['steps']} steps reused\n{summary['out_dir']}")
        return
    from i2v3d.report.progress import watch
    from i2v3d.report.tables import result_text
    from i2v3d.report.weights_text import licence_notes

    project = _project(options)
    for problem in project.loaded.warnings:
        _warn(problem)
    for note in licence_notes(project.weights):
        click.echo(note, err=True)
    with watch(progress, project.loaded.locate) as on_event:
        result = project.build(on_event)
    if progress != "json":
        click.echo(result_text(result, project.out_dir))
    sys.exit(0 if result.is_success else max(error.exit_code for error in result.failures.values()))


@main.command()
@_with_project_options
@click.argument("step")
@click.option("--build", "number", type=int, help="Explain build number N of the past instead of the next one.")
def explain(step: str, number: int | None, **options: Any) -> None:
    """Say why a step would run, or ran: each changed key field, old and new, with its line in the spec."""
    from i2v3d.plan.printed import explanation_text

    project = _project(options)
    click.echo(explanation_text(project.explain(step, number), project.place), nl=False)


@main.command()
def stages() -> None:
    """List the stages with their inputs and outputs."""
    from i2v3d.report.tables import stages_text
    from i2v3d.stages import load_stages

    click.echo(stages_text(load_stages()))


@main.command()
@click.option("--stage", help="Only the backends of this stage.")
def backends(stage: str | None) -> None:
    """List the backends of each stage, and which profile picks them."""
    from i2v3d.backends.catalog import BACKENDS
    from i2v3d.report.tables import backends_text

    click.echo(backends_text(tuple(backend for backend in BACKENDS if stage in (None, backend.stage))))


@main.command()
def schema() -> None:
    """Print the JSON schema of a scene spec."""
    from i2v3d.resources import schemas_dir

    click.echo((schemas_dir() / "scene.schema.json").read_text(encoding="utf-8"), nl=False)


@main.command()
@click.option("--profile", type=click.Choice(["draft", "paper", "modern"]), default="draft", show_default=True)
@click.option("--fix", is_flag=True, help="Install missing system libraries through apt-get.")
def doctor(profile: str, fix: bool) -> None:
    """Say what is installed and what a profile lacks, with the line that installs it."""
    from i2v3d.execute.environment import inspect_machine, install_system_libraries
    from i2v3d.report.tables import findings_text

    if fix and (packages := install_system_libraries()):
        click.echo(f"installed {', '.join(packages)}")
    findings = inspect_machine(profile)
    click.echo(findings_text(findings))
    sys.exit(0 if all(finding.is_good for finding in findings) else 3)


@main.group()
def cameras() -> None:
    """Take camera paths to other programs and back."""


_CAMERA_FORMATS = ("opencv", "opengl", "colmap", "realestate10k", "unreal", "glb", "blend")


def _with_scene_options(command: Command) -> Command:
    """The options of a spec, without the output folder of its build."""
    for option in reversed((*_PROJECT_OPTIONS[:5], *_PROJECT_OPTIONS[6:])):
        command = option(command)
    return _SPEC(command)


@cameras.command("export")
@_with_scene_options
@click.option("--format", "form", type=click.Choice(_CAMERA_FORMATS), required=True, help="What to write.")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
def cameras_export(form: str, folder: Path, **options: Any) -> None:
    """Write the cameras of a spec's clip, building it up to step `assemble` first."""
    from i2v3d.blender.camera_paths import write_any
    from i2v3d.geometry.camera_files import read_cameras, summary
    from i2v3d.report.progress import watch
    from i2v3d.report.tables import result_text

    project = _project({**options, "only": ("assemble",)})
    with watch("auto", project.loaded.locate) as on_event:
        result = project.build(on_event)
    if not result.is_success:
        click.echo(result_text(result, project.out_dir))
        sys.exit(max(error.exit_code for error in result.failures.values()))
    path = read_cameras(result.delivered["cameras.json"], "opencv")
    click.echo(summary(write_any(folder, form, path), form, path))


@cameras.command("import")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(_CAMERA_FORMATS), help="What it is [told from name and content].")
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


@main.group()
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


def _warn(problem: Problem) -> None:
    from i2v3d.report.problems import problem_text

    click.echo(problem_text(problem), err=True)


def _options(options: dict[str, Any]) -> ProjectOptions:
    from i2v3d.execute.project import ProjectOptions

    return ProjectOptions(**options)


def _store(folder: Path) -> LocalStore:
    from i2v3d.errors import UsageError
    from i2v3d.store.local import LocalStore

    if not (folder / "objects").is_dir():
        raise UsageError(
            f"{folder}: there is no store here", hint="name it with --cache DIR; it is `.i2v3d` beside a spec"
        )
    return LocalStore(folder)


def _project(options: dict[str, Any]) -> Project:
    from i2v3d.execute.project import open_project

    return open_project(_options(options))


def run() -> None:
    """Runs the command line and turns i2v3d's own errors into text and an exit code."""
    # Importing makes a hundred thousand objects and no garbage: collecting as often as by default costs 30 ms.
    gc.set_threshold(100_000, 20, 20)
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; what was finished is kept", err=True)
        sys.exit(130)
    except Exception as error:  # only to tell our own errors from bugs; bugs are raised again
        from i2v3d.errors import I2V3DError

        if not isinstance(error, I2V3DError) or "--debug" in sys.argv:
            raise
        from i2v3d.report.problems import error_text

        click.echo(error_text(error), err=True)
        sys.exit(error.exit_code)
