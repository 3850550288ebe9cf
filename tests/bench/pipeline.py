"""How long the commands take on a scene: clean build with its breakdown, no-op, one edited key, validate, plan, help.

Run: python tests/bench/pipeline.py [specs/rocket/scene.yaml] [--repeat 5]
Works in a temporary copy of the spec's folder. Whole processes, wall clock, medians; peak memory is the sum over
the process tree, sampled every 0.2 s.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

COMMAND = [sys.executable, "-m", "i2v3d"]


def timed(arguments: list[str], repeat: int) -> float:
    """Returns the median wall time in seconds of a command that must succeed."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def timed_build(spec: Path) -> tuple[float, float]:
    """Returns wall seconds and peak resident memory in GB of one build and its children."""
    process = subprocess.Popen([*COMMAND, "build", str(spec), "--progress", "lines"], stdout=subprocess.DEVNULL)
    peak = 0.0
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.2):
            peak = max(peak, tree_memory_gb(process.pid))

    watcher = threading.Thread(target=sample)
    start = time.perf_counter()
    watcher.start()
    code = process.wait()
    wall = time.perf_counter() - start
    done.set()
    watcher.join()
    if code != 0:
        raise SystemExit(f"build failed with exit code {code}")
    return wall, peak


def tree_memory_gb(root: int) -> float:
    """Returns the resident memory of a process and all below it, shared pages counted proportionally."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children[int(fields[1])].append(int(stat.parent.name))
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        waiting += children[pid]
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1e6


def stage_seconds(store: Path) -> dict[str, tuple[int, float]]:
    """Returns steps run and seconds by stage of the newest build in a store."""
    newest = max((store / "builds").rglob("*.jsonl"), key=lambda file: file.stat().st_mtime)
    table: dict[str, tuple[int, float]] = {}
    for line in newest.read_text().splitlines():
        event = json.loads(line)
        if event.get("event") == "StepFinished":
            stage = event["step"].split("[")[0]
            count, seconds = table.get(stage, (0, 0.0))
            table[stage] = (count + 1, seconds + event["seconds"])
    return table


def main() -> None:
    """Prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", type=Path, default=Path("specs/rocket/scene.yaml"))
    parser.add_argument("--repeat", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "scene"
        shutil.copytree(chosen.spec.parent, copy, ignore=shutil.ignore_patterns("out", ".i2v3d"))
        spec = copy / chosen.spec.name
        wall, peak = timed_build(spec)
        print(f"clean build        {wall:8.2f} s   peak {peak:.2f} GB")
        for stage, (count, seconds) in stage_seconds(copy / ".i2v3d").items():
            print(f"  {stage:<16} {seconds:8.2f} s   {count} steps")
        print(f"no-op build        {timed(['build', str(spec)], chosen.repeat):8.3f} s")
        print(f"plan               {timed(['plan', str(spec)], chosen.repeat):8.3f} s")
        print(f"validate           {timed(['validate', str(spec)], chosen.repeat):8.3f} s")
        print(f"help               {timed(['--help'], chosen.repeat):8.3f} s")


if __name__ == "__main__":
    main()
