"""The graph of a scene: one node per call of a stage, edges from outputs to inputs, and what is delivered.

A graph is checked when it is made, so everything after (plan, build, printing) trusts it. networkx
answers what only some commands ask (cycles, everything upstream or downstream); importing it takes
as long as planning a whole scene, so orders and neighbours, which all ask, are found without it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from i2v3d.backends.catalog import BACKENDS
from i2v3d.compile.checks import check_deliverables, check_nodes
from i2v3d.errors import GraphError, UsageError
from i2v3d.stages.base import Node, OutputRef, SourceFile, Stage

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Deliverable:
    """An output that is placed in the user's output folder.

    Attributes:
        path: Relative place, `video.mp4` for a file, `scene` for a folder; several may share a folder.
        ref: Which output; a single item of a sequence becomes a file where the path has its suffix.
    """

    path: str
    ref: OutputRef


@dataclass(frozen=True)
class StageGraph:
    """A checked graph.

    Attributes:
        scene: Name of the scene; used for names only.
        nodes: By name, every node after the nodes it reads from; ties keep the order in which they were given.
        stages: The stages the nodes call, by kind.
        deliverables: What goes to the output folder.
        places: Where the whole scene's deliverables go, in a part of its graph too.
        others: Where another graph of the same scene puts things, which a build of this one leaves alone.
    """

    scene: str
    nodes: Mapping[str, Node]
    stages: Mapping[str, Stage]
    deliverables: tuple[Deliverable, ...] = ()
    places: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @cached_property
    def network(self) -> nx.DiGraph[str]:
        """The nodes' names with an edge from each producer to each reader."""
        return _network(self.nodes)

    def stage_of(self, name: str) -> Stage:
        """Returns the stage that node `name` calls."""
        return self.stages[self.nodes[name].stage]

    def producers(self, name: str) -> tuple[str, ...]:
        """Returns the nodes that `name` reads from, each once, in the order of its inputs."""
        return self._producers[name]

    def readers(self, name: str) -> tuple[str, ...]:
        """Returns the nodes that read from `name`, each once, in graph order."""
        return self._readers[name]

    @cached_property
    def _producers(self) -> Mapping[str, tuple[str, ...]]:
        return _producers(self.nodes)

    @cached_property
    def _readers(self) -> Mapping[str, tuple[str, ...]]:
        return _readers(self._producers)

    def select(self, until: Iterable[str] = (), only: Iterable[str] = ()) -> StageGraph:
        """Returns the part that leads to some nodes.

        Args:
            until: Names as `match` takes them; these nodes and everything they read from stay.
            only: The same; deliverables of every other node are left out and nothing downstream of
                them stays, so a build ends there.

        Raises:
            UsageError: A name stands for nothing in this graph.
        """
        ends = [*self.match(until), *self.match(only)]
        if not ends:
            return self
        import networkx as nx

        kept = set(ends).union(*(nx.ancestors(self.network, end) for end in ends))
        chosen = set(self.match(only)) or kept
        return replace(
            self,
            nodes=MappingProxyType({name: node for name, node in self.nodes.items() if name in kept}),
            deliverables=tuple(item for item in self.deliverables if item.ref.node in chosen),
        )

    def without(self, stages: Collection[str]) -> StageGraph:
        """Returns the graph without the nodes of these stages, which no other node may read from."""
        dropped = {name for name, node in self.nodes.items() if node.stage in stages}
        assert not any(set(self.readers(name)) - dropped for name in dropped)
        return replace(
            self,
            nodes=MappingProxyType({name: node for name, node in self.nodes.items() if name not in dropped}),
            deliverables=tuple(item for item in self.deliverables if item.ref.node not in dropped),
        )

    def match(self, patterns: Iterable[str]) -> tuple[str, ...]:
        """Returns the nodes that names stand for, in graph order.

        A node is called by its name (`render[12]`), its name without brackets (`render`), the kind of its stage
        (`generate_clip`), or the stage's name in a spec (`interpolate`).

        Raises:
            UsageError: A name stands for nothing.
        """
        wanted: set[str] = set()
        for pattern in patterns:
            found = [name for name, node in self.nodes.items() if pattern in names_of(node)]
            if not found:
                raise UsageError(f"no step or stage is called `{pattern}`", hint=_near(pattern, self))
            wanted.update(found)
        return tuple(name for name in self.nodes if name in wanted)


