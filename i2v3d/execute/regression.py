"""`i2v3d check`: builds a scene, and holds the result to the spec's `expect:` and to a committed baseline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from i2v3d.errors import UsageError
from i2v3d.execute.baseline import Baseline, TakenPrint, read_baseline, write_baseline
from i2v3d.geometry.scene_checks import Finding
from i2v3d.metrics.compare_clips import ClipComparison, compare_clips
from i2v3d.metrics.compare_metrics import compare_metrics
from i2v3d.metrics.comparison import Comparison
from i2v3d.spec.resolved_expect import Bound

if TYPE_CHECKING:
    from i2v3d.artifacts.metrics import ClipMetrics, Measured
    from i2v3d.execute.build import BuildResult
    from i2v3d.execute.events import OnEvent
    from i2v3d.execute.finished import FinishedBuild, Finisher
    from i2v3d.execute.project import Project
    from i2v3d.execute.take_print import CameraTrouble, TakenBuild

_PACKAGES = ("numpy", "opencv-python-headless", "pillow", "bpy", "moderngl")


@dataclass(frozen=True)
class CheckOptions:
    """How to check.

    Attributes:
        baselines: Folder of baselines, one folder a scene; `baseline` beside the spec without.
        is_update: The result becomes the baseline.
        needs_baseline: Without one the check fails.
        video: A video to hold to the baseline in place of a build's frames.
    """

    baselines: Path | None = None
    is_update: bool = False
    needs_baseline: bool = False
    video: Path | None = None

    def __post_init__(self) -> None:
        if self.is_update and self.video is not None:
            raise UsageError(
                "a baseline can't be made from a video", hint="leave out --video: --update builds the scene"
            )


@dataclass(frozen=True)
class HeldBound:
    """A bound of `expect:` and what was measured.

    Attributes:
        place: `scene.yaml:14:3`.
        measured: None where there is no such value.
        reason: Why there is none.
    """

    bound: Bound
    place: str
    measured: Measured | None
    reason: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether the bound does not hold, or can't be told to."""
        return self.measured is None or not self.bound.holds(self.measured.value)


