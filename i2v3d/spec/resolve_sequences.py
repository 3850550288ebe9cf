"""Meshes that change over time: the files that a pattern names, in order, and when each is shown."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from i2v3d.spec.collect import Collector
from i2v3d.spec.marks import SpecPath
from i2v3d.spec.references import ALEMBIC, SEQUENCE_STEP, find_file, find_folder
from i2v3d.spec.resolve_motion import Timing
from i2v3d.spec.resolved import MeshPlay, MeshSequence, SceneObject

if TYPE_CHECKING:
    from i2v3d.spec.model import Spec
    from i2v3d.spec.model.objects import Mesh

MAX_FILES = 2_000
MAX_BYTES = 4_000_000_000
_LAST_NUMBER = re.compile(r"(\d+)(?!.*\d)")


def resolve_sequences(
    collector: Collector, spec: Spec, timing: Timing
) -> tuple[dict[str, MeshSequence], dict[str, MeshPlay]]:
    """Returns the sequences by the object that names them, and what is played by every object that shows one."""
    found: dict[str, MeshSequence] = {}
    plays: dict[str, MeshPlay] = {}
    for name, thing in spec.objects.items():
        if thing.mesh is not None and thing.copy_of is None and is_sequence(thing.mesh):
            resolved = _sequence(collector, ("objects", name, "mesh"), thing.mesh, timing)
            if resolved is not None:
                found[name], plays[name] = resolved
    for name, thing in spec.objects.items():
        owner = _shown(name, spec)
        if owner in plays:
            _check_alone(collector, spec, name)
            if not thing.remove:
                plays[name] = plays[owner]
    return found, {name: plays[name] for name in spec.objects if name in plays}


def is_sequence(mesh: Mesh) -> bool:
    """Returns whether a mesh changes over time."""
    return mesh.sequence is not None or (mesh.file is not None and mesh.file.lower().endswith(".abc"))


def with_sequences(objects: tuple[SceneObject, ...], sequences: Mapping[str, MeshSequence]) -> tuple[SceneObject, ...]:
    """Returns the objects with the sequences as their shapes."""
    return tuple(replace(thing, shape=sequences[thing.name]) if thing.name in sequences else thing for thing in objects)


def _shown(name: str, spec: Spec) -> str:
    """Returns the object whose mesh this one shows, edited or not."""
    seen = set[str]()
    while name in spec.objects and name not in seen:
        seen.add(name)
        name = spec.objects[name].copy_of or name
    return name


def _sequence(collector: Collector, path: SpecPath, mesh: Mesh, timing: Timing) -> tuple[MeshSequence, MeshPlay] | None:
    given = mesh.sequence
    text, key = (str(mesh.file), "file") if given is None else (given.files, "sequence")
    at = collector.below(path, key)
    at = at if given is None else collector.below(at, "files")
    fps = timing.fps if given is None or given.fps is None else given.fps
    start = 0.0 if given is None or given.from_ is None else timing.frame(given.from_)
    is_looped = given is not None and given.loop
    if text.lower().endswith(".abc"):
        file = find_file(collector, at, text, ALEMBIC)
        play = MeshPlay((), fps / timing.fps, start, is_looped)
        return None if file is None else (MeshSequence(file, abc_fps=fps), play)
    files = _files(collector, at, text)
    if files is None:
        return None
    ordered = _ordered(collector, at, files)
    if ordered is None:
        return None
    first = min(ordered)
    numbers = tuple(number - first for number in sorted(ordered))
    paths = [ordered[number] for number in sorted(ordered)]
    return MeshSequence(paths[0], tuple(paths[1:])), MeshPlay(numbers, fps / timing.fps, start, is_looped)


def _files(collector: Collector, at: SpecPath, text: str) -> list[Path] | None:
    """Returns the files that a pattern names, checked, or None after noting what is wrong."""
    pattern = PurePosixPath(text)
    if "*" in str(pattern.parent) or not any(mark in pattern.name for mark in "*?["):
        message = f"`{text}` is no pattern of files in one folder"
        collector.error(at, message, "write `splash/*.obj`; for a single file `mesh: {file: x.glb}`")
        return None
    folder = find_folder(collector, at, str(pattern.parent), "folder with the files of the sequence")
    if folder is None:
        return None
    try:
        names = sorted(entry.name for entry in folder.iterdir() if fnmatch.fnmatchcase(entry.name, pattern.name))
    except OSError as error:
        collector.error(at, f"`{pattern.parent}` can't be read: {error.strerror}")
        return None
    if len(names) < 2:
        there = f"only `{names[0]}` fits `{text}`" if names else f"no file fits `{text}`"
        collector.error(
            at, f"{there}: a sequence has two files or more", "check the pattern, for example `splash/*.obj`"
        )
        return None
    if len(names) > MAX_FILES:
        hint = "take fewer, for example every second one: what is between is filled in"
        collector.error(at, f"{len(names):,} files fit `{text}`; the limit is {MAX_FILES:,}", hint)
        return None
    endings = sorted({Path(name).suffix.lower() for name in names})
    if len(endings) > 1:
        collector.error(at, f"`{text}` names files of several types: {', '.join(endings)}", "name one: `splash/*.obj`")
        return None
    files = []
    for name in names:
        file = find_file(collector, at, str(pattern.parent / name), SEQUENCE_STEP)
        if file is None:
            return None
        files.append(file)
    if (total := sum(file.stat().st_size for file in files)) > MAX_BYTES:
        collector.error(
            at, f"the files have {total / 1e9:.1f} GB; the limit is {MAX_BYTES / 1e9:.0f} GB", "decimate them"
        )
        return None
    return files


def _ordered(collector: Collector, at: SpecPath, files: list[Path]) -> dict[int, Path] | None:
    """Returns the files by the last number in their names, or None after noting what is wrong."""
    found: dict[int, Path] = {}
    for file in files:
        match = _LAST_NUMBER.search(file.stem)
        if match is None or len(match[1]) > 9:
            collector.error(
                at, f"`{file.name}` has no number in its name to be sorted by", "name them splash_0001.obj, ..."
            )
            return None
        if (other := found.get(int(match[1]))) is not None:
            collector.error(at, f"`{other.name}` and `{file.name}` have the same number", "rename or move one of them")
            return None
        found[int(match[1])] = file
    if max(found) - min(found) >= 100 * MAX_FILES:
        message = f"the numbers go from {min(found)} to {max(found)} in {len(found)} files"
        collector.error(at, message, "number them one by one: splash_0001.obj, splash_0002.obj, ...")
        return None
    missing = [number for number in range(min(found), max(found)) if number not in found]
    if missing:
        shown = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        message = f"of the numbers {min(found)} to {max(found)}, {len(missing)} have no file ({shown})"
        collector.warn(at, message, "what is between is filled in; number the files one by one if that is not meant")
    return found


def _check_alone(collector: Collector, spec: Spec, name: str) -> None:
    """Notes what else would change the vertices of an object that shows a sequence."""
    thing, simulation, motion = spec.objects[name], spec.simulate.get(name), spec.motion.get(name)
    hint = "leave out one of the two"
    if simulation is not None and simulation.rigid is None:
        collector.error(
            ("simulate", name), f"the mesh of `{name}` is a sequence, which moves its vertices already", hint
        )
    if motion is not None and motion.rig is not None:
        message = f"the mesh of `{name}` is a sequence, which moves its vertices already"
        collector.error(("motion", name, "rig"), message, hint)
    for part in ("shape", "replace"):
        if getattr(thing, part) is not None:
            message = f"`{part}` of an object whose mesh is a sequence is"
            collector.not_yet(("objects", name, part), message, f"leave out `{part}`, or change the files")
    for other, simulated in spec.simulate.items():
        if simulated.cloth is not None and name in simulated.cloth.collide:
            path: SpecPath = ("simulate", other, "cloth", "collide", simulated.cloth.collide.index(name))
            collector.not_yet(path, "a cloth on what changes its shape is", f"leave out `{name}`")
