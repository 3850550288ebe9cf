"""What there is: stages, backends, and what is installed here."""

from __future__ import annotations

import sys

import click


@click.command()
def stages() -> None:
    """List the stages with their inputs and outputs."""
    from i2v3d.report.tables import stages_text
    from i2v3d.stages import load_stages

    click.echo(stages_text(load_stages()))


@click.command()
@click.option("--stage", help="Only the backends of this stage.")
def backends(stage: str | None) -> None:
    """List the backends of each stage, and which profile picks them."""
    from i2v3d.backends.catalog import BACKENDS
    from i2v3d.report.tables import backends_text

    click.echo(backends_text(tuple(backend for backend in BACKENDS if stage in (None, backend.stage))))


@click.command()
@click.option("--profile", type=click.Choice(["draft", "paper", "modern"]), default="draft", show_default=True)
@click.option("--fix", is_flag=True, help="Install missing system libraries through apt-get.")
@click.option("--tests", "for_tests", is_flag=True, help="With --fix: also the Chromium that the tests open pages in.")
def doctor(profile: str, fix: bool, for_tests: bool) -> None:
    """Say what is installed and what a profile lacks, with the line that installs it."""
    from i2v3d.execute.environment import inspect_machine, install_system_libraries
    from i2v3d.report.tables import findings_text

    if fix and (packages := install_system_libraries(with_browser=for_tests)):
        click.echo(f"installed {', '.join(packages)}")
    findings = inspect_machine(profile)
    click.echo(findings_text(findings))
    sys.exit(0 if all(finding.is_good for finding in findings) else 3)
