"""The gate before a build: what its steps need is there, or nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from i2v3d.errors import MissingBackendError
from i2v3d.execute.devices import DeviceFacts, probe_device
from i2v3d.plan.requirements import Missing, missing_of, steps_with_models

if TYPE_CHECKING:
    from i2v3d.execute.project import Project


def check_requirements(project: Project) -> None:
    """Makes sure that every step which will or may run has its libraries, weights and device.

    A step whose result is in the store needs none of them.

    Raises:
        MissingBackendError: With everything that is missing.
    """
    graph = project.graph
    missing = missing_of(graph, project.weights)
    with_models = steps_with_models(graph)
    if not missing and not with_models:
        return
    plan = project.plan()
    coming = {name for name, step in plan.steps.items() if step.status != "up_to_date"}
    needed = [item for item in missing if coming.intersection(item.steps)]
    has_libraries = not any("is not installed" in item.message for item in needed)
    if has_libraries and coming.intersection(with_models):
        needed += _missing_device(project, tuple(name for name in with_models if name in coming))
    if needed:
        raise _error(project, needed)


def device_for_plan(project: Project) -> tuple[DeviceFacts | None, str]:
    """Returns what is known of the device that a build would use, or None and why nothing is."""
    try:
        return probe_device(project.options.devices), ""
    except MissingBackendError as error:
        return None, error.message


def _missing_device(project: Project, steps: tuple[str, ...]) -> list[Missing]:
    try:
        probe_device(project.options.devices)
    except MissingBackendError as error:
        return [Missing(error.message, error.hint, steps, ("profile",))]
    return []


def _error(project: Project, missing: list[Missing]) -> MissingBackendError:
    lines = []
    for item in missing:
        written = next((path for path in item.spec_paths if project.loaded.position(path)), "")
        place = f"{project.place(written)}  " if written else ""
        lines += [f"{place}{item.message}", f"    needed by {_listed(item.steps)}", f"    {item.hint}"]
    things = "something that this build needs is" if len(missing) == 1 else f"{len(missing)} things that it needs are"
    return MissingBackendError(f"nothing was run: {things} missing\n" + "\n".join(lines))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"
