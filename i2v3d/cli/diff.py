"""`i2v3d diff`: what differs between two scenes, and what it costs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from i2v3d.cli.options import PROJECT_OPTIONS, SPEC, open_project


def _with_options(command: Any) -> Any:  # Any: click's decorators
    for option in reversed((*PROJECT_OPTIONS[:5], *PROJECT_OPTIONS[6:])):  # without `--out`
        command = option(command)
    return SPEC(click.argument("other", required=False, type=click.Path(path_type=Path))(command))


@click.command()
@_with_options
@click.option("--from", "first_variant", metavar="NAME", help="Use this variant on the first side.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def diff(spec: Path, other: Path | None, first_variant: str | None, form: str, **options: Any) -> None:
    """Say what differs between two scenes, field by field, and which steps the second costs.

    `--variant`, `--set` and `--profile` change the second side only; without OTHER it is the same spec.
    Exit codes: 0 no difference, 1 some difference, 2 and 3 as in every command.
    """
    from i2v3d.errors import UsageError
    from i2v3d.execute.difference import compare_projects
    from i2v3d.report.difference_text import difference_json, difference_text

    own = {"overrides": options["overrides"], "variant": options["variant"], "profile": options["profile"]}
    if other is None and not any(own.values()) and first_variant is None:
        hint = "give a second spec, `--variant NAME` or `--set PATH=VALUE`"
        raise UsageError("there is nothing to compare the spec with", hint=hint)
    shared = {name: value for name, value in options.items() if name not in own}
    second = other or spec
    new = open_project({"spec": second, **shared, **own})
    if shared["cache"] is None:
        shared["cache"] = new.options.store_root
    old = open_project({"spec": spec, **shared, "variant": first_variant})
    found = compare_projects(old, new)
    changes = [own["variant"], own["profile"], *own["overrides"]]
    names = (_name(spec, [first_variant]), _name(second, changes))
    if form == "json":
        click.echo(json.dumps(difference_json(found, *names), indent=1))
    else:
        click.echo(difference_text(found, *names))
    sys.exit(0 if found.is_same else 1)


def _name(spec: Path, changes: list[str | None]) -> str:
    told = ", ".join(change for change in changes if change)
    return f"{spec} [{told}]" if told else str(spec)
