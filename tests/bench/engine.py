"""What the engine itself costs: `python tests/bench/engine.py`. Prints medians; asserts nothing.

Toy steps of `tests/execute/toys.py` stand in for stages: they write a line of text (or 10 MB), so
what is left is the engine. Run on an idle machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "execute"))

from toys import Toys  # found through the line above

from i2v3d.compile.graph import StageGraph, make_graph
from i2v3d.execute.build import BuildOptions, build
from i2v3d.execute.fastpath import FastPath, identify
from i2v3d.plan.make import make_plan

_NO_OP = """
import sys, click
from pathlib import Path
from i2v3d.execute.fastpath import find_up_to_date, identify
sys.path.insert(0, sys.argv[3])
assert find_up_to_date(Path(sys.argv[1]), sys.argv[2]) is not None
"""


def seconds(call: Callable[[], object]) -> float:
    """Returns how long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def overhead(toys: Toys, source: Path, count: int, jobs: int) -> float:
    """Returns wall milliseconds per executed step of a chain (jobs=1) or a fan, worker start included."""
    nodes = [toys.read("read", source)]
    for index in range(count - 1):
        nodes.append(toys.join(f"s{count}_{jobs}_{index}", nodes[-1 if index % 50 else 0].name))
    graph = toys.graph(*nodes)
    return 1e3 * seconds(lambda: toys.build(graph, jobs=jobs)) / count


def big_graph(toys: Toys, source: Path, count: int) -> list[object]:
    """Returns nodes: one reader, a sequence, and per frame a step that reads a slice and its neighbour."""
    nodes = [toys.read("read", source), toys.split("split", "read")]
    nodes += [toys.pair(f"pair[{i}]", "split", i % 500, i % 500 + 2, current=i) for i in range(count - 2)]
    return nodes


def plan_times(toys: Toys, source: Path) -> None:
    """Prints how long it takes to compile and plan 10,000 steps, unbuilt and built."""
    source.write_text(" ".join(f"w{i}" for i in range(600)))
    nodes = big_graph(toys, source, 10_000)
    graphs: list[StageGraph] = []
    compiled = seconds(lambda: graphs.append(make_graph("big", nodes, toys.stages)))  # type: ignore[arg-type]
    graph = graphs[0]
    unbuilt = [seconds(lambda: make_plan(graph, toys.store)) for _ in range(3)]
    print(f"10,000 steps: compile and check {compiled:.2f} s, plan when unbuilt {statistics.median(unbuilt):.2f} s")
    built = seconds(lambda: build(graph, toys.store, BuildOptions(jobs=2)))
    planned = [seconds(lambda: make_plan(graph, toys.store)) for _ in range(3)]
    no_op = seconds(lambda: build(graph, toys.store, BuildOptions(jobs=2)))
    print(f"10,000 steps: build {built:.1f} s, plan when built {statistics.median(planned):.2f} s, no-op {no_op:.2f} s")


def no_op_times(toys: Toys, source: Path) -> None:
    """Prints the no-op of 20 steps with 200 MB, through the plan and through the fast path (whole process)."""
    nodes = [toys.read("read", source)]
    for index in range(19):
        nodes.append(toys.join(f"big[{index}]", "read", size=10_500_000))
    graph = toys.graph(*nodes)
    identity = identify(source, ())
    fast = FastPath(identity, (source,), time.time_ns(), {})
    print(f"20 steps, 200 MB: clean build {seconds(lambda: toys.build(graph)):.2f} s")
    out_blocks = sum(
        file.stat().st_size for file in {f.stat().st_ino: f for f in toys.folder.rglob("*") if f.is_file()}.values()
    )
    print(f"20 steps, 200 MB: {out_blocks / 1e6:.0f} MB on disk, store and output folder together")
    slow = [seconds(lambda: toys.build(graph, fast_path=fast)) for _ in range(5)]
    command = [
        sys.executable,
        "-c",
        _NO_OP,
        str(toys.store.root),
        identity,
        str(Path(__file__).parent.parent / "execute"),
    ]
    whole = [seconds(lambda: subprocess.run(command, check=True)) for _ in range(5)]
    print(f"20 steps, 200 MB: no-op through the plan {statistics.median(slow):.3f} s (in process)")
    print(f"20 steps, 200 MB: no-op through the fast path {statistics.median(whole):.3f} s (whole process with click)")


def main() -> None:
    """Runs everything in a temporary folder below the working directory (a RAM disk would hide fsync)."""
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        toys = Toys(Path(folder))
        toys.install()
        source = Path(folder, "source.txt")
        source.write_text("one two three")
        cold = seconds(lambda: toys.build(toys.chain(source, 2)))
        print(f"first build of all in a new store, 2 steps: {cold:.2f} s (code and tool versions are read)")
        for count in (20, 200, 2000):
            print(f"{count} steps: {overhead(toys, source, count, 1):.1f} ms a step with 1 job")
            print(f"{count} steps: {overhead(toys, source, count, 2):.1f} ms a step with 2 jobs")
        no_op_times(toys, source)
        plan_times(toys, source)
        toys.remove()


if __name__ == "__main__":
    main()
