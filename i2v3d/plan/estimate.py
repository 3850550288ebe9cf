"""How long steps will take, from how long they took: of this scene, else of other steps of the stage."""

from __future__ import annotations

from collections.abc import Mapping

from i2v3d.compile.graph import StageGraph
from i2v3d.store.local import LocalStore

_UNKNOWN_S = 1.0


def expected_seconds(graph: StageGraph, store: LocalStore) -> Mapping[str, float]:
    """Returns seconds by node, for nodes whose stage has ever run in this store."""
    names = {name: f"{graph.scene}/{name}" for name in graph.nodes}
    stages = {node.stage: f"stage/{node.stage}" for node in graph.nodes.values()}
    known = store.state.durations([*names.values(), *stages.values()])
    expected: dict[str, float] = {}
    for name, node in graph.nodes.items():
        seconds = known.get(names[name], known.get(stages[node.stage]))
        if seconds is not None:
            expected[name] = seconds
    return expected


def path_lengths(graph: StageGraph, expected: Mapping[str, float]) -> Mapping[str, float]:
    """Returns by node the seconds from its start to the end of the longest path that begins with it."""
    lengths: dict[str, float] = {}
    for name in reversed(tuple(graph.nodes)):
        after = max((lengths[reader] for reader in graph.readers(name)), default=0.0)
        lengths[name] = expected.get(name, _UNKNOWN_S) + after
    return lengths