def make_graph(
    scene: str, nodes: Iterable[Node], stages: Mapping[str, Stage], deliverables: Iterable[Deliverable] = ()
) -> StageGraph:
    """Returns the checked graph of these nodes.

    Raises:
        GraphError: Nodes that do not fit together; the message names the node.
        MissingBackendError: A node asks for a backend that does not exist.
    """
    given = list(nodes)
    items = tuple(deliverables)
    by_name = {node.name: node for node in given}
    if len(by_name) < len(given):
        names = [node.name for node in given]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise GraphError(f"two nodes are called {', '.join(twice)}")
    check_nodes(by_name, stages)
    check_deliverables([(item.path, item.ref) for item in items], by_name, stages)
    order = _ordered(by_name)
    places = tuple(item.path for item in items)
    return StageGraph(scene, MappingProxyType({name: by_name[name] for name in order}), stages, items, places)


def names_of(node: Node) -> tuple[str, ...]:
    """Returns what a node may be called by; see `StageGraph.match`."""
    return (node.name, node.name.partition("[")[0], node.stage, *spec_stages(node.stage))


@cache
def spec_stages(kind: str) -> tuple[str, ...]:
    """Returns the names under `backends:` in a spec of the stages that nodes of this kind do."""
    return tuple(dict.fromkeys(backend.stage for backend in BACKENDS if backend.kind == kind))


def references(node: Node) -> Iterable[tuple[str, OutputRef | SourceFile]]:
    """Yields every reference of a node with the name of its input field."""
    for field, value in node.inputs.items():
        if isinstance(value, tuple):
            for reference in value:
                yield field, reference
        elif value is not None:
            yield field, value


def _network(nodes: Mapping[str, Node]) -> nx.DiGraph[str]:
    import networkx as nx

    network: nx.DiGraph[str] = nx.DiGraph()
    network.add_nodes_from(nodes)
    for name, producers in _producers(nodes).items():
        network.add_edges_from((producer, name) for producer in producers)
    return network


def _producers(nodes: Mapping[str, Node]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(dict.fromkeys(ref.node for _, ref in references(node) if isinstance(ref, OutputRef)))
        for name, node in nodes.items()
    }


def _readers(producers: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    readers: dict[str, list[str]] = {name: [] for name in producers}
    for name, read in producers.items():
        for producer in read:
            readers[producer].append(name)
    return {name: tuple(names) for name, names in readers.items()}


def _ordered(nodes: Mapping[str, Node]) -> list[str]:
    """Returns the names in topological order; among those that could be next, the first given is."""
    producers = _producers(nodes)
    readers = _readers(producers)
    names = list(nodes)
    rank = {name: index for index, name in enumerate(names)}
    waiting = {name: len(read) for name, read in producers.items()}
    ready = [rank[name] for name, count in waiting.items() if count == 0]
    order: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for reader in readers[name]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, rank[reader])
    if len(order) < len(names):
        import networkx as nx

        cycle = [edge[0] for edge in nx.find_cycle(_network(nodes))]
        raise GraphError(f"these nodes wait for each other: {' -> '.join([*cycle, cycle[0]])}")
    return order


def _near(pattern: str, graph: StageGraph) -> str:
    import difflib

    known: dict[str, Any] = dict.fromkeys(name for node in graph.nodes.values() for name in names_of(node))
    near = difflib.get_close_matches(pattern, known, n=3)
    return f"did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else "`i2v3d graph` lists them"
