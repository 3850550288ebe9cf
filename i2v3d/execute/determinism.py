"""Runs a step again and compares what it writes with what is stored."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from i2v3d.compile.graph import StageGraph
from i2v3d.errors import UsageError
from i2v3d.execute.budget import Budget
from i2v3d.execute.step import StepRunner, make_task
from i2v3d.execute.worker_pool import WorkerPool
from i2v3d.execute.workspace import Workspaces
from i2v3d.plan.resolve import Resolver
from i2v3d.store.local import LocalStore
from i2v3d.store.records import ActionRecord


@dataclass(frozen=True)
class Comparison:
    """What a second run of a step wrote against the first.

    Attributes:
        determinism: What the stage promises.
        differing: `output/file` of every file that differs; volatile outputs are not compared.
    """

    step: str
    determinism: str
    differing: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether every byte is the same."""
        return not self.differing


def check_determinism(graph: StageGraph, store: LocalStore, steps: Iterable[str]) -> tuple[Comparison, ...]:
    """Runs steps again in new processes and compares; the store stays as it is.

    Args:
        graph: A graph that has been built.
        store: Where its results are.
        steps: Node names or stage kinds.

    Raises:
        UsageError: A step is not up to date, so there is nothing to compare with.
        StageError: A step fails now.
        GraphError: There is no such step.
    """
    wanted = graph.match(steps)
    resolver = Resolver(graph, store)
    resolver.prepare()
    records: dict[str, ActionRecord] = {}
    found = []
    workers = WorkerPool(Budget().jobs)
    with Workspaces(store) as workspaces:
        runner = StepRunner(store, workspaces, workers, stop=threading.Event(), retries=0, retry_wait_s=0.0)
        try:
            for name in graph.nodes:
                task = make_task(resolver, name, records)
                record = store.records.find(task.key)
                if record is None or not store.is_whole(record):
                    raise UsageError(f"{name} is not up to date", hint="build first, then compare")
                records[name] = record
                if name in wanted:
                    again = runner.run_apart(task)
                    found.append(Comparison(name, record.determinism, _differing(record, again)))
        finally:
            workers.kill_all()
    return tuple(found)


def _differing(first: ActionRecord, second: ActionRecord) -> tuple[str, ...]:
    found = []
    for name in sorted({*first.outputs, *second.outputs} - set(first.volatile)):
        before, after = (
            {file.path: file.digest for file in record.outputs[name].files} if name in record.outputs else {}
            for record in (first, second)
        )
        found += [
            f"{name}/{path}".rstrip("/") for path in sorted({*before, *after}) if before.get(path) != after.get(path)
        ]
    return tuple(found)
