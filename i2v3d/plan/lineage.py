"""What a step's result follows from, known before anything runs: its own key parts and those of all upstream.

Two steps of equal lineage do the same work, in whichever scene. The reverse does not hold: a step of
another lineage may still find equal inputs (early cut-off), which only a build or its records can tell.
"""

from __future__ import annotations

from collections.abc import Mapping

from i2v3d.compile.graph import StageGraph, references
from i2v3d.plan.resolve import Resolver
from i2v3d.stages.base import SourceFile
from i2v3d.store.digests import digest_json
from i2v3d.store.local import LocalStore


def lineages(graph: StageGraph, store: LocalStore) -> Mapping[str, str]:
    """Returns a digest by node, in graph order.

    Raises:
        GraphError: Params that can't be hashed.
        UsageError: A user's file can't be read.
    """
    resolver = Resolver(graph, store)
    found: dict[str, str] = {}
    for name, node in graph.nodes.items():
        reads: list[list[object]] = []
        for field, reference in references(node):
            if isinstance(reference, SourceFile):
                reads.append([field, "file", resolver.sources.digest(reference.path).content])
            else:
                reads.append([field, found[reference.node], reference.output, reference.start, reference.stop])
        found[name] = digest_json([resolver.base(name).digest, reads])
    return found
