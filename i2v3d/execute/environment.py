"""What is installed on this machine and what a profile lacks, with the line that would install it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata

from i2v3d.backends.catalog import BACKENDS
from i2v3d.backends.inventory import FoundWeights, find_weights
from i2v3d.backends.weights import MODELS, commit_of
from i2v3d.blender.system_libraries import debian_packages, missing_libraries
from i2v3d.errors import MissingBackendError, UsageError
from i2v3d.execute.devices import DeviceOptions, probe_device
from i2v3d.spec.resolved_generation import ModelChoice

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Programs that can show the report page to its tests."""

BROWSER_PACKAGES = ("chromium",)
OPENGL_PACKAGES = ("libegl1", "libegl-mesa0", "libgl1-mesa-dri")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What: a distribution, a system library, a capability.
        is_good: Whether it is as it must be.
        detail: Version or what is wrong.
        fix: The command line that mends it; empty when nothing is to be done.
    """

    name: str
    is_good: bool
    detail: str
    fix: str = ""


def inspect_python() -> Finding:
    """Returns whether this interpreter is one that bpy has wheels for."""
    version = sys.version.split()[0]
    is_good = sys.version_info[:2] == (3, 11)
    return Finding("python", is_good, version if is_good else f"{version}, but bpy 5.0 needs 3.11")


def inspect_distributions(profile: str) -> tuple[Finding, ...]:
    """Returns what a profile's backends need installed, one finding per distribution, and what is not written yet."""
    findings = {name: _distribution(name, "pip install i2v3d") for name in _base_distributions()}
    for backend in BACKENDS:
        if profile not in backend.profiles:
            continue
        package = f"i2v3d[{backend.extra}]" if backend.extra else "i2v3d"
        for name in backend.requires:
            findings.setdefault(name, _distribution(name, f"pip install '{package}'"))
    return tuple(findings.values())


def inspect_system_libraries() -> tuple[Finding, ...]:
    """Returns the shared libraries that Blender and EGL lack; one good finding when nothing is missing."""
    missing = missing_libraries()
    if not missing:
        return (Finding("system libraries", True, "all that Blender and EGL load are here"),)
    line = "apt-get install -y " + " ".join(debian_packages(missing))
    return tuple(
        Finding(soname, False, f"missing; Debian package {debian_packages((soname,))[0]}", line) for soname in missing
    )


def inspect_machine(profile: str) -> tuple[Finding, ...]:
    """Returns everything that `doctor` looks at, for one profile."""
    return (
        inspect_python(),
        *inspect_distributions(profile),
        *inspect_system_libraries(),
        inspect_opengl(),
        *inspect_models(profile),
    )


def inspect_models(profile: str) -> tuple[Finding, ...]:
    """Returns the device that models run on and the default weights of a profile; nothing where it has no models."""
    roles = {role for backend in BACKENDS if profile in backend.profiles for role in backend.models}
    if not roles:
        return ()
    chosen = (ModelChoice(m.role, m.repo, commit_of(m.repo, m.revision)) for m in MODELS if m.role in roles)
    return (inspect_device(), *(_weights_finding(found) for found in find_weights(chosen)))


def inspect_device() -> Finding:
    """Returns the device that torch would run models on, and what is free of its memory."""
    try:
        device = probe_device(DeviceOptions())
    except MissingBackendError as error:
        return Finding("device", False, error.message, error.hint)
    title = f" {device.title}" if device.title else ""
    memory = f"{device.free_gb:.1f} of {device.total_gb:.1f} GB free"
    return Finding("device", True, f"{device.name}{title}, {memory}, torch {device.torch}")


def _weights_finding(found: FoundWeights) -> Finding:
    name = f"weights {found.choice.role}"
    if found.problem:
        return Finding(name, False, found.problem, found.hint)
    return Finding(name, True, f"{found.source}, licence: {found.licence}")


def inspect_opengl() -> Finding:
    """Returns whether off-screen OpenGL works, tried in a child process because its absence aborts."""
    line = "apt-get install -y " + " ".join(OPENGL_PACKAGES)
    renderer = probe_opengl()
    if renderer is None:
        detail = "does not work; the `gl` renderer needs it, `backends: {render: cycles}` does without"
        return Finding("opengl through egl", False, detail, line)
    return Finding("opengl through egl", True, renderer)


def find_browser() -> str | None:
    """Returns a Chromium, for the tests of the report page, or None where there is none."""
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def install_system_libraries(*, with_browser: bool = False) -> tuple[str, ...]:
    """Installs the missing system libraries through apt and returns the names of the packages.

    Args:
        with_browser: Also what only tests need.

    Raises:
        UsageError: There is no apt here, no right to use it, or it failed.
    """
    packages = debian_packages(missing_libraries())
    if packages or probe_opengl() is None:
        packages = tuple(dict.fromkeys((*packages, *OPENGL_PACKAGES)))
    if with_browser and find_browser() is None:
        packages = (*packages, *BROWSER_PACKAGES)
    if not packages:
        return ()
    if shutil.which("apt-get") is None:
        raise UsageError(
            f"system libraries are missing and there is no apt-get here: {', '.join(packages)}",
            hint="install the packages of these names (or your distribution's equal) by hand",
        )
    prefix = () if os.geteuid() == 0 else ("sudo",)
    if prefix and shutil.which("sudo") is None:
        hint = f"as root: apt-get install -y {' '.join(packages)}"
        raise UsageError("installing system libraries needs root", hint=hint)
    _run_apt((*prefix, "apt-get", "update", "-q"))
    _run_apt((*prefix, "apt-get", "install", "-y", "-q", "--no-install-recommends", *packages))
    if still := missing_libraries():
        raise UsageError(f"apt-get installed the packages, but {', '.join(still)} still can't be loaded")
    return packages


def probe_opengl() -> str | None:
    """Returns the name of the OpenGL renderer behind EGL, or None when there is none."""
    code = (
        "import moderngl; c = moderngl.create_standalone_context(backend='egl', require=330);"
        "print(c.info['GL_RENDERER'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return run.stdout.strip() if run.returncode == 0 else None


def _run_apt(command: tuple[str, ...]) -> None:
    result = subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)
    if result.returncode != 0:
        raise UsageError(f"`{' '.join(command)}` failed with exit code {result.returncode}")


def _base_distributions() -> tuple[str, ...]:
    """Returns what the base install requires, by distribution name."""
    requirements = (line for line in metadata.requires("i2v3d") or () if "extra ==" not in line)
    return tuple(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in requirements)


def _distribution(name: str, fix: str) -> Finding:
    try:
        return Finding(name, True, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, False, "not installed", fix)
