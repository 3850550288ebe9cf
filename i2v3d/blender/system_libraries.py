"""System libraries that Blender and OpenGL need even without a display, and the packages that hold them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from i2v3d.errors import MissingBackendError

DEBIAN_PACKAGES: Mapping[str, str] = {
    "libX11.so.6": "libx11-6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXext.so.6": "libxext6",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}
"""Debian and Ubuntu package of each shared library, by soname."""

_BPY = tuple(name for name in DEBIAN_PACKAGES if name not in ("libXxf86vm.so.1", "libEGL.so.1", "libgomp.so.1"))
_LOAD = """
import ctypes, json, sys
missing = []
for name in json.loads(sys.argv[1]):
    try:
        ctypes.CDLL(name)
    except OSError:
        missing.append(name)
print(json.dumps(missing))
"""


@dataclass(frozen=True)
class Libraries:
    """Shared libraries by soname."""

    sonames: tuple[str, ...]

    def missing(self) -> tuple[str, ...]:
        """Returns those that can't be loaded; tried in a child process, for loading may abort."""
        command = [sys.executable, "-I", "-c", _LOAD, json.dumps(self.sonames)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return tuple(json.loads(run.stdout)) if run.returncode == 0 else self.sonames


def bpy_libraries() -> Libraries:
    """Returns what `import bpy` needs."""
    return Libraries(_BPY)


def egl_libraries() -> Libraries:
    """Returns what off-screen OpenGL needs; a driver (Mesa's, or a GPU's) must be there too."""
    return Libraries(("libEGL.so.1", "libGL.so.1"))


def missing_libraries() -> tuple[str, ...]:
    """Returns the sonames that Blender or the OpenGL renderer lack on this machine."""
    return Libraries(tuple(dict.fromkeys((*_BPY, "libEGL.so.1")))).missing()


def debian_packages(sonames: Iterable[str]) -> tuple[str, ...]:
    """Returns the packages to install for these libraries, in order and without repeats."""
    return tuple(dict.fromkeys(DEBIAN_PACKAGES.get(name, name) for name in sonames))


def missing_library_error(sonames: Iterable[str]) -> MissingBackendError:
    """Returns the error for libraries that Blender lacks, with the line that installs them."""
    names = tuple(dict.fromkeys(sonames))
    return MissingBackendError(
        f"Blender needs system libraries that are not installed: {', '.join(names)}",
        hint=f"apt-get install {' '.join(debian_packages(names))}",
    )
