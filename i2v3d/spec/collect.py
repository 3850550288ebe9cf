"""Problems found while a spec is resolved, each at the place of its field."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from i2v3d.errors import Problem
from i2v3d.spec.marks import Mark, Marked, SpecPath, path_text
from i2v3d.spec.suggest import hint_for

NO_SUCH = "there is no"
BEYOND_END = "is beyond the end of the clip"


@dataclass
class Collector:
    """Gathers errors, warnings, and what this version can't do yet.

    Attributes:
        tree: The marked data, to find lines.
        root: Folder that file references must stay in.
        allow_paths: Further folders that they may lead to.
        files_read: Files outside the spec that what it means depends on.
    """

    tree: Marked
    root: Path
    allow_paths: tuple[Path, ...] = ()
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    unavailable: list[Problem] = field(default_factory=list)
    files_read: list[Path] = field(default_factory=list)

    def mark(self, path: SpecPath) -> Mark:
        """Returns where the field is, or the nearest written field above it."""
        node = self.tree.find(path)
        key = self.tree.key_mark(path)
        return key if key is not None and key.line != node.mark.line and key.source is node.mark.source else node.mark

    def error(self, path: SpecPath, message: str, hint: str = "") -> None:
        """Notes what stops the build."""
        self.errors.append(self.mark(path).problem(message, hint=hint, path=path_text(path)))

    def warn(self, path: SpecPath, message: str, hint: str = "") -> None:
        """Notes what is probably not meant."""
        self.warnings.append(self.mark(path).problem(message, hint=hint, path=path_text(path), severity="warning"))

    def not_yet(self, path: SpecPath, what: str, hint: str = "") -> None:
        """Notes what the language has and this version can't do."""
        message = f"{what} not available yet"
        self.unavailable.append(self.mark(path).problem(message, hint=hint, path=path_text(path), severity="warning"))

    def unknown(self, path: SpecPath, name: str, known: tuple[str, ...], *, what: str = "object") -> None:
        """Notes a name that nothing has."""
        self.error(path, f"{NO_SUCH} {what} `{name}`", hint_for(name, known, label=f"{what}s"))

    def has_key(self, path: SpecPath) -> bool:
        """Returns whether the spec wrote this key."""
        return self.tree.key_mark(path) is not None

    def below(self, path: SpecPath, key: str) -> SpecPath:
        """Returns the path of a form written as a mapping, or of the word that stands for it."""
        return (*path, key) if self.has_key((*path, key)) else path