@dataclass(frozen=True)
class SceneCheck:
    """What a check found.

    Attributes:
        bounds: Of `expect:`, each with what it is held against.
        camera_place: Where the spec asks for the camera to be inside the scene; None where it does not.
        findings_place: Where the spec asks for no findings; None where it does not.
        comparison: With the baseline; None without one.
        metric_comparisons: Of metrics with those of the baseline.
        written: Size in bytes of the baseline that was written, None where none was.
        differing_versions: Name -> (in the baseline, here).
    """

    scene: str
    spec: Path
    folder: Path
    build: BuildResult | None
    taken: TakenPrint | None = None
    baseline: Baseline | None = None
    bounds: tuple[HeldBound, ...] = ()
    camera_place: str | None = None
    troubles: tuple[CameraTrouble, ...] = ()
    findings_place: str | None = None
    findings: tuple[Finding, ...] = ()
    comparison: ClipComparison | None = None
    metric_comparisons: tuple[Comparison, ...] = ()
    options: CheckOptions = field(default_factory=CheckOptions)
    written: int | None = None
    differing_versions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every aspect in which the result was compared with the baseline."""
        return (*(self.comparison.comparisons if self.comparison else ()), *self.metric_comparisons)

    @property
    def is_baseline_missing(self) -> bool:
        """Whether there should be a baseline and is none."""
        return self.baseline is None and self.written is None and self.options.needs_baseline

    @property
    def is_failure(self) -> bool:
        """Whether anything does not hold. What an update replaces is no failure."""
        if self.build is not None and not self.build.is_success:
            return True
        expected = any(one.is_failure for one in self.bounds)
        expected |= self.camera_place is not None and bool(self.troubles)
        expected |= self.findings_place is not None and bool(self.findings)
        is_off = not self.options.is_update and any(one.is_failure for one in self.comparisons)
        return expected or is_off or self.is_baseline_missing


def check_scene(
    project: Project, options: CheckOptions, on_event: OnEvent, finishers: tuple[Finisher, ...] = ()
) -> SceneCheck:
    """Builds a scene and returns how it keeps to what is expected of it.

    Raises:
        MissingBackendError: See `Project.build`.
        UsageError: The baseline or the video can't be read, or the baseline can't be written.
    """
    from i2v3d.execute.take_print import take_build

    started = time.monotonic()
    scene = project.loaded.scene
    spec = project.options.spec_file
    folder = (options.baselines or spec.parent / "baseline") / scene.name
    baseline = read_baseline(folder)
    if options.video is not None:
        return _check_video(project, options, folder, baseline)
    taken: list[TakenBuild] = []

    def take(finished: FinishedBuild) -> tuple[Path, ...]:
        quality = baseline.taken.quality if baseline is not None else None
        taken.append(take_build(finished, scene.output.fps, quality))
        return ()

    result = project.build(on_event, (*finishers, take))
    if not result.is_success:
        return SceneCheck(scene.name, spec, folder, result, options=options, seconds=time.monotonic() - started)
    (build,) = taken
    now = _as_baseline(build)
    expect = scene.expect
    return SceneCheck(
        scene=scene.name,
        spec=spec,
        folder=folder,
        build=result,
        taken=build.taken,
        baseline=baseline,
        bounds=tuple(_held(bound, project.place(bound.spec_path), build.metrics) for bound in expect.bounds),
        camera_place=project.place("expect.camera_path") if expect.is_camera_inside else None,
        troubles=build.troubles,
        findings_place=project.place("expect.findings") if expect.has_no_findings else None,
        findings=build.findings,
        comparison=compare_clips(baseline.taken.clip, build.taken.clip) if baseline else None,
        metric_comparisons=tuple(
            compare_metrics(baseline.metrics, build.metrics) if baseline and build.metrics else ()
        ),
        options=options,
        written=write_baseline(folder, now) if options.is_update else None,
        differing_versions=_differing(baseline, now),
        seconds=time.monotonic() - started,
    )


def _check_video(project: Project, options: CheckOptions, folder: Path, baseline: Baseline | None) -> SceneCheck:
    """Holds the pictures of a video to the baseline; nothing is built."""
    from i2v3d.artifacts.videos import probe_video, read_pictures
    from i2v3d.execute.take_print import take_pictures

    started = time.monotonic()
    assert options.video is not None  # the caller looked
    if baseline is None:
        message = f"{folder}: there is no baseline to hold a video to"
        raise UsageError(message, hint="make one with `i2v3d check --update`")
    facts = probe_video(options.video)
    pictures = (pixels for pixels, _ in read_pictures(options.video))
    taken = take_pictures(pictures, facts.fps, baseline.taken.quality)
    return SceneCheck(
        scene=project.loaded.scene.name,
        spec=project.options.spec_file,
        folder=folder,
        build=None,
        taken=taken,
        baseline=baseline,
        comparison=compare_clips(baseline.taken.clip, taken.clip),
        options=options,
        seconds=time.monotonic() - started,
    )


def _held(bound: Bound, place: str, metrics: ClipMetrics | None) -> HeldBound:
    if metrics is None:
        return HeldBound(bound, place, None, "this build measures nothing")
    measured = metrics.measured.get(bound.metric)
    reason = metrics.missing.get(bound.metric) or metrics.missing.get(bound.metric.partition("[")[0])
    known = [name for name in metrics.measured if name.partition("[")[0] == bound.metric.partition("[")[0]]
    if measured is None and not reason:
        reason = f"measured are {', '.join(known)}" if known else "the build does not measure it"
    return HeldBound(bound, place, measured, reason or "")


def _as_baseline(build: TakenBuild) -> Baseline:
    measured = build.metrics.measured if build.metrics else {}
    return Baseline(
        build.taken,
        {**_versions(), **{f"backend of {stage}": name for stage, name in sorted(build.backends.items())}},
        {name: one.value for name, one in measured.items()},
        {name: one.better for name, one in measured.items()},
    )


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    from i2v3d import __version__

    found = {"i2v3d": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _differing(baseline: Baseline | None, now: Baseline) -> dict[str, tuple[str, str]]:
    if baseline is None:
        return {}
    names = dict.fromkeys([*baseline.made_with, *now.made_with])
    pairs = {name: (baseline.made_with.get(name, "none"), now.made_with.get(name, "none")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
