"""A spec on the command line, opened: loaded, compiled, and joined with its store and output folder.

This module imports nothing heavy, so that a build that is up to date is found out at once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2v3d.errors import MissingBackendError, SpecError, UsageError

if TYPE_CHECKING:
    from i2v3d.backends.inventory import FoundWeights
    from i2v3d.compile.graph import StageGraph
    from i2v3d.execute.build import BuildResult
    from i2v3d.execute.cancel import Cancellation
    from i2v3d.execute.devices import DeviceOptions
    from i2v3d.execute.events import OnEvent
    from i2v3d.execute.finished import Finisher
    from i2v3d.execute.warm import WarmWorkers
    from i2v3d.plan.explain import Explanation
    from i2v3d.plan.make import Plan
    from i2v3d.spec import LoadedScene
    from i2v3d.store.local import LocalStore


@dataclass(frozen=True)
class ProjectOptions:
    """What the command line says, as given.

    Attributes:
        spec: The spec, or the folder of a `scene.yaml`.
        overrides: `path=value` texts of `--set`.
        variables: YAML file of template variables.
        variant, profile: Chosen instead of the spec's own.
        cache: Store folder; `.i2v3d` beside the spec without.
        out: Output folder; `out/<scene>` beside the spec without.
        allow_paths: Folders outside the spec's own that it may read from.
        until, only, force: Step names or stage kinds.
        jobs: Cores to use.
        device, vram: Where models run and how much of its memory they may take, as given.
        locked: Whether everything must be as in the lock file.
        lock_file: That file; the `build.json` of the last build without.
        preview: Make the fast preview in place of the video.
        no_report: Leaves out what only the report page shows.
    """

    spec: Path
    overrides: tuple[str, ...] = ()
    variables: Path | None = None
    variant: str | None = None
    profile: str | None = None
    cache: Path | None = None
    out: Path | None = None
    allow_paths: tuple[Path, ...] = ()
    until: str | None = None
    only: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    jobs: int | None = None
    keep_going: bool = False
    device: str | None = None
    vram: str | None = None
    locked: bool = False
    lock_file: Path | None = None
    preview: bool = False
    no_report: bool = False

    def __post_init__(self) -> None:
        if self.device is not None or self.vram is not None:
            _ = self.devices  # what is wrong with them is told at once

    @property
    def devices(self) -> DeviceOptions:
        """Where models run.

        Raises:
            UsageError: `device` or `vram` is none.
        """
        from i2v3d.execute.devices import DeviceOptions, parse_device, parse_vram

        return DeviceOptions(
            None if self.device is None else parse_device(self.device),
            None if self.vram is None else parse_vram(self.vram),
        )

    @property
    def spec_file(self) -> Path:
        """The spec's file, absolute."""
        spec = self.spec.absolute()
        if not spec.is_dir():
            return spec
        names = (spec / "scene.yaml", spec / "scene.yaml.j2")
        return next((name for name in names if name.is_file()), names[0])

    @property
    def store_root(self) -> Path:
        """The store's folder, absolute."""
        from i2v3d.store.local import store_root

        return store_root(self.spec_file.parent, self.cache).absolute()

    def identity(self) -> str:
        """Returns what names a build of these options on this installation."""
        from i2v3d.execute.fastpath import identify
        from i2v3d.store.stamps import stamp_of

        variables = [self.variables, tuple(stamp_of(self.variables))] if self.variables else None
        # Which commit `main` is of a repository of weights depends on where they are kept.
        weights = [os.environ.get(name) for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")]
        chosen = [
            self.overrides,
            variables,
            self.variant,
            self.profile,
            self.out,
            self.allow_paths,
            self.until,
            self.only,
            self.no_report,
            weights,
            self.preview,
        ]
        return identify(self.spec_file, [json.dumps(chosen, default=str)])


@dataclass(frozen=True)
class Project:
    """An opened spec: `loaded` is the scene with its positions; the graph is compiled when it is first asked for."""

    options: ProjectOptions
    loaded: LoadedScene
    loaded_at_ns: int = field(default=0)

    @cached_property
    def graph(self) -> StageGraph:
        """The whole graph of the scene or of its preview, or the part that `--until` and `--only` leave."""
        from i2v3d.compile.scene import REPORT_STAGES, compile_preview, compile_scene
        from i2v3d.stages import load_stages

        if self.loaded.unavailable:
            raise _not_available(self.loaded)
        compiled = compile_preview if self.options.preview else compile_scene
        graph = compiled(self.loaded.scene, load_stages())
        if self.options.no_report:
            graph = graph.without(REPORT_STAGES)
        until = (self.options.until,) if self.options.until else ()
        return graph.select(until=until, only=self.options.only)

    @cached_property
    def store(self) -> LocalStore:
        """The store, opened."""
        from i2v3d.store.local import LocalStore

        return LocalStore(self.options.store_root)

    @property
    def out_dir(self) -> Path:
        """Where deliverables go."""
        return self.options.out or self.options.spec_file.parent / "out" / self.loaded.scene.name

    def plan(self) -> Plan:
        """Returns which steps a build would run, and why."""
        from i2v3d.plan.make import make_plan

        return make_plan(self.graph, self.store, self.options.force)

    @cached_property
    def weights(self) -> tuple[FoundWeights, ...]:
        """Returns what is known of the weights that the steps of the graph read."""
        from i2v3d.plan.requirements import weights_of

        return weights_of(self.graph, self.loaded.scene)

    def check_requirements(self) -> None:
        """Makes sure that every step is as locked, and that those which will or may run have what they need.

        Raises:
            LockError: See `check_lock`.
            MissingBackendError: With every library, weights and device that is missing, before any step runs.
        """
        from i2v3d.execute.requirements import check_requirements

        self.check_lock()
        check_requirements(self)

    def check_lock(self) -> None:
        """Makes sure that every step would be made as the lock says, where the options ask for that.

        Raises:
            LockError: With everything that differs, before any step runs.
            UsageError: There is no lock file, or it can't be read.
        """
        if self.options.locked:
            from i2v3d.execute.lock import check_lock

            check_lock(self)

    def explain(self, step: str, number: int | None = None) -> Explanation:
        """Returns why a step would run now, or why it ran in build `number`."""
        from i2v3d.plan.explain import explain, explain_past

        if number is not None:
            return explain_past(self.store, self.graph.scene, step, number)
        return explain(self.graph, self.store, step)

    def place(self, spec_path: str) -> str:
        """Returns `file:line:column` of a spec field, or its path when the spec does not write it."""
        position = self.loaded.position(spec_path)
        return f"{position[0].name}:{position[1]}:{position[2]}" if position else spec_path

    def build(
        self,
        on_event: OnEvent,
        finishers: tuple[Finisher, ...] = (),
        *,
        warm: WarmWorkers | None = None,
        cancellation: Cancellation | None = None,
    ) -> BuildResult:
        """Builds what is not up to date and delivers it.

        Args:
            on_event: Told what happens.
            finishers: Write what a build leaves besides its deliverables.
            warm: Workers of earlier builds of this program.
            cancellation: Ends the build from another thread.

        Raises:
            LockError: See `check_lock`.
            MissingBackendError: See `check_requirements`.
            BuildCancelledError: See `Cancellation`.
        """
        from i2v3d.execute.build import BuildOptions, build
        from i2v3d.execute.fastpath import FastPath
        from i2v3d.execute.manifest import manifest_writer

        self.check_requirements()
        # A part of a build, or a preview, is nothing to lock: it leaves the manifest of the whole as it is.
        is_part = self.options.until or self.options.only or self.options.preview
        lock = () if is_part else (manifest_writer(self),)
        fast_path = FastPath(
            identity=self.options.identity(),
            spec_files=self.loaded.files,
            loaded_at_ns=self.loaded_at_ns,
            summary={"steps": len(self.graph.nodes), "scene": self.graph.scene, "out_dir": str(self.out_dir)},
        )
        options = BuildOptions(
            out_dir=self.out_dir,
            jobs=self.options.jobs,
            keep_going=self.options.keep_going,
            force=self.options.force,
            devices=self.options.devices,
            fast_path=fast_path,
            finishers=(*lock, *finishers),
            warm=warm,
            cancellation=cancellation,
        )
        return build(self.graph, self.store, options, on_event)


def unchanged_build(options: ProjectOptions) -> Mapping[str, Any] | None:
    """Returns the summary of the last build of these options when nothing has changed since, else None."""
    from i2v3d.execute.fastpath import find_up_to_date

    if options.force or options.locked or (options.variables is not None and not options.variables.is_file()):
        return None
    return find_up_to_date(options.store_root, options.identity())


def load_spec(options: ProjectOptions) -> LoadedScene:
    """Returns the scene that a spec describes.

    Raises:
        SpecError: With every problem in it.
        UsageError: There is no such file.
    """
    from i2v3d.spec import load_scene

    if not options.spec_file.is_file():
        hint = "make a starter with `i2v3d init FOLDER --image PHOTO`"
        what = "there is no scene.yaml in this folder" if options.spec.is_dir() else "there is no such spec"
        raise UsageError(f"{options.spec}: {what}", hint=hint)
    return load_scene(
        options.spec_file,
        overrides=options.overrides,
        variables=read_variables(options.variables),
        variant=options.variant,
        profile=options.profile,
        allow_paths=options.allow_paths,
    )


def open_project(options: ProjectOptions) -> Project:
    """Returns the opened spec; see `load_spec` for what can go wrong."""
    loaded_at_ns = time.time_ns()
    return Project(options, load_spec(options), loaded_at_ns)


def read_variables(file: Path | None) -> Mapping[str, Any] | None:
    """Returns the template variables in a YAML file, None without a file.

    Raises:
        UsageError: It can't be read, or is no mapping.
    """
    if file is None:
        return None
    import yaml

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: can't be read as template variables: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{file}: can't be read as template variables: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{file}: template variables must be a mapping of names to values")
    return document


def _not_available(loaded: LoadedScene) -> SpecError:
    """Returns the error for what this version can't do yet: told like spec problems, with exit code 3."""
    error = SpecError(tuple(replace(problem, severity="error") for problem in loaded.unavailable))
    error.exit_code = MissingBackendError.exit_code
    return error
