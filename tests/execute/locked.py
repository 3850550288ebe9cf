"""A toy build with its build.json, and a real project to tell where the spec is."""

from __future__ import annotations

import shutil
from pathlib import Path

from i2v3d.execute.manifest import manifest_writer
from i2v3d.execute.project import Project, ProjectOptions, open_project
from i2v3d.plan.manifest import Manifest, read_manifest

ROCKET = Path(__file__).resolve().parents[2] / "specs" / "rocket"


def rocket_project(folder: Path, **options: object) -> Project:
    """Returns the rocket's spec, opened in a folder of its own."""
    place = folder / "rocket"
    if not place.is_dir():
        shutil.copytree(ROCKET, place, ignore=shutil.ignore_patterns("out", ".i2v3d"))
    return open_project(ProjectOptions(place, cache=folder / "rocket-store", **options))


def build_locked(toys, graph) -> Manifest:
    """Builds a toy graph and returns the manifest that it leaves."""
    project = rocket_project(toys.folder)
    toys.build(graph, finishers=(manifest_writer(project),))
    project.store.close()
    return read_manifest(toys.out / "build.json")
