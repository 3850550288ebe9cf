"""Worker processes that outlive a build, for a program that builds again and again.

A worker that has run a step keeps its modules, a renderer its context. None of it may change a result, so all
that has to be watched is the code: a worker with other code than what is in a key would give wrong results.
"""

from __future__ import annotations

from collections.abc import Mapping

from i2v3d.errors import UsageError
from i2v3d.execute.worker_pool import WorkerPool
from i2v3d.plan.resolve import Resolver
from i2v3d.store.stamps import Stamp


class WarmWorkers:
    """A pool of workers, and the code that they and this program have loaded.

    Attributes:
        pool: The workers; whoever made this closes it.
    """

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool
        self._loaded: dict[str, Stamp] = {}

    def check(self, resolver: Resolver) -> None:
        """Makes sure that the code behind the steps is the one that the workers of earlier builds have loaded.

        Raises:
            UsageError: It was edited.
        """
        now = code_files(resolver)
        for path, stamp in now.items():
            if self._loaded.setdefault(path, stamp) != stamp:
                raise UsageError(f"{path}: the code of i2v3d or of a plug-in was edited", hint="start it again")


def code_files(resolver: Resolver) -> Mapping[str, Stamp]:
    """Returns the stamps of the Python files behind the steps; templates are read anew by every step."""
    return {
        path: stamp
        for name in resolver.graph.nodes
        for path, stamp in resolver.code(name).stamps.items()
        if path.endswith(".py")
    }
