"""A matrix of scenes built together: one graph for all members, in which shared steps are done once.

First everything that is to be made is made by one build of the merged graph, so that independent
members run side by side. Then each member is built by itself, the way `i2v3d build` would: all of it is
in the store by then, so this only delivers, writes what lies beside a result, and keeps the record
that `explain` and the next build of that member alone look for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i2v3d.errors import I2V3DError, MissingBackendError, Problem, SpecError, UsageError
from i2v3d.execute.events import Event, OnEvent, StepFailed, StepFinished, StepWarned
from i2v3d.execute.project import Project, ProjectOptions, load_spec, open_project, read_variables
from i2v3d.plan.merge import MergedGraph, merge_graphs
from i2v3d.spec.load import variant_names
from i2v3d.spec.matrix import (
    BASE,
    MAX_MEMBERS,
    MemberSpec,
    Sweep,
    members_of,
    parse_sweep,
    parse_variants,
    refuse_same_names,
)

if TYPE_CHECKING:
    from i2v3d.execute.build import BuildResult
    from i2v3d.execute.finished import Finisher
    from i2v3d.plan.make import Plan
    from i2v3d.spec import LoadedScene

MATRIX_FOLDER = "matrix"

Status = Literal["built", "failed", "not_reached"]


@dataclass(frozen=True)
class MatrixOptions:
    """What the command line says of a matrix: `--batch`, `--variants`, each `--sweep`, `--max-members`."""

    variants: str | None = None
    sweeps: tuple[str, ...] = ()
    batch: tuple[Path, ...] = ()
    max_members: int = MAX_MEMBERS


@dataclass(frozen=True)
class Member:
    """One member: name is that of its scene and of its output folder."""

    name: str
    spec: MemberSpec
    project: Project


@dataclass(frozen=True)
class MemberResult:
    """What became of a member.

    Attributes:
        failed: Its steps that failed, by their name in its own graph.
        result: Of its own build; None unless built.
    """

    member: Member
    status: Status
    failed: Mapping[str, I2V3DError]
    result: BuildResult | None


@dataclass(frozen=True)
class MatrixResult:
    """What a build of a matrix came to. work: the build of the merged graph."""

    members: tuple[MemberResult, ...]
    work: BuildResult

    @property
    def is_success(self) -> bool:
        """Whether every member was built."""
        return all(one.status == "built" for one in self.members)

    @property
    def failures(self) -> Mapping[str, I2V3DError]:
        """Error by step of the merged graph, then those of members' own builds."""
        own = {f"{one.member.name}/{step}": e for one in self.members if one.result for step, e in one.failed.items()}
        return {**self.work.failures, **own}


