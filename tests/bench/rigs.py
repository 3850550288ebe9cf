"""How long a rigged scene takes: seconds a frame of assemble and render, and what one edited bone key makes again.

Run: python tests/bench/rigs.py [--faces 50000] [--frames 61] [--size 1024 576] [--jobs 2]
The scene is a clay humanoid of about that many faces that walks over the field of specs/field, with keyed turns of
its head; it is built in a temporary folder as far as the renders. Whole builds, wall clock, nothing cached.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.execute.build import BuildResult
from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.plan.resolve import Resolver
from tests import clay_figures as clay

ROOT = Path(__file__).resolve().parents[2]
HEAD_KEYS = (10, 20, 30, 40, 50)
EDITED = 3  # of HEAD_KEYS: frames between its neighbours, 30 and 50, change


def write_scene(folder: Path, *, faces: int, frames: int, size: tuple[int, int], turn_deg: float) -> Path:
    """Writes the scene and returns its spec; the mesh is made once."""
    if not (folder / "clay.glb").exists():
        pitch = 0.03
        figure = clay.solid(clay.humanoid_parts(), pitch)
        figure = clay.solid(clay.humanoid_parts(), pitch * (len(figure.faces) / faces) ** 0.5)
        figure.apply_transform(np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]]))
        figure.export(folder / "clay.glb")
        print(f"{len(figure.faces)} faces")
    keys = [{"at": frame, "rotate": [0, 0, f"{10 * (-1) ** frame}deg"]} for frame in HEAD_KEYS]
    keys[EDITED]["rotate"] = [0, 0, f"{turn_deg}deg"]
    spec: dict[str, Any] = {
        "i2v3d": 1,
        "source": {"image": str(ROOT / "specs/field/camera.png"), "camera": {"fov": "30deg", "height": "1.2m"}},
        "output": {"size": list(size), "fps": 24, "duration": f"{frames - 1}f"},
        "objects": {
            "hero": {"mesh": {"file": "clay.glb"}, "place": {"on": "ground", "at": [1.2, 7], "turn": "-82deg"}}
        },
        "background": {"layout": "ground_and_backdrop", "horizon": "45.6%", "distance": "60m"},
        "motion": {
            "hero": {
                "rig": "humanoid",
                "keys": [{"at": 0}, {"at": frames - 1, "move": [-2.4, 0, 0]}],
                "clips": [{"play": "walk", "loop": True}],
                "bones": {"head": keys},
            }
        },
    }
    file = folder / "scene.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


def built(spec: Path, until: str, jobs: int) -> tuple[BuildResult, float, list[Path]]:
    """Returns the result, wall seconds, and the scene cache's file of each frame."""
    project = open_project(ProjectOptions(spec, until=until, allow_paths=(ROOT / "specs",), jobs=jobs))
    start = time.perf_counter()
    result = project.build(lambda event: None)
    wall_s = time.perf_counter() - start
    if not result.is_success:
        raise SystemExit(str(result.failures))
    resolver, records = Resolver(project.graph, project.store), {}
    for name in project.graph.nodes:
        records[name] = project.store.records.find(resolver.key(name, resolver.inputs(name, records)))
        if name == "assemble":
            break
    files = records["assemble"].outputs["states"].files
    return result, wall_s, [project.store.objects.path(file.digest) for file in files]


def main() -> None:
    """Prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=50_000)
    parser.add_argument("--frames", type=int, default=61)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 576))
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = {"faces": chosen.faces, "frames": chosen.frames, "size": tuple(chosen.size)}
        spec = write_scene(folder, turn_deg=10, **scene)
        first, _, before = built(spec, "assemble", chosen.jobs)
        assemble_s = first.seconds_by_stage["assemble"]
        print(f"assemble  {assemble_s:7.2f} s   {assemble_s / chosen.frames:.3f} s a frame")
        drawn, wall_s, _ = built(spec, "render", chosen.jobs)
        cpu_s = drawn.seconds_by_stage["render"]
        print(f"render    {wall_s:7.2f} s   {wall_s / chosen.frames:.3f} s a frame ({cpu_s:.1f} s of work)")
        spec = write_scene(folder, turn_deg=35, **scene)
        again, wall_s, after = built(spec, "render", chosen.jobs)
        redrawn = sorted(int(step[7:-1]) for step in again.executed if step.startswith("render["))
        changed = [frame for frame, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        print(f"one edited bone key: {wall_s:.2f} s; {len(changed)} frames changed, {changed[0]} to {changed[-1]}")
        print(f"  drawn again: {len(redrawn)}, {redrawn[0]} to {redrawn[-1]} (flow reaches to the frames beside)")


if __name__ == "__main__":
    main()
