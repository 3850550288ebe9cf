"""How long `i2v3d watch` takes from the save of a camera edit to the new preview: medians, and where the time goes.

    python tests/bench/watch.py rocket chelsea field [--edits 5] [--cache DIR]

Each scene is copied and watched; its last camera key is changed again and again, saved by renaming, and the time
taken until an open page has heard of the new preview. Needs idle cores to say anything.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.watched import save_by_renaming, watched  # noqa: E402

_LAST_NUMBER = re.compile(r"(?P<before>^  - \{at: [^\n]*(?:azimuth|dolly|pan|tilt): )(?P<number>-?\d+(?:\.\d+)?)", re.M)


def edited(text: str, number: int) -> str:
    """Returns the spec with the last keyed number of its camera changed a little, differently for each edit."""
    start = text.rindex("\ncamera:")
    (*_, found) = _LAST_NUMBER.finditer(text, start)
    value = float(found["number"]) * (1 - 0.03 * (number + 1))
    return f"{text[: found.start('number')]}{value:.3f}{text[found.end('number') :]}"


def measure(name: str, edits: int, cache: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, name, "scene.yaml")
        shutil.copytree(ROOT / "specs" / name, spec.parent, ignore=shutil.ignore_patterns("out", ".i2v3d"))
        text = spec.read_text(encoding="utf-8")
        seconds, steps = [], defaultdict(list)
        with watched(spec.parent, "--cache", cache or Path(folder, "cache"), "--out", Path(folder, "out")) as watch:
            watch.wait_for(lambda state: state["is_done"])
            for number in range(edits):
                before = len(watch.states)
                saved_s = save_by_renaming(spec, edited(text, number))
                came_s, state = watch.wait_for(
                    lambda state: state["phase"] == "ready" and state["changed"].startswith("scene.yaml"), after=before
                )
                seconds.append(came_s - saved_s)
                for step in state["steps"]:
                    steps[step["name"]].append(step["seconds"])
                watch.wait_for(
                    lambda state: state["is_done"] and state["changed"].startswith("scene.yaml"), after=before
                )
        rows = ", ".join(f"{step} {statistics.median(values):.2f}" for step, values in steps.items())
        total = sum(statistics.median(values) for values in steps.values())
        middle = statistics.median(seconds)
        span = f"{min(seconds):.2f} to {max(seconds):.2f} s"
        print(f"{name:10} save to preview: median {middle:.2f} s, {span}, {edits} edits")
        print(f"{'':10} steps: {rows}; noticing, reading, starting, storing: {middle - total:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", default=["rocket", "chelsea", "field"])
    parser.add_argument("--edits", type=int, default=5)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    for scene in options.scenes:
        measure(scene, options.edits, options.cache)
