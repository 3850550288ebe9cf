"""i2v3d from Python, made for notebooks: `i2v3d.load(...)`, then `.plan()`, `.build()`, and a result that shows itself.

Nothing here holds global state or imports Blender or a model library into the notebook's own process; every step
runs in a process of its own. Errors are those of `i2v3d.errors`, with their whole text: file, line and what to do.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i2v3d.errors import I2V3DError, Problem, UsageError
from i2v3d.execute.project import Project, ProjectOptions, open_project
from i2v3d.report.problems import Locate, error_text, problem_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from i2v3d.artifacts.metrics import ClipMetrics
    from i2v3d.execute.build import BuildResult
    from i2v3d.execute.events import OnEvent
    from i2v3d.geometry.camera_files import CameraPath
    from i2v3d.plan.explain import Explanation
    from i2v3d.plan.make import Plan, PlannedStep
    from i2v3d.plan.manifest import Manifest
    from i2v3d.spec.resolved import Scene

StrPath = str | os.PathLike[str]
Overrides = Mapping[str, object] | Iterable[str]


def load(
    spec: StrPath,
    *,
    set: Overrides = (),
    variables: StrPath | None = None,
    variant: str | None = None,
    profile: str | None = None,
    cache: StrPath | None = None,
    out: StrPath | None = None,
    allow_paths: Iterable[StrPath] = (),
) -> Shot:
    """Returns a spec, read and checked, ready to be planned and built.

    Args:
        spec: The spec, or the folder of a `scene.yaml`.
        set: Fields to override, `{"output.duration": "1s", "camera[1].zoom": 1.2}`, or texts as for `--set`.
        variables: YAML file of template variables.
        variant: One of the spec's variants.
        profile: `draft`, `paper` or `modern`, stronger than the spec's own.
        cache: Store folder; `.i2v3d` beside the spec without.
        out: Output folder; `out/<scene>` beside the spec without.
        allow_paths: Folders outside the spec's own that it may read from.

    Raises:
        SpecError: With every problem in the spec.
        UsageError: There is no such spec, or an override can't be written in YAML.
    """
    options = ProjectOptions(
        spec=Path(spec).absolute(),
        overrides=_overrides(set),
        variables=_absolute(variables),
        variant=variant,
        profile=profile,
        cache=_absolute(cache),
        out=_absolute(out),
        allow_paths=tuple(Path(path).absolute() for path in allow_paths),
    )
    return Shot(options, _opened(options))


@dataclass(frozen=True, repr=False)
class Shot:
    """A spec that was read: what `load` returns. A spec that is edited afterwards must be loaded again.

    Attributes:
        options: What it was loaded with.
        project: The engine's side of it, for everything that has no method here.
    """

    options: ProjectOptions
    project: Project

    @property
    def scene(self) -> Scene:
        """The resolved scene: output size, frames, objects, cameras."""
        return self.project.loaded.scene

    @property
    def name(self) -> str:
        """Name of the scene, and of its output folder."""
        return self.scene.name

    @property
    def out_dir(self) -> Path:
        """Where the results go."""
        return self.project.out_dir

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What in the spec is probably not meant."""
        return self.project.loaded.warnings

    def set(self, values: Overrides = (), /, **fields: object) -> Shot:
        """Returns the same spec with further fields overridden: `shot.set({"guidance.strength": 0.5}, seed=2)`.

        Give each a `name` of its own where results are to lie side by side; what they share is built once.

        Raises:
            SpecError, UsageError: As for `load`.
        """
        return self.with_(overrides=(*self.options.overrides, *_overrides(values), *_overrides(fields)))

    def with_(self, **options: Any) -> Shot:
        """Returns the same spec with other options of `ProjectOptions`, such as `variant`, `profile`, `cache`, `out`.

        Raises:
            SpecError, UsageError: As for `load`.
            TypeError: There is no such option.
        """
        named = [name for name in ("cache", "out", "variables", "lock_file") if name in options]
        changed_paths: dict[str, Any] = {name: _absolute(options[name]) for name in named}
        changed = replace(self.options, **{**options, **changed_paths})
        return Shot(changed, _opened(changed))

    def plan(self) -> ShotPlan:
        """Returns which steps a build would run, and why.

        Raises:
            SpecError: The spec asks for what this version can't do.
        """
        with _readable(self.project.loaded.locate):
            return ShotPlan(self.project.plan())

    def explain(self, step: str) -> Explanation:
        """Returns why a step would run: each changed field of its key, old and new.

        Raises:
            UsageError: There is no such step.
        """
        with _readable(self.project.loaded.locate):
            return self.project.explain(step)

    def build(
        self,
        *,
        on_event: OnEvent | None = None,
        progress: bool = True,
        jobs: int | None = None,
        force: Iterable[str] = (),
        until: str | None = None,
        report: bool = True,
    ) -> Build:
        """Builds what is not up to date and returns the result.

        Args:
            on_event: Told what happens (see `i2v3d.execute.events`), in place of the printed lines.
            progress: Whether lines are printed as steps end.
            jobs: CPU cores to use; all without.
            force: Steps or stages to run even if up to date.
            until: Last step or stage to build; later ones are left out.
            report: Whether the page about the build is written, too.

        Raises:
            StageError: A step failed; what finished is kept, and the next build goes on from there.
            MissingBackendError: A library, weights or a device is missing; nothing was run.
            LockError: The options say `locked`, and the build would not be what its lock says.
        """
        from i2v3d.report.after_build import finishers

        project = Project(
            replace(self.options, jobs=jobs, force=tuple(force), until=until, no_report=not report),
            self.project.loaded,
            self.project.loaded_at_ns,
        )
        listener = on_event or (_printer(self.project.loaded.locate) if progress else _silent)
        if progress and on_event is None:
            for problem in self.warnings:
                print(problem_text(problem))  # noqa: T201 - progress, as asked for
        with _readable(self.project.loaded.locate):
            result = project.build(listener, finishers(self.project.loaded, with_report=report))
            for error in result.failures.values():
                raise error
        return Build(self.name, self.out_dir, self.scene.output.fps, result)

    def __repr__(self) -> str:
        output = self.scene.output
        size = f"{output.size.width}x{output.size.height}"
        return f"<i2v3d.Shot {self.name}: {output.frame_count} frames of {size} at {output.fps:g} fps>"


