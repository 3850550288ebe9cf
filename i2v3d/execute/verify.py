"""`i2v3d verify`: whether a result is what its build.json says, and whether it would be made again as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from i2v3d import __version__
from i2v3d.errors import I2V3DError, SpecError, UsageError
from i2v3d.execute.lock import lines_of_drift
from i2v3d.execute.project import Project, ProjectOptions, open_project
from i2v3d.plan.manifest import FILE_NAME, Manifest, read_manifest
from i2v3d.store.digests import digest_file, digest_json

_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Verification:
    """What a look at a result came to; a line each, for people.

    Attributes:
        manifest: What was verified.
        same: What is as it was.
        differences: What is not; none means that the result is verified.
        notes: What could not be compared, or is not.
        has_spec: Whether the spec is still there, so that the steps were compared.
    """

    manifest: Manifest
    same: tuple[str, ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    has_spec: bool

    @property
    def is_same(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def verify(path: Path, *, spec: Path | None = None, allow_paths: tuple[Path, ...] = ()) -> Verification:
    """Compares a result with its build.json: delivered files, spec, and the keys of all steps. Nothing is built.

    Args:
        path: The build.json, or the folder that it lies in.
        spec: Where the spec is now, when it was moved without the result.
        allow_paths: Folders outside the spec's own that it may read from.

    Raises:
        UsageError: The file can't be read, or is no build.json.
    """
    file = manifest_file(path)
    manifest = read_manifest(file)
    found = _Findings()
    _compare_files(manifest, file.parent, found)
    options = options_of(manifest, file, spec, allow_paths)
    if not options.spec_file.is_file():
        where = "give the place of the spec with --spec" if spec is None else "check --spec"
        found.notes.append(f"the spec is gone, {manifest.spec.file}: the steps were not compared; {where}")
        _compare_sources(manifest, file.parent, found)
    else:
        edited = _edited(manifest, options, file.parent)
        _compare_steps(manifest, file, options, edited, found)
        if manifest.spec.allow_paths and not allow_paths:
            found.notes.append(f"it was built with --allow-path {' '.join(manifest.spec.allow_paths)}: give that again")
    if manifest.i2v3d != __version__:
        found.notes.append(f"built by i2v3d {manifest.i2v3d}, this is {__version__}")
    has_spec = options.spec_file.is_file()
    return Verification(manifest, tuple(found.same), tuple(found.differences), tuple(found.notes), has_spec)


def manifest_file(path: Path) -> Path:
    """Returns the build.json that a path stands for, absolute."""
    return (path / FILE_NAME if path.is_dir() else path).absolute()


def options_of(
    manifest: Manifest, file: Path, spec: Path | None = None, allow_paths: tuple[Path, ...] = ()
) -> ProjectOptions:
    """Returns the options with which a result was built, as they are from here.

    Args:
        manifest: Of the result.
        file: Where it lies.
        spec: See `verify`.
        allow_paths: Given by the user anew: a file from elsewhere must not open folders by itself.
    """
    said, folder = manifest.spec, file.parent
    place = (_place(folder, said.file) if spec is None else spec).absolute()
    options = ProjectOptions(
        spec=place,
        overrides=said.overrides,
        variant=said.variant,
        profile=said.profile,
        allow_paths=allow_paths,
        out=folder,
        no_report=not said.report,
    )
    if said.variables is None:
        return options
    return replace(options, variables=_beside_spec(manifest, options.spec_file, folder, said.variables.path))


class _Findings:
    def __init__(self) -> None:
        self.same: list[str] = []
        self.differences: list[str] = []
        self.notes: list[str] = []


def _compare_files(manifest: Manifest, folder: Path, found: _Findings) -> None:
    good = 0
    for entry in manifest.delivered:
        if not _is_inside(entry.path):
            raise UsageError(f"{folder / FILE_NAME}: `{entry.path}` is no delivered file: it lies elsewhere")
        wrong = _wrong_with(folder / entry.path, entry.digest)
        if wrong:
            found.differences.append(f"{entry.path}: {wrong}")
        else:
            good += 1
    found.same.append(f"{good} of {len(manifest.delivered)} delivered files are what was built")


def _compare_sources(manifest: Manifest, folder: Path, found: _Findings) -> None:
    for entry in manifest.sources:
        place = _place(folder, entry.path)
        if not place.exists():
            found.notes.append(f"{entry.path}: gone")
        elif wrong := _wrong_with(place, entry.digest):
            found.differences.append(f"{entry.path}: {wrong}")
        else:
            found.same.append(f"{entry.path} is unchanged")


def _edited(manifest: Manifest, options: ProjectOptions, folder: Path) -> list[str]:
    """Returns which files of the spec's text are not those of the build."""
    said = manifest.spec
    entries = [*said.files, *([said.variables] if said.variables else [])]
    places = [(said.file, options.spec_file, said.digest)]
    places += [
        (entry.path, _beside_spec(manifest, options.spec_file, folder, entry.path), entry.digest) for entry in entries
    ]
    wrong = ((name, _wrong_with(place, digest)) for name, place, digest in places)
    return [f"{name}: {why}" for name, why in wrong if why]


def _compare_steps(
    manifest: Manifest, file: Path, options: ProjectOptions, edited: list[str], found: _Findings
) -> None:
    try:
        with _opened(options) as project:
            lines = lines_of_drift(project, manifest, file.parent)
    except SpecError as error:
        found.differences += edited
        found.differences += [f"the spec can't be built now: {problem}" for problem in error.problems]
        return
    except I2V3DError as error:
        found.differences += [*edited, f"the spec can't be built now: {error.message}"]
        return
    if lines:
        found.differences += [*edited, *lines]
        return
    found.notes += [f"{line}; but it means the same" for line in edited]
    if not edited:
        found.same.append("the spec is unchanged")
    found.same.append(f"all {len(manifest.steps)} steps would be made as they were")


@contextmanager
def _opened(options: ProjectOptions) -> Iterator[Project]:
    """Opens a spec with its own store where there is one, for the digests it remembers, else with none that stays."""
    if (options.store_root / "objects").is_dir():
        yield open_project(options)
        return
    with tempfile.TemporaryDirectory(prefix="i2v3d-verify-") as folder:
        project = open_project(replace(options, cache=Path(folder)))
        try:
            yield project
        finally:
            project.store.close()


def _wrong_with(path: Path, digest: str) -> str:
    """Returns what is wrong with a file or folder that should have a digest; nothing where it has."""
    try:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            listing = [[file.relative_to(path).as_posix(), digest_file(file)] for file in files]
            now = f"folder:{digest_json(listing)}"
        else:
            now = digest_file(path)
    except FileNotFoundError:
        return "gone"
    except OSError as error:
        return f"can't be read: {error.strerror or error}"
    if now == digest:
        return ""
    was, now = (text.removeprefix("folder:")[:_SHOWN_DIGITS] for text in (digest, now))
    return f"not what was built: {was} -> {now}"


def _is_inside(relative: str) -> bool:
    path = PurePosixPath(relative)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in relative


def _place(folder: Path, relative: str) -> Path:
    """Returns the absolute place that a relative path of a manifest stands for."""
    return Path(os.path.normpath(folder / relative))


def _beside_spec(manifest: Manifest, spec: Path, folder: Path, relative: str) -> Path:
    """Returns where a file lies that was read with the spec, also when both were moved."""
    from_spec = os.path.relpath(_place(folder, relative), _place(folder, manifest.spec.file).parent)
    return _place(spec.parent, from_spec)
