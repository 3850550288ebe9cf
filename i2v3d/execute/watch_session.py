"""Watching a spec: each save is a round that makes its preview, then its checks, then, if asked for, the whole result.

One thread looks at the files, another one builds. A save ends the round that runs; what its steps finished is kept
in the store, and the warm workers stay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from i2v3d.compile.graph import StageGraph, references
from i2v3d.compile.scene import PREVIEW, PREVIEW_DELIVERABLES
from i2v3d.errors import I2V3DError, Problem, SpecError
from i2v3d.execute import events
from i2v3d.execute.budget import Budget
from i2v3d.execute.build import BuildResult
from i2v3d.execute.cancel import BuildCancelledError, Cancellation
from i2v3d.execute.devices import worker_devices
from i2v3d.execute.file_watch import FileWatch, last_written_s
from i2v3d.execute.finished import Finisher
from i2v3d.execute.project import Project, ProjectOptions, open_project
from i2v3d.execute.warm import WarmWorkers
from i2v3d.execute.watch_state import WatchState, changed_fields
from i2v3d.execute.worker_pool import WorkerPool
from i2v3d.spec import LoadedScene
from i2v3d.stages.base import SourceFile

LOOK_EVERY_S = 0.1
_WARM_WORKERS = 3

OnState = Callable[[WatchState], None]


@dataclass
class _Round:
    """One save and what is made of it."""

    number: int
    changed: tuple[Path, ...]
    saved_at_s: float
    cancellation: Cancellation
    thread: threading.Thread | None = None

    def end(self) -> None:
        self.cancellation.cancel()
        if self.thread is not None:
            self.thread.join()


class WatchSession:
    """A watch of one spec.

    Args:
        options: Of the spec, and where its build lies; `jobs` may be given, steps may not.
        on_state: Called with every new state, from several threads but never from two at once.
        is_full: Build the whole result, too, once the preview is there.
        finishers: Returns what writes the files beside a whole result.
    """

    def __init__(
        self,
        options: ProjectOptions,
        on_state: OnState,
        *,
        is_full: bool = False,
        finishers: Callable[[LoadedScene], tuple[Finisher, ...]] = lambda loaded: (),
    ) -> None:
        self._options = options
        self._on_state = on_state
        self._is_full = is_full
        self._finishers = finishers
        self._files = FileWatch()
        self._lock = threading.RLock()
        self._state = WatchState(spec=options.spec_file)
        self._crash: BaseException | None = None
        jobs = options.jobs or Budget().jobs
        self._warm = WarmWorkers(WorkerPool(max(_WARM_WORKERS, jobs), worker_devices(options.devices)))

    def run(self, stop: threading.Event | None = None) -> None:
        """Watches until `stop` is set or Ctrl-C comes; no process is left then.

        Raises:
            KeyboardInterrupt: Passed on.
        """
        ending = stop or threading.Event()
        current = self._begin((), time.time())
        try:
            while not ending.wait(LOOK_EVERY_S):
                if self._crash is not None:
                    raise self._crash
                if self._files.changed():
                    changed = self._files.accept_when_quiet()
                    current.end()
                    current = self._begin(changed, last_written_s(changed) or time.time())
        finally:
            current.end()
            self._warm.pool.kill_all()

    def _begin(self, changed: tuple[Path, ...], saved_at_s: float) -> _Round:
        one = _Round(self._state.number + 1, changed, saved_at_s, Cancellation())
        one.thread = threading.Thread(target=self._build, args=(one,), name=f"round {one.number}", daemon=True)
        self._tell(
            number=one.number,
            phase="building",
            changed=changed,
            fields=(),
            running="",
            ran=(),
            reused=0,
            seconds=None,
            error=None,
            warnings=(),
            full="",
            is_done=False,
        )
        one.thread.start()
        return one

    def _build(self, one: _Round) -> None:
        """Runs in the round's own thread."""
        try:
            project = self._opened()
            # Everything that a preview needs is on its way before the checks take a core.
            if self._made(one, project, self._on_preview(one)):
                self._tell(phase="ready")
                self._made(one, self._sibling(project, preview=True), self._on_step)
                # Those that ended with a large step are replaced while the user thinks.
                kinds = dict.fromkeys(node.stage for node in project.graph.nodes.values())
                self._warm.pool.warm_up(_WARM_WORKERS, [project.graph.stages[kind].module for kind in kinds])
                if self._is_full:
                    self._make_whole(one, self._sibling(project, preview=False))
            self._tell(is_done=True)
        except BuildCancelledError:
            pass
        except I2V3DError as error:
            self._tell(phase="failed", error=error, running="", is_done=True)
        except BaseException as error:  # noqa: BLE001 - a bug: told to the thread that waits, which raises it
            self._crash = error

    def _opened(self) -> Project:
        """Returns the preview's project, its files watched."""
        began_ns = time.time_ns()
        before = self._state.loaded
        options = replace(self._options, preview=True, only=(PREVIEW,))
        try:
            project = open_project(options)
            sources = _source_files(project.graph)
        except I2V3DError as error:
            watched = {*self._files.paths, options.spec_file, *_mentioned(error)}
            # What is missing may yet come.
            self._files.look_after(watched, since_ns=began_ns, listed={path.parent for path in watched})
            raise
        loaded = project.loaded
        own = (options.spec_file, *((options.variables.absolute(),) if options.variables else ()))
        self._files.look_after({*own, *loaded.files, *sources}, since_ns=began_ns)
        fields = () if before is None else tuple(changed_fields(before.tree.plain(), loaded.tree.plain()))
        self._tell(loaded=loaded, fields=fields, warnings=loaded.warnings, out_dir=project.out_dir)
        self._tell(places=(*project.graph.places, *project.graph.others))
        return project

    def _sibling(self, project: Project, *, preview: bool) -> Project:
        """Returns the same scene with the whole graph of its preview, or of its result."""
        return Project(replace(self._options, preview=preview), project.loaded, project.loaded_at_ns)

    def _made(self, one: _Round, project: Project, on_event: events.OnEvent) -> bool:
        """Builds a graph; tells what failed and returns whether nothing did."""
        result = self._built(one, project, on_event)
        if not result.is_success:
            self._tell(phase="failed", error=next(iter(result.failures.values())), running="")
        return result.is_success

    def _built(
        self, one: _Round, project: Project, on_event: events.OnEvent, finishers: tuple[Finisher, ...] = ()
    ) -> BuildResult:
        if one.cancellation.is_set:
            raise BuildCancelledError
        try:
            return project.build(on_event, finishers, warm=self._warm, cancellation=one.cancellation)
        finally:
            project.store.close()

    def _make_whole(self, one: _Round, project: Project) -> None:
        self._tell(full="building")
        result = self._built(one, project, self._on_step, self._finishers(project.loaded))
        if result.is_success:
            self._tell(full="ready", results=self._state.results + 1, running="")
        else:
            self._tell(full="failed", error=next(iter(result.failures.values())), running="")

    def _on_preview(self, one: _Round) -> events.OnEvent:
        """Returns what hears the preview's build: the steps, and when it is in place."""

        def on_event(event: events.Event) -> None:
            self._on_step(event)
            if isinstance(event, events.StepReused):
                self._tell(reused=self._state.reused + 1)
            elif isinstance(event, events.Delivered) and event.path.name == PREVIEW_DELIVERABLES[0].path:
                seconds = time.time() - one.saved_at_s
                self._tell(seconds=seconds, previews=self._state.previews + event.is_new, running="")

        return on_event

    def _on_step(self, event: events.Event) -> None:
        match event:
            case events.StepStarted():
                self._tell(running=event.step)
            case events.StepFinished():
                self._tell(ran=(*self._state.ran, (event.step, event.seconds)), running="")
            case events.StepWarned():
                self._warn(event)
            case _:
                pass

    def _warn(self, event: events.StepWarned) -> None:
        loaded = self._state.loaded
        problem = Problem(event.spec_path, event.message, severity="warning")
        known = loaded.locate(problem) if loaded is not None else problem
        if known not in self._state.warnings:
            self._tell(warnings=(*self._state.warnings, known))

    def _tell(self, **values: Any) -> None:  # Any: fields of WatchState, which checks none of them
        with self._lock:
            self._state = replace(self._state, **values)
            self._on_state(self._state)


def _source_files(graph: StageGraph) -> Iterable[Path]:
    return {ref.path for node in graph.nodes.values() for _, ref in references(node) if isinstance(ref, SourceFile)}


def _mentioned(error: I2V3DError) -> Iterable[Path]:
    problems = error.problems if isinstance(error, SpecError) else ()
    return {problem.file for problem in problems if problem.file is not None and problem.file.is_absolute()}