@dataclass(frozen=True, repr=False)
class ShotPlan:
    """Which steps a build would run, and why; shows itself as text and as a table."""

    plan: Plan

    @property
    def steps(self) -> Mapping[str, PlannedStep]:
        """What is to become of every step, in graph order."""
        return self.plan.steps

    @property
    def is_up_to_date(self) -> bool:
        """Whether a build would run nothing."""
        return self.plan.is_up_to_date

    def __repr__(self) -> str:
        from i2v3d.plan.printed import plan_text

        return plan_text(self.plan).rstrip()

    def _repr_html_(self) -> str:
        from i2v3d.report.notebook import plan_html

        return plan_html(self.plan)


@dataclass(frozen=True, repr=False)
class Build:
    """A finished build; shows its videos and metrics.

    It reads the delivered files when it is asked, so a later build of the same name is what it then shows.

    Attributes:
        name: Of the scene.
        out_dir: Where the results are.
        fps: Of the clip.
        result: What was run, what was reused, and how long it took.
    """

    name: str
    out_dir: Path
    fps: float
    result: BuildResult

    @property
    def delivered(self) -> Mapping[str, Path]:
        """Path of each deliverable, by its relative path: `video.mp4`, `scene.blend`, ..."""
        return self.result.delivered

    @property
    def video(self) -> Path | None:
        """The finished clip; None where the build ended before it."""
        return self.delivered.get("video.mp4")

    @property
    def render(self) -> Path | None:
        """The plain renders as a clip."""
        return self.delivered.get("render.mp4")

    @property
    def report(self) -> Path | None:
        """The HTML page about the build, where there is one."""
        path = self.out_dir / "report.html"
        return path if path.is_file() else None

    @property
    def manifest(self) -> Manifest:
        """What it was made from and with: `build.json`.

        Raises:
            UsageError: There is none, as after a build of only some steps.
        """
        from i2v3d.plan.manifest import FILE_NAME, read_manifest

        with _readable():
            return read_manifest(self.out_dir / FILE_NAME)

    @property
    def metrics(self) -> ClipMetrics | None:
        """What was measured on the clip; None where nothing was."""
        from i2v3d.artifacts.metrics import Metrics

        path = self.delivered.get("metrics.json")
        return None if path is None else Metrics(path).read()

    @property
    def cameras(self) -> CameraPath:
        """The camera of every frame: OpenCV axes in a world with Z up, metres.

        Raises:
            UsageError: The build ended before the scene was assembled.
        """
        from i2v3d.geometry.camera_files import read_cameras

        with _readable():
            return read_cameras(self._delivered("cameras.json"), "opencv")

    def frames(self, of: Literal["video", "render"] = "video") -> NDArray[np.uint8]:
        """Returns all frames as the video shows them, uint8 (frame, height, width, 3), sRGB.

        Raises:
            UsageError: The build ended before the video.
        """
        import numpy as np

        return np.stack(list(self._decoded(of)))

    def frame(self, index: int, of: Literal["video", "render"] = "video") -> NDArray[np.uint8]:
        """Returns one frame, uint8 (height, width, 3), sRGB; a negative index counts from the end.

        Raises:
            UsageError: The build ended before the video.
            IndexError: There is no such frame.
        """
        if index < 0:
            return self.frames(of)[index]
        for number, pixels in enumerate(self._decoded(of)):
            if number == index:
                return pixels
        raise IndexError(f"{self.name} has no frame {index}")

    @cached_property
    def _summary(self) -> str:
        return f"{len(self.result.executed)} steps run, {len(self.result.reused)} reused"

    def _delivered(self, relative: str) -> Path:
        path = self.delivered.get(relative)
        if path is None:
            raise UsageError(f"{self.name}: this build delivered no {relative}", hint="build without `until`")
        return path

    def _decoded(self, of: Literal["video", "render"]) -> Iterator[NDArray[np.uint8]]:
        import av
        import numpy as np

        with _readable():
            path = self._delivered(f"{of}.mp4")
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)

    def __repr__(self) -> str:
        return f"<i2v3d.Build {self.name}: {self._summary}; {self.video or self.out_dir}>"

    def _repr_html_(self) -> str:
        from i2v3d.report.notebook import build_html

        videos = {"video": self.video, "render": self.render}
        shown = {name: path for name, path in videos.items() if path is not None}
        return build_html(self.name, self._summary, shown, self.metrics, self.report)


