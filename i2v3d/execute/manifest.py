"""Writes `build.json` beside a result: what it was made from and with (see `plan.manifest`)."""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2v3d import __version__
from i2v3d.backends.catalog import find_backend
from i2v3d.backends.weights import hub_cache
from i2v3d.compile.graph import StageGraph, references
from i2v3d.plan.compare import step_now
from i2v3d.plan.manifest import (
    FILE_NAME,
    FORMAT,
    DeliveredEntry,
    FileDigest,
    InputEntry,
    Manifest,
    ModelEntry,
    OutputEntry,
    SourceFileEntry,
    SpecSection,
    StageEntry,
    StepEntry,
)
from i2v3d.plan.resolve import Resolver
from i2v3d.stages.base import SourceFile
from i2v3d.store.digests import digest_file
from i2v3d.store.keys import KEY_SCHEMA

if TYPE_CHECKING:
    from i2v3d.backends.inventory import FoundWeights
    from i2v3d.execute.finished import FinishedBuild, Finisher, StepSpan
    from i2v3d.execute.project import Project
    from i2v3d.store.records import ActionRecord

# Told in each manifest where installed, whether a key holds them or not.
_TOLD_PACKAGES = ("av", "bpy", "diffusers", "moderngl", "numpy", "peft", "pillow", "scipy", "torch", "transformers")
_SHA256_DIGITS = 64


def manifest_writer(project: Project) -> Finisher:
    """Returns what writes the manifest after a build; the spec's files are digested now, before anything runs."""
    read = {path: digest_file(path) for path in _text_files(project)}

    def write(finished: FinishedBuild) -> tuple[Path, ...]:
        path = finished.out_dir / FILE_NAME
        try:
            make_manifest(project, finished, read).write(path)
        except OSError as error:
            warnings.warn(f"{path}: not written: {error.strerror or error}", stacklevel=2)
            return ()
        return (path,)

    return write


def make_manifest(project: Project, finished: FinishedBuild, read: Mapping[Path, str]) -> Manifest:
    """Returns the manifest of a finished build. read: digest of each file of the spec's text."""
    graph, resolver, out_dir = finished.graph, finished.resolver, finished.out_dir
    spans = finished.spans
    steps = {
        name: _step_entry(graph, resolver, name, finished.records, spans.get(name))
        for name in graph.nodes
        if name in finished.records
    }
    return Manifest(
        format=FORMAT,
        scene=graph.scene,
        i2v3d=__version__,
        built_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        seconds=round(sum(entry.seconds for entry in steps.values()), 3),
        spec=_spec_section(project, read, out_dir),
        sources=tuple(_sources(graph, resolver, out_dir)),
        packages=_packages(graph, resolver),
        platform=_platform(),
        models=model_entries(project.weights, resolver, out_dir),
        delivered=tuple(_delivered(finished)),
        key_schema=KEY_SCHEMA,
        stages=dict(sorted(_stages(graph, resolver))),
        steps=steps,
        code=dict(sorted(part for name in graph.nodes for part in resolver.code(name).parts.items())),
    )


def model_entries(found: Iterable[FoundWeights], resolver: Resolver, out_dir: Path) -> tuple[ModelEntry, ...]:
    """Returns what is to be said of weights; those of a hub's cache are named by the digests it keeps, not read."""
    entries = []
    for weights in found:
        choice, is_hub = weights.choice, weights.choice.folder is None
        entries.append(
            ModelEntry(
                role=choice.role,
                repository=choice.repo if is_hub else None,
                revision=choice.revision if is_hub else "",
                folder=None if choice.folder is None else relative_path(choice.folder, out_dir),
                digest=None if choice.folder is None else resolver.sources.digest(choice.folder).content,
                files=dict(_blobs(weights.folder)) if is_hub and weights.folder is not None else {},
                licence=weights.licence,
                commercial_use=weights.is_commercial,
            )
        )
    return tuple(entries)


def relative_path(path: Path, folder: Path) -> str:
    """Returns a path as seen from a folder, with forward slashes."""
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def stage_name(graph: StageGraph, step: str) -> str:
    """Returns the name of a step's stage in a manifest: `render/gl`, `encode`."""
    node = graph.nodes[step]
    return node.stage if node.backend is None else f"{node.stage}/{node.backend}"


def _text_files(project: Project) -> Iterator[Path]:
    """Yields the spec and what it includes; what tells the commits of weights is in the keys of the steps."""
    weights = hub_cache().absolute()
    for path in (project.options.spec_file, *project.loaded.files, *filter(None, [project.options.variables])):
        if path.is_file() and not path.absolute().is_relative_to(weights):
            yield path.absolute()


