"""From a spec file to a `Scene`: templates, includes, variant, overrides, checks, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i2v3d.errors import Problem, SpecError
from i2v3d.spec.collect import Collector
from i2v3d.spec.resolve import resolve
from i2v3d.spec.resolved import Scene
from i2v3d.spec.validate import in_order, place_of, validate
from i2v3d.spec.yaml_marks import Marked, parse_path, parse_yaml, read_text, source_of


@dataclass(frozen=True)
class LoadedScene:
    """A scene with what the engine and `explain` need to know of its text.

    Attributes:
        scene: The resolved scene.
        files: Every spec, included file and template that was read, absolute.
        warnings: What is probably not meant.
        unavailable: What the spec asks for and this version can't do; compiling raises them.
        tree: The merged spec with the place of each value.
    """

    scene: Scene
    files: tuple[Path, ...]
    warnings: tuple[Problem, ...]
    unavailable: tuple[Problem, ...]
    tree: Marked = field(repr=False)

    def position(self, spec_path: str) -> tuple[Path, int, int] | None:
        """Returns (file, line, column) of a field such as `objects.rocket.height`, or of what holds it.

        None when not even its first part is written in the spec.
        """
        known, mark = place_of(self.tree, parse_path(spec_path))
        return (mark.source.file, mark.line, mark.column) if known else None


def load_scene(
    path: Path | str,
    *,
    overrides: tuple[str, ...] = (),
    variables: Mapping[str, Any] | None = None,
    variant: str | None = None,
    profile: str | None = None,
    allow_paths: tuple[Path, ...] = (),
) -> LoadedScene:
    """Returns the scene that a spec describes.

    Raises:
        SpecError: With every problem found.
    """
    file = Path(path).absolute()
    if file.is_dir():
        file = file / "scene.yaml"
    text = read_text(file)
    tree = parse_yaml(text, source_of(file, text))
    spec, problems = validate(tree)
    if spec is None:
        raise SpecError(problems)
    collector = Collector(tree, file.parent, tuple(allow_paths))
    scene = resolve(spec, collector, file.parent.name)
    if scene is None:
        raise SpecError(tuple(in_order(collector.errors)))
    return LoadedScene(
        scene, (file,), tuple(in_order(collector.warnings)), tuple(in_order(collector.unavailable)), tree
    )
