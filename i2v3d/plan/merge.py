"""One graph for several scenes: steps of equal lineage become one step, so that shared work is done once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from i2v3d.compile.graph import StageGraph, make_graph
from i2v3d.plan.lineage import lineages
from i2v3d.stages.base import InputRef, Node, OutputRef, Stage
from i2v3d.store.local import LocalStore


@dataclass(frozen=True)
class MergedGraph:
    """The graphs of several scenes as one, without deliverables.

    A step that all members share keeps its name; any other is called `MEMBER/STEP` after the first that has it.

    Attributes:
        steps: By member and step of its own graph, the name in the merged graph.
    """

    graph: StageGraph
    steps: Mapping[str, Mapping[str, str]]

    @cached_property
    def users(self) -> Mapping[str, tuple[str, ...]]:
        """By step of the merged graph, the members that use it, in order."""
        users: dict[str, dict[str, None]] = {name: {} for name in self.graph.nodes}
        for member, steps in self.steps.items():
            for merged in steps.values():
                users[merged][member] = None
        return {name: tuple(members) for name, members in users.items()}

    @cached_property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """Groups of members, two or more, whose graphs do exactly the same work."""
        groups: dict[frozenset[str], list[str]] = {}
        for member, steps in self.steps.items():
            groups.setdefault(frozenset(steps.values()), []).append(member)
        return tuple(tuple(members) for members in groups.values() if len(members) > 1)


def merge_graphs(scene: str, graphs: Mapping[str, StageGraph], store: LocalStore) -> MergedGraph:
    """Returns the graphs of members, by name, as one.

    Raises:
        GraphError: Params that can't be hashed.
        UsageError: A user's file can't be read.
    """
    by_member = {member: lineages(graph, store) for member, graph in graphs.items()}
    users: dict[str, dict[str, None]] = {}
    for member, found in by_member.items():
        for lineage in found.values():
            users.setdefault(lineage, {})[member] = None
    names: dict[str, str] = {}
    nodes: dict[str, Node] = {}
    stages: dict[str, Stage] = {}
    steps: dict[str, Mapping[str, str]] = {}
    for member, graph in graphs.items():
        stages.update(graph.stages)
        own: dict[str, str] = {}
        for name, node in graph.nodes.items():
            lineage = by_member[member][name]
            if lineage not in names:
                is_shared = len(users[lineage]) == len(graphs) and name not in nodes
                names[lineage] = name if is_shared else f"{member}/{name}"
                nodes[names[lineage]] = _renamed(node, names[lineage], own)
            own[name] = names[lineage]
        steps[member] = MappingProxyType(own)
    return MergedGraph(make_graph(scene, nodes.values(), stages), MappingProxyType(steps))


def _renamed(node: Node, name: str, names: Mapping[str, str]) -> Node:
    """Returns the node called `name`, reading from nodes under their new names."""

    def renamed(reference: InputRef) -> InputRef:
        return replace(reference, node=names[reference.node]) if isinstance(reference, OutputRef) else reference

    inputs = {
        field: None if value is None else tuple(map(renamed, value)) if isinstance(value, tuple) else renamed(value)
        for field, value in node.inputs.items()
    }
    return replace(node, name=name, inputs=inputs)