def _spec_section(project: Project, read: Mapping[Path, str], out_dir: Path) -> SpecSection:
    options = project.options
    spec, variables = options.spec_file.absolute(), options.variables.absolute() if options.variables else None
    return SpecSection(
        file=relative_path(spec, out_dir),
        digest=read[spec],
        files=tuple(
            FileDigest(path=relative_path(path, out_dir), digest=digest)
            for path, digest in read.items()
            if path not in (spec, variables)
        ),
        overrides=options.overrides,
        variables=FileDigest(path=relative_path(variables, out_dir), digest=read[variables]) if variables else None,
        variant=options.variant,
        profile=options.profile,
        report=not options.no_report,
        allow_paths=tuple(relative_path(path, out_dir) for path in options.allow_paths),
    )


def _sources(graph: StageGraph, resolver: Resolver, out_dir: Path) -> Iterator[SourceFileEntry]:
    named: dict[Path, str] = {}
    for node in graph.nodes.values():
        for _, reference in references(node):
            if isinstance(reference, SourceFile):
                named[reference.path] = named.get(reference.path) or reference.spec_path
    for path, spec_path in named.items():
        content = resolver.sources.digest(path).content
        yield SourceFileEntry(path=relative_path(path, out_dir), digest=content, spec=spec_path)


def _packages(graph: StageGraph, resolver: Resolver) -> dict[str, str]:
    from importlib import metadata

    found = {"python": platform.python_version(), "i2v3d": __version__}
    versions: dict[str, str] = {}
    for name in graph.nodes:
        versions.update(resolver.base(name).parts["tools"])
    for name in _TOLD_PACKAGES:
        try:
            versions.setdefault(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            continue
    return found | {name: versions[name] for name in sorted(versions) if name != "python"}


def _platform() -> dict[str, str]:
    return {"system": platform.system(), "release": platform.release(), "machine": platform.machine(), "libc": _libc()}


def _libc() -> str:
    return "-".join(part for part in platform.libc_ver() if part) if sys.platform == "linux" else ""


def _stages(graph: StageGraph, resolver: Resolver) -> Iterator[tuple[str, StageEntry]]:
    for name in graph.nodes:
        parts = resolver.base(name).parts
        backend, version = parts["backend"] or (None, None)
        yield (
            stage_name(graph, name),
            StageEntry(
                version=parts["version"],
                code=parts["code"],
                backend=backend,
                backend_version=version,
                tools=parts["tools"],
            ),
        )


def _step_entry(
    graph: StageGraph,
    resolver: Resolver,
    name: str,
    records: Mapping[str, ActionRecord],
    span: StepSpan | None,
) -> StepEntry:
    node, record = graph.nodes[name], records[name]
    step = step_now(resolver, name, records)
    backend = None if node.backend is None else find_backend(node.stage, node.backend)
    seed = getattr(node.params, "seed", None)
    return StepEntry(
        stage=stage_name(graph, name),
        key=record.key,
        base=record.base,
        determinism="seeded" if record.determinism == "seeded" else "exact",
        seed=seed if isinstance(seed, int) else None,
        models=backend.models if backend else (),
        seconds=round(record.seconds, 3),
        reused=span is None or span.status == "reused",
        inputs={field: _inputs(content, step.reads.get(field, [])) for field, content in step.parts["inputs"].items()},
        outputs={
            output: OutputEntry(
                digest=stored.content,
                files=len(stored.files),
                bytes=sum(file.size for file in stored.files),
                volatile=output in record.volatile,
            )
            for output, stored in record.outputs.items()
        },
        params=step.parts["params"],
    )


def _inputs(content: Any, reads: list[str]) -> InputEntry | tuple[InputEntry, ...] | None:
    """Returns what one field of a step read. content: as in the step's key."""
    if content is None:
        return None
    if isinstance(content, list):
        return tuple(InputEntry(source=read, digest=one) for read, one in zip(reads, content, strict=True))
    return InputEntry(source=reads[0], digest=content)


def _delivered(finished: FinishedBuild) -> Iterator[DeliveredEntry]:
    for relative in sorted(finished.placed):
        for deliverable in finished.graph.deliverables:
            if relative == deliverable.path or relative.startswith(f"{deliverable.path}/"):
                record = finished.records[deliverable.ref.node]
                output = record.outputs.get(deliverable.ref.output)
                digest = finished.placed[relative]
                if output is not None and any(file.digest == digest for file in output.files):
                    is_volatile = deliverable.ref.output in record.volatile
                    step = deliverable.ref.node
                    yield DeliveredEntry(path=relative, digest=digest, step=step, volatile=is_volatile)
                    break


def _blobs(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields the safetensors files of a snapshot with their SHA-256: the names of the blobs that they are links to."""
    for path in sorted(folder.rglob("*.safetensors")):
        name = path.readlink().name if path.is_symlink() else ""
        if len(name) == _SHA256_DIGITS:
            yield path.relative_to(folder).as_posix(), name
