"""From a spec file to a `Scene`: templates, includes, variant, overrides, checks, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from i2v3d.errors import Problem, SpecError
from i2v3d.spec.collect import Collector
from i2v3d.spec.compose import (
    Reading,
    apply_override,
    apply_variant,
    marked_from,
    read_tree,
    set_value,
    substitute,
    without,
)
from i2v3d.spec.marks import Mark, Marked, Source, parse_path
from i2v3d.spec.suggest import hint_for, scene_name
from i2v3d.spec.validate import follows_from, in_order, place_of, validate, validate_rest

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class LoadedScene:
    """A scene with what the engine and `explain` need to know of its text.

    Attributes:
        scene: The resolved scene.
        files: Every spec, included file and template that was read, absolute, and what tells commits of weights.
        warnings: What is probably not meant.
        unavailable: What the spec asks for and this version can't do; compiling raises them.
        variants: Overrides of each named variant, as plain values.
        tree: The merged spec with the place of each value.
    """

    scene: Scene
    files: tuple[Path, ...]
    warnings: tuple[Problem, ...]
    unavailable: tuple[Problem, ...]
    variants: Mapping[str, Mapping[str, Any]]
    tree: Marked = field(repr=False)

    def position(self, spec_path: str) -> tuple[Path, int, int] | None:
        """Returns (file, line, column) of a field such as `objects.rocket.height`, or of what holds it.

        None when not even its first part is written in the spec.
        """
        known, mark = place_of(self.tree, parse_path(spec_path))
        return (mark.source.file, mark.line, mark.column) if known else None

    def locate(self, problem: Problem) -> Problem:
        """Returns a problem that has only a path with the place of that field, or of what holds it."""
        known, mark = place_of(self.tree, parse_path(problem.path))
        if not known:
            return problem
        return mark.problem(problem.message, hint=problem.hint, path=problem.path, severity=problem.severity)


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

    Args:
        path: The spec or template, or a folder with a scene.yaml.
        overrides: `path=value` of the command line, stronger than any file.
        variables: Values for `${name}` and for templates, stronger than `vars:`.
        variant: Name of one of the spec's variants.
        profile: Stronger than the spec's own.
        allow_paths: Folders outside the spec's own that its files may lead to.

    Raises:
        SpecError: With every problem found.
    """
    file = _spec_file(Path(path).absolute())
    reading = Reading(file.parent, tuple(allow_paths), dict(variables or {}))
    whole = read_tree(reading, file, {})
    variants = whole.child("variants") or Marked({}, whole.mark)
    base = without(whole, "variants", "include")
    problems = list(reading.problems)
    _check_variants(reading, base, variants, problems)
    tree = base if variant is None else apply_variant(base, _chosen(variants, variant, file))
    tree, refused = _with_command_line(tree, overrides, profile)
    problems += refused
    problems += _misplaced(tree)
    reading.problems.clear()
    tree = _without_empty(substitute(reading, tree))
    spec, wrong = validate(tree)
    # A text whose variable is unknown is wrong already; what it would have been is not.
    unknown = {(problem.path, problem.line) for problem in reading.problems}
    problems += [*reading.problems, *(p for p in wrong if (p.path, p.line) not in unknown)]
    if spec is None:
        spec, pruned = validate_rest(tree, wrong)
        if spec is not None:
            found = _resolved(spec, tree, file, allow_paths)[1].errors
            problems += [problem for problem in found if not follows_from(problem, pruned)]
        raise SpecError(tuple(in_order(problems)))
    scene, collector = _resolved(spec, tree, file, allow_paths)
    problems += collector.errors
    if scene is None or problems:
        raise SpecError(tuple(in_order(problems)))
    if variant is not None:
        scene = replace(scene, name=f"{scene.name}-{variant}", title=scene.name)
    return LoadedScene(
        scene=scene,
        files=tuple(dict.fromkeys([*reading.files, *collector.files_read])),
        warnings=tuple(in_order([*reading.warnings, *collector.warnings])),
        unavailable=tuple(in_order(collector.unavailable)),
        variants=MappingProxyType(variants.plain()),
        tree=tree,
    )


def variant_names(
    path: Path | str, *, variables: Mapping[str, Any] | None = None, allow_paths: tuple[Path, ...] = ()
) -> tuple[str, ...]:
    """Returns the names of a spec's variants, without checking anything else of it.

    Raises:
        SpecError: The spec, or a file that it includes, can't be read or parsed.
    """
    file = _spec_file(Path(path).absolute())
    reading = Reading(file.parent, tuple(allow_paths), dict(variables or {}))
    variants = read_tree(reading, file, {}).child("variants")
    return tuple(variants.value) if variants is not None and isinstance(variants.value, dict) else ()


def _spec_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in ("scene.yaml", "scene.yaml.j2"):
        if (path / name).is_file():
            return path / name
    raise SpecError((Problem("", "there is no scene.yaml in this folder", "give the path of a spec", path),))


def _resolved(spec: Spec, tree: Marked, file: Path, allow_paths: tuple[Path, ...]) -> tuple[Scene | None, Collector]:
    from i2v3d.spec.resolve import resolve

    collector = Collector(tree, file.parent, allow_paths)
    return resolve(spec, collector, _scene_name(file)), collector


def _scene_name(file: Path) -> str:
    """A scene.yaml is named by its folder, another spec by itself."""
    stem = file.name.split(".")[0]
    return scene_name(file.parent.name if stem == "scene" else stem)


def _with_command_line(tree: Marked, overrides: tuple[str, ...], profile: str | None) -> tuple[Marked, list[Problem]]:
    problems: list[Problem] = []
    if profile is not None:
        mark = Mark(Source(Path("--profile"), (profile,)), 1, 1)
        tree = set_value(tree, ("profile",), marked_from(profile, mark), mark)
    for number, override in enumerate(overrides, start=1):
        try:
            tree = apply_override(tree, override, number)
        except SpecError as error:
            problems += error.problems
    return tree, problems


def _without_empty(tree: Marked) -> Marked:
    """A section of which every line is commented out is as good as not there."""
    sections = tree.value if isinstance(tree.value, dict) else {}
    return without(tree, *(key for key, section in sections.items() if section.value is None))


def _misplaced(tree: Marked) -> list[Problem]:
    """Finds sections that are read before variants and overrides apply, and so would be ignored in them."""
    hint = "write it in the file itself"
    return [
        mark.problem(f"`{key}` can't be given by a variant or on the command line", hint=hint, path=key)
        for key in ("include", "variants")
        if (mark := tree.key_marks.get(key)) is not None
    ]


def _chosen(variants: Marked, name: str, file: Path) -> Marked:
    chosen = variants.child(name)
    if chosen is None:
        known = tuple(variants.value) if isinstance(variants.value, dict) else ()
        hint = hint_for(name, known, label="variants")
        raise SpecError((Problem("variants", f"there is no variant `{name}`", hint, file),))
    return chosen


def _check_variants(reading: Reading, base: Marked, variants: Marked, problems: list[Problem]) -> None:
    """Checks every variant's values, also of those not asked for."""
    if not isinstance(variants.value, dict):
        hint = "write `variants: {slow: {output.duration: 4s}}`"
        problems.append(variants.mark.problem("expected a mapping of names", hint=hint, path="variants"))
        return
    of_base = set(validate(substitute(reading, base))[1]) if variants.value else set()
    for name, overrides in variants.value.items():
        try:
            found = validate(substitute(reading, apply_variant(base, overrides)))[1]
        except SpecError as error:
            found = error.problems
        problems += [replace(p, path=f"variants.{name}.{p.path}".rstrip(".")) for p in found if p not in of_base]
