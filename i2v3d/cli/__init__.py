"""Commands: parse, call, print, exit code; nothing else.

Only click is imported here; each command imports what it needs, so that `--help` stays quick.
Exit codes: 0 done, 1 a step failed, 2 bad spec or usage, 3 missing backend, 130 interrupted.
"""

from __future__ import annotations

import gc
import sys

import click

from i2v3d import __version__
from i2v3d.cli.build import build, explain, graph, plan
from i2v3d.cli.cache import cache
from i2v3d.cli.cameras import cameras
from i2v3d.cli.check import check
from i2v3d.cli.diff import diff
from i2v3d.cli.evaluate import evaluate
from i2v3d.cli.lock import verify
from i2v3d.cli.machine import backends, doctor, stages
from i2v3d.cli.start import init, schema, validate
from i2v3d.cli.watch import watch


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="i2v3d")
@click.option("--debug", is_flag=True, help="Show a traceback for errors.")
def main(debug: bool) -> None:
    """Direct a photo: a scene spec in YAML goes in, a video comes out."""
    # `--debug` is read where errors are caught: see `run`.


for _command in (
    init,
    validate,
    graph,
    plan,
    build,
    check,
    evaluate,
    explain,
    diff,
    stages,
    backends,
    schema,
    doctor,
    cameras,
    cache,
    verify,
    watch,
):
    main.add_command(_command)


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
