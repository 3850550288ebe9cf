"""What the steps of a graph need beyond their inputs: installed libraries, weights, a device."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from i2v3d.backends.catalog import Backend, find_backend
from i2v3d.backends.inventory import FoundWeights, find_weights

if TYPE_CHECKING:
    from i2v3d.compile.graph import StageGraph
    from i2v3d.spec.resolved import Scene


# Modules that are not called like their distribution.
_MODULES = {"opencv-python-headless": "cv2", "pypatchmatch": "patchmatch", "openexr": "OpenEXR"}


@dataclass(frozen=True)
class Missing:
    """Something that steps need and that is not there.

    Attributes:
        message: What, and what is known of it.
        hint: How to get it.
        steps: The steps that need it, in graph order.
        spec_paths: Fields of the spec that ask for it, the closest first.
    """

    message: str
    hint: str
    steps: tuple[str, ...]
    spec_paths: tuple[str, ...]


def weights_of(graph: StageGraph, scene: Scene) -> tuple[FoundWeights, ...]:
    """Returns what is known of the weights that the steps of a graph read, in the order of the roles' table."""
    roles = {role for _, backend in _backends(graph) for role in backend.models}
    return find_weights(choice for choice in scene.generation.models if choice.role in roles)


def missing_of(graph: StageGraph, weights: Collection[FoundWeights]) -> tuple[Missing, ...]:
    """Returns the libraries and weights that steps of a graph need and that are not on this machine."""
    return (*_missing_libraries(graph), *_missing_weights(graph, weights))


def steps_with_models(graph: StageGraph) -> tuple[str, ...]:
    """Returns the steps that run on a device."""
    return tuple(name for name in graph.nodes if graph.stage_of(name).resources.gpu)


def _missing_libraries(graph: StageGraph) -> Iterator[Missing]:
    needed: dict[tuple[str, str], list[tuple[str, Backend]]] = {}
    for name, backend in _backends(graph):
        package = f"i2v3d[{backend.extra}]" if backend.extra else "i2v3d"
        for distribution in backend.requires:
            needed.setdefault((distribution, package), []).append((name, backend))
    for (distribution, package), users in needed.items():
        if not _is_installed(distribution):
            yield Missing(
                f"`{distribution}` is not installed",
                f"pip install '{package}'",
                tuple(name for name, _ in users),
                (f"backends.{users[0][1].stage}", _asked_by(users[0][1])),
            )


def _missing_weights(graph: StageGraph, weights: Collection[FoundWeights]) -> Iterator[Missing]:
    users = list(_backends(graph))
    for found in weights:
        if not found.problem:
            continue
        role = found.choice.role
        mine = [(name, backend) for name, backend in users if role in backend.models]
        yield Missing(
            found.problem,
            found.hint,
            tuple(name for name, _ in mine),
            (f"models.{role}", f"backends.{mine[0][1].stage}", _asked_by(mine[0][1])),
        )


def _asked_by(backend: Backend) -> str:
    """Returns the field of the spec that asks for a backend which `backends` does not name."""
    return "profile" if backend.profiles or not backend.measures else "expect"


def _backends(graph: StageGraph) -> Iterator[tuple[str, Backend]]:
    for name, node in graph.nodes.items():
        if node.backend is not None:
            yield name, find_backend(node.stage, node.backend)


def _is_installed(distribution: str) -> bool:
    """Whether a distribution is there, under its own name or as a module that another one brought."""
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return importlib.util.find_spec(_MODULES.get(distribution, distribution)) is not None
    return True
