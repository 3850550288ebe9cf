"""Measuring: a scene's result, and videos that something else made, against the scene's render."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from i2v3d.cli.options import PROJECT_OPTIONS, exit_code_of, open_project, print_warning, with_devices


class _WithMetrics(click.Command):
    """Its help ends with what each metric is."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from i2v3d.report.metrics_text import explanations_text

        formatter.write_paragraph()
        formatter.write("Metrics:\n")
        formatter.write(explanations_text() + "\n")


def _with_options(command: Any) -> Any:  # Any: click's decorators
    """The options of a spec, without the output folder of its build."""
    for option in reversed((*PROJECT_OPTIONS[:5], *PROJECT_OPTIONS[6:])):
        command = option(command)
    return click.argument("spec", type=click.Path(path_type=Path), required=False)(command)


@click.command("eval", cls=_WithMetrics)
@_with_options
@with_devices
@click.option("--jobs", "-j", type=click.IntRange(1), help="CPU cores to use [all].")
@click.option(
    "--video",
    "videos",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Measure this video, made by anything; repeat it to compare several.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Spec to whose render videos are held; its own result is not built.",
)
@click.option(
    "--timing",
    type=click.Choice(["stretch", "seconds"]),
    default="stretch",
    show_default=True,
    help="Video of another length: stretch it over the clip, or go by seconds from its start.",
)
@click.option(
    "--with", "models", multiple=True, metavar="BACKEND", help="Measure by this model, too: clip, depth_anything."
)
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
@click.option("--out", "file", type=click.Path(path_type=Path), help="Write to this file.")
def evaluate(
    spec: Path | None, against: Path | None, videos: tuple[Path, ...], form: str, file: Path | None, **options: Any
) -> None:
    """Measure a clip against the render of its scene, which knows where everything is.

    `i2v3d eval SPEC` builds what is missing of a scene and measures its result. `i2v3d eval --video FILE --against
    SPEC` measures any video: of the scene only the render is built. `i2v3d eval SPEC --video FILE` compares the two.
    """
    from i2v3d.errors import UsageError
    from i2v3d.execute.evaluate import evaluate as measure
    from i2v3d.report import metrics_text
    from i2v3d.report.progress import watch
    from i2v3d.report.tables import result_text

    if spec is not None and against is not None:
        raise UsageError("give the spec once: SPEC measures its own result too, --against SPEC only the videos")
    if against is not None and not videos:
        raise UsageError("--against says what videos are held to", hint="give --video FILE, or `i2v3d eval SPEC`")
    chosen = spec or against
    if chosen is None:
        raise UsageError("there is no spec", hint="i2v3d eval SPEC, or i2v3d eval --video FILE --against SPEC")
    timing = options.pop("timing")
    options["overrides"] = (*options["overrides"], *map(_override, options.pop("models")))
    project = open_project({**options, "spec": chosen})
    for problem in project.loaded.warnings:
        print_warning(problem)
    with watch("auto", project.loaded.locate) as on_event:
        evaluation = measure(project, on_event, videos=videos, has_own=spec is not None, timing=timing)
    if not evaluation.build.is_success:
        click.echo(result_text(evaluation.build, project.out_dir))
        sys.exit(exit_code_of(evaluation.build))
    forms = {
        "text": metrics_text.evaluation_text,
        "csv": metrics_text.evaluation_csv,
        "json": metrics_text.evaluation_json,
    }
    text = forms[form](evaluation)
    if file is None:
        click.echo(text, nl=form == "text")
        return
    try:
        file.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{file}: can't be written: {error.strerror}", hint="give another --out FILE") from error


def _override(model: str) -> str:
    from i2v3d.backends.catalog import BACKENDS
    from i2v3d.errors import UsageError

    stages = {backend.id: backend.stage for backend in BACKENDS if backend.measures}
    if model not in stages:
        raise UsageError(f"--with {model}: no model that measures is called so", hint=f"there are {', '.join(stages)}")
    return f"backends.{stages[model]}={model}"
