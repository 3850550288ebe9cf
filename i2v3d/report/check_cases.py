"""A check as a list of cases, which text, JUnit XML and page show: a bound, an aspect of the baseline, or a finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from i2v3d.execute.regression import HeldBound, SceneCheck
from i2v3d.metrics.comparison import Comparison
from i2v3d.report.check_sentences import number_text, sentence

Group = Literal["build", "expect", "baseline", "finding"]
Status = Literal["passed", "failed", "error", "skipped"]


@dataclass(frozen=True)
class Case:
    """One thing that was checked.

    Attributes:
        message: One sentence; for what passed, how far it is from failing.
        frame: The worst frame, or None.
        excess: By this failures are put in order: times the tolerance.
        place: `scene.yaml:14:3`, or empty.
    """

    group: Group
    name: str
    status: Status
    message: str
    frame: int | None = None
    excess: float = 0.0
    place: str = ""


def cases_of(check: SceneCheck) -> tuple[Case, ...]:
    """Returns the cases, the failures first and the worst of them at the top, each group otherwise in its order."""
    if check.build is not None and not check.build.is_success:
        return tuple(
            Case("build", step, "error", error.message.removeprefix(f"{step}: "), excess=1e9)
            for step, error in check.build.failures.items()
        )
    cases = [*_bounds(check), *_camera(check), *_findings(check), *_baseline(check)]
    return tuple(sorted(cases, key=lambda case: (case.status != "failed", -case.excess)))


def _bounds(check: SceneCheck) -> Iterator[Case]:
    for held in check.bounds:
        yield Case(
            "expect",
            str(held.bound),
            "failed" if held.is_failure else "passed",
            _bound_text(held),
            held.measured.worst_frame if held.measured else None,
            1e6 if held.measured is None else _bound_excess(held),
            held.place,
        )


def _bound_text(held: HeldBound) -> str:
    if held.measured is None:
        return f"{held.bound.metric} was not measured: {held.reason}"
    worst = held.measured.worst_frame
    at = f", worst in frame {worst} ({number_text(held.measured.frames[worst] or 0.0)})" if worst is not None else ""
    return f"{held.bound.metric} is {number_text(held.measured.value, held.measured.unit)}{at}"


def _bound_excess(held: HeldBound) -> float:
    assert held.measured is not None  # the caller looked
    return 1 + abs(held.measured.value - held.bound.limit) / max(abs(held.bound.limit), 1e-9)


def _camera(check: SceneCheck) -> Iterator[Case]:
    if check.camera_place is None:
        return
    if not check.troubles:
        yield Case(
            "expect",
            "camera_path inside scene",
            "passed",
            "the camera is inside the scene in every frame",
            place=check.camera_place,
        )
        return
    first = check.troubles[0]
    more = f" (and not inside it in {len(check.troubles) - 1} further frames)" if len(check.troubles) > 1 else ""
    message = f"the camera is {first.where} in frame {first.frame}{more}"
    yield Case("expect", "camera_path inside scene", "failed", message, first.frame, 1e5, check.camera_place)


def _findings(check: SceneCheck) -> Iterator[Case]:
    is_failing = check.findings_place is not None
    for one in check.findings:
        yield Case(
            "finding",
            f"{one.kind} in frame {one.frame}",
            "failed" if is_failing else "passed",
            f"{one.message}; {one.hint}",
            one.frame,
            10.0 if is_failing else 0.0,
            check.findings_place or "",
        )
    if is_failing and not check.findings:
        yield Case("expect", "findings: none", "passed", "nothing was found", place=check.findings_place or "")


def _baseline(check: SceneCheck) -> Iterator[Case]:
    if check.is_baseline_missing:
        message = f"there is no baseline in {check.folder}; make it with `i2v3d check --update`"
        yield Case("baseline", "baseline", "failed", message, excess=1e7)
    for one in check.comparisons:
        is_failure = one.is_failure and not check.options.is_update
        status: Status = "failed" if is_failure else "passed"
        yield Case("baseline", one.name, status, _comparison_text(one), one.frame, one.excess)


def _comparison_text(one: Comparison) -> str:
    if one.is_failure:
        return sentence(one)
    if one.aspect == "metric":
        return sentence(one).removesuffix(f", worst in frame {one.frame}")
    return f"off by {number_text(one.value, one.unit)}, {number_text(one.tolerance, one.unit)} may be"