@dataclass(frozen=True)
class Matrix:
    """An opened matrix: every member is loaded and valid.

    Attributes:
        scene: Name of the scene without variant and sweeps.
        out_dir: Where what compares the members goes.
    """

    scene: str
    members: tuple[Member, ...]
    sweeps: tuple[Sweep, ...]
    options: ProjectOptions
    out_dir: Path

    @cached_property
    def merged(self) -> MergedGraph:
        """The graph of all members.

        Raises:
            SpecError: A member asks for what is not available.
        """
        graphs = {}
        for member in self.members:
            try:
                graphs[member.name] = member.project.graph
            except SpecError as error:
                raise self._told(error, member) from error
            except MissingBackendError as error:
                raise MissingBackendError(f"{member.name}: {error.message}", hint=error.hint) from error
        return merge_graphs(f"{self.scene}-{MATRIX_FOLDER}", graphs, self.members[0].project.store)

    def plan(self) -> Plan:
        """Returns which steps of the merged graph a build would run."""
        from i2v3d.plan.make import make_plan

        return make_plan(self.merged.graph, self.members[0].project.store, self._forced())

    def unread(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """Returns (members, fields) for each group of members that do exactly the same work.

        The fields are the swept ones that differ between them: nothing in the graph reads them.
        """
        by_name = {member.name: member for member in self.members}
        specs = {name: member.spec for name, member in by_name.items()}
        found = []
        for group in self.merged.alike:
            paths = [
                path
                for path in specs[group[0]].swept
                if any(specs[name].swept[path] != specs[group[0]].swept[path] for name in group)
            ]
            is_of_variants = len({specs[name].variant for name in group}) > 1
            for name in group if is_of_variants else ():
                paths += _fields_of_variant(by_name[name])
            found.append((group, tuple(dict.fromkeys(paths))))
        return tuple(found)

    def build(
        self, on_event: OnEvent, finishers: Callable[[LoadedScene], tuple[Finisher, ...]] = lambda loaded: ()
    ) -> MatrixResult:
        """Builds what is not up to date and delivers every member that is whole.

        Args:
            on_event: Told what happens; steps have their names in the merged graph.
            finishers: Gives the writers of what a member's build leaves besides its deliverables.

        Raises:
            MissingBackendError: A member lacks something; nothing was run.
        """
        from i2v3d.execute.build import BuildOptions, build

        for member in self.members:
            try:
                member.project.check_requirements()
            except MissingBackendError as error:
                raise MissingBackendError(f"{member.name}: {error.message}", hint=error.hint) from error
        merged, store = self.merged, self.members[0].project.store
        seconds: dict[str, float] = {}

        def listen(event: Event) -> None:
            if isinstance(event, StepFinished):
                seconds[event.step] = event.seconds
            on_event(event)

        options = BuildOptions(
            jobs=self.options.jobs,
            keep_going=self.options.keep_going,
            force=self._forced(),
            devices=self.options.devices,
        )
        work = build(merged.graph, store, options, listen)
        for member in self.members:  # so that a plan of this member alone knows how long its steps take
            for step, name in merged.steps[member.name].items():
                if name in seconds:
                    store.state.set_duration(f"{member.name}/{step}", seconds[name])
        missing = {*work.failures, *work.skipped}
        return MatrixResult(
            tuple(self._finished(member, work, missing, on_event, finishers) for member in self.members), work
        )

    def _finished(
        self,
        member: Member,
        work: BuildResult,
        missing: set[str],
        on_event: OnEvent,
        finishers: Callable[[LoadedScene], tuple[Finisher, ...]],
    ) -> MemberResult:
        steps = self.merged.steps[member.name]
        if missing.intersection(steps.values()):
            failed = {step: work.failures[name] for step, name in steps.items() if name in work.failures}
            return MemberResult(member, "failed" if failed else "not_reached", failed, None)
        loaded = member.project.loaded

        def only_failures(event: Event) -> None:  # everything else was told when the step ran
            if isinstance(event, StepFailed):
                on_event(event)

        result = member.project.build(only_failures, finishers(loaded))
        return MemberResult(member, "built" if result.is_success else "failed", result.failures, result)

    def _told(self, error: SpecError, member: Member) -> SpecError:
        """Returns the error, its problems told of a member."""
        problems = (_of_sweep(problem, len(self.options.overrides)) for problem in error.problems)
        suffix = member.spec.suffix or BASE
        told = SpecError(tuple(_told(problem, [suffix], len(self.members)) for problem in problems))
        told.exit_code = error.exit_code
        return told

    def _forced(self) -> tuple[str, ...]:
        """Steps of the merged graph that `--force` names in any member."""
        names: dict[str, None] = {}
        for member in self.members:
            steps = self.merged.steps[member.name]
            names.update(dict.fromkeys(steps[step] for step in member.project.graph.match(self.options.force)))
        return tuple(names)


class MemberPlaces:
    """Finds the place of a problem in the spec of the member whose step it is of."""

    def __init__(self, matrix: Matrix) -> None:
        self._loaded = {member.name: member.project.loaded for member in matrix.members}
        self._users = matrix.merged.users
        self._current = matrix.members[0].name

    def note(self, event: Event) -> None:
        """Takes down whose step an event is about; to be called before the event is shown."""
        if isinstance(event, StepFailed | StepWarned):
            self._current = next(iter(self._users.get(event.step, ())), self._current)

    def locate(self, problem: Problem) -> Problem:
        """Returns the problem with its place."""
        return self._loaded[self._current].locate(problem)


def open_matrix(options: ProjectOptions, chosen: MatrixOptions) -> Matrix:
    """Returns the matrix, every member loaded and checked.

    Raises:
        SpecError: With every problem of every member; those that not all have name their members.
        UsageError: A name is not known, or two members would share a folder; see also `members_of`.
    """
    if chosen.variants is not None and options.variant is not None:
        raise UsageError("`--variant` and `--variants` can't be combined", hint="`--variants a,b` takes several")
    if options.lock_file is not None:
        hint = "`--locked` alone holds each member to its own build.json"
        raise UsageError("`--locked=FILE` is the lock of one build, not of a matrix", hint=hint)
    if chosen.batch and options.variables is not None:
        raise UsageError("`--vars` and `--batch` can't be combined", hint="put the values into each file")
    if not options.spec_file.is_file():
        load_spec(options)  # says what is wrong
    sweeps = _parsed(chosen.sweeps)
    variants: tuple[str | None, ...] = (options.variant,)
    if chosen.variants is not None:
        variables = read_variables(next(iter(chosen.batch), options.variables))
        known = variant_names(options.spec_file, variables=variables, allow_paths=options.allow_paths)
        variants = parse_variants(chosen.variants, known)
    specs = members_of(variants, sweeps, batch=chosen.batch, max_members=chosen.max_members)
    problems: dict[Problem, dict[str, None]] = {}
    members: list[Member] = []
    scene = ""
    for spec in specs:
        try:
            member, scene = _opened(options, spec)
            members.append(member)
        except SpecError as error:
            for problem in error.problems:
                problems.setdefault(_of_sweep(problem, len(options.overrides)), {})[spec.suffix or BASE] = None
    if problems:
        raise SpecError(tuple(_told(problem, list(names), len(specs)) for problem, names in problems.items()))
    root = options.out or options.spec_file.parent / "out"
    out_dir = root / MATRIX_FOLDER if options.out else root / scene / MATRIX_FOLDER
    refuse_same_names([*((str(m.project.out_dir), m.spec.label) for m in members), (str(out_dir), "the comparison")])
    return Matrix(scene, tuple(members), sweeps, options, out_dir)


def _opened(options: ProjectOptions, spec: MemberSpec) -> tuple[Member, str]:
    """Returns a member, and the name of the scene without its suffix."""
    overrides = (*options.overrides, *spec.overrides)
    own = replace(
        options, variables=spec.variables or options.variables, variant=spec.variant, overrides=overrides, force=()
    )
    project = open_project(own)
    loaded = project.loaded
    scene = loaded.scene.title or loaded.scene.name
    name = f"{scene}-{spec.suffix}" if spec.suffix else scene
    if options.out is not None:
        own = replace(own, out=options.out / name)
    elif spec.swept or spec.variables:
        own = replace(own, out=options.spec_file.parent / "out" / name)
    named = replace(loaded, scene=replace(loaded.scene, name=name, title=scene))
    return Member(name, spec, replace(project, options=own, loaded=named)), scene


def _fields_of_variant(member: Member) -> list[str]:
    """Returns the dotted path of every value that the member's variant sets."""
    if member.spec.variant is None:
        return []

    def walk(value: Any, path: str) -> list[str]:  # Any: plain data of a spec
        if not isinstance(value, Mapping) or not value:
            return [path]
        return [field for key, item in value.items() for field in walk(item, f"{path}.{key}" if path else key)]

    return walk(member.project.loaded.variants[member.spec.variant], "")


def _parsed(sweeps: Sequence[str]) -> tuple[Sweep, ...]:
    found: list[Sweep] = []
    problems: list[Problem] = []
    for number, text in enumerate(sweeps, start=1):
        try:
            found.append(parse_sweep(text, number))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(tuple(problems))
    return tuple(found)


def _of_sweep(problem: Problem, override_count: int) -> Problem:
    """Returns a problem of an override that a sweep made, told of `--sweep`."""
    if problem.file == Path("--set") and problem.line > override_count:
        return replace(problem, file=Path("--sweep"), line=problem.line - override_count)
    return problem


def _told(problem: Problem, members: Sequence[str], total: int) -> Problem:
    if len(members) == total:
        return problem
    shown = ", ".join(members[:3]) + (f" and {len(members) - 3} more" if len(members) > 3 else "")
    return replace(problem, message=f"{problem.message} (in {shown})")
