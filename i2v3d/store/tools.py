"""Versions of the distributions that a step's code uses, and of Python."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from i2v3d.store.stamps import stamp_of
from i2v3d.store.state import State


class ToolVersions:
    """Installed versions, found once per set of site folders: asking for all of them takes 0.1 s."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._installed: Mapping[str, Mapping[str, str]] | None = None

    def versions(self, modules: Iterable[str], distributions: Iterable[str]) -> dict[str, str]:
        """Returns version by distribution, `absent` where it is not installed.

        Args:
            modules: Top-level names that the code imports.
            distributions: Names of distributions that it needs besides.
        """
        if self._installed is None:
            self._installed = self._read()
        by_module, by_name = self._installed["modules"], self._installed["versions"]
        names = {by_module.get(module, module) for module in modules} | {_normal(name) for name in distributions}
        python = ".".join(map(str, sys.version_info[:2]))
        return {"python": python, **{name: by_name.get(name, "absent") for name in sorted(names)}}

    def _read(self) -> Mapping[str, Mapping[str, str]]:
        stamp = repr([(path, tuple(stamp_of(path))) for path in sys.path if _is_site(path)])
        memo: Mapping[str, Mapping[str, str]] | None = self._state.memo("tools", stamp)
        if memo is None:
            from importlib.metadata import distributions, packages_distributions

            modules = {module: _normal(sorted(names)[0]) for module, names in packages_distributions().items()}
            versions = {_normal(found.metadata["Name"]): found.version for found in distributions()}
            memo = {"modules": modules, "versions": versions}
            self._state.set_memo("tools", stamp, memo)
        return memo


def _normal(name: str) -> str:
    """Returns the one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_site(path: str) -> bool:
    """Whether packages are installed here; other folders on the path change with every file that is saved."""
    return path.endswith("-packages") and Path(path).is_dir()
