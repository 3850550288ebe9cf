"""The files that a check leaves: JUnit XML for CI, and a page for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.errors import I2V3DError, UsageError
from i2v3d.report.check_cases import Case, cases_of
from i2v3d.report.check_text import shown
from i2v3d.report.junit import Suite, junit_xml
from i2v3d.report.problems import error_text

if TYPE_CHECKING:
    from i2v3d.execute.regression import SceneCheck


def suite_of(check: SceneCheck, spec: Path) -> Suite:
    """Returns the cases of a check; what can't be told without a baseline is one that was skipped."""
    cases = cases_of(check)
    has_failed = check.build is not None and not check.build.is_success
    if check.baseline is None and not check.is_baseline_missing and not has_failed:
        message = "the baseline was written" if check.written is not None else "there is no baseline to compare with"
        cases = (*cases, Case("baseline", "baseline", "skipped", message))
    return Suite(check.scene, str(spec), cases, check.seconds)


def failed_suite(spec: Path, error: I2V3DError) -> Suite:
    """Returns the one case of a spec that could not be checked at all."""
    name = spec.parent.name if spec.stem == "scene" else spec.stem
    return Suite(name or str(spec), str(spec), (Case("build", "check", "error", error_text(error)),), 0.0)


def write_junit(file: Path, suites: Sequence[Suite]) -> None:
    """Writes the XML.

    Raises:
        UsageError: It can't be written.
    """
    _write(file, junit_xml(suites), "--junit")


def write_check_page(check: SceneCheck, file: Path) -> Path | None:
    """Writes the page and returns where it is, or None when there is no picture to show.

    Raises:
        UsageError: It can't be written.
    """
    from i2v3d.report.check_page import check_page

    if check.taken is None:
        return None
    _write(file, check_page(check), "--html")
    return file


def _write(file: Path, text: str, option: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise UsageError(f"{shown(file)}: can't be written: {error.strerror}", hint=f"give another {option}") from error