@contextmanager
def _readable(locate: Locate | None = None) -> Iterator[None]:
    """Lets the text of i2v3d's errors be all that a user would see of them on the command line."""
    try:
        yield
    except I2V3DError as error:
        error.args = (error_text(error, locate).removeprefix("error: "),)
        raise


def _opened(options: ProjectOptions) -> Project:
    with _readable():
        return open_project(options)


def _overrides(values: Overrides) -> tuple[str, ...]:
    """Returns overrides as `path=value` texts, values written as YAML."""
    if isinstance(values, str):
        return (values,)
    if not isinstance(values, Mapping):
        return tuple(values)
    return tuple(f"{path}={_yaml(path, value)}" for path, value in values.items())


def _yaml(path: str, value: object) -> str:
    """Returns a value as YAML on one line: JSON is YAML, where text is in quotes."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{path}: {value!r} can't be written in a spec", hint="numbers, text, lists, mappings"
        ) from error


def _plain(value: Any) -> object:  # Any: whatever a notebook has at hand
    """Returns what JSON lacks as what it has: paths, and numbers and arrays of numpy."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        plain = value.tolist()
        if isinstance(plain, float) and not math.isfinite(plain):
            raise ValueError("not a finite number")
        return plain
    raise TypeError(f"a {type(value).__name__} is not a value of a spec")


def _absolute(path: StrPath | None) -> Path | None:
    """Returns a path that stays right when the notebook changes its working directory."""
    return None if path is None else Path(path).absolute()


def _printer(locate: Locate) -> OnEvent:
    """Returns what prints a line as steps end."""
    from i2v3d.report.progress import LineReport

    return LineReport(lambda line: print(line, flush=True), locate)  # noqa: T201 - progress, as asked for


def _silent(event: object) -> None:
    """Hears nothing."""


__all__ = ["Build", "Shot", "ShotPlan", "load"]
