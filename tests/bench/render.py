"""Times rendering a clip with all passes, files written, and measures what each frame takes.

    python tests/bench/render.py [SCENE_CACHE] [--backend gl cycles] [--frames 61] [--size 1024 576] [--jobs 1]

SCENE_CACHE is a folder with `static/` and `states/`, as `scene.py --emit cache` or the assemble stage
writes them. Without one, a scene of the rocket example's size is made: 75,000 faces of background under a
1740x1160 texture, and a turning, rising pillar of 30,000 faces, under an orbiting camera.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import FrameStates, JsonFile, Mesh, MeshData
from i2v3d.backends.catalog import find_backend, load_backend
from i2v3d.geometry.camera_path import PathKey, Surroundings, view_at
from i2v3d.geometry.frames import Intrinsics, Resolution, level_camera_pose


@dataclass(frozen=True)
class Task:
    backend: str
    folder: Path
    out: Path
    size: Resolution
    frames: tuple[int, ...]


@dataclass(frozen=True)
class Cost:
    """Seconds of one frame: by the clock, and of processor time over all threads."""

    wall_s: float
    draw_cpu_s: float
    write_cpu_s: float


def faces_of_grid(rows: int, columns: int) -> np.ndarray:
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    return np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)]).astype(np.int32)


def picture(height: int, width: int) -> np.ndarray:
    """Smooth noise with fine detail, about as hard to compress as a photo."""
    random = np.random.default_rng(0)
    total = np.zeros((height, width, 3))
    for step, strength in ((64, 60), (16, 25), (4, 8), (1, 2)):
        coarse = random.normal(0, strength, (height // step + 1, width // step + 1, 3))
        total += coarse.repeat(step, 0).repeat(step, 1)[:height, :width]
    return np.dstack([np.clip(128 + total, 0, 255), np.full((height, width), 255)]).astype(np.uint8)


def write_scene(folder: Path, size: Resolution, count: int) -> None:
    """Writes a scene cache."""
    lens, start = Intrinsics.from_fov(math.radians(40), size), level_camera_pose(1.6, math.radians(3))
    columns, rows = np.linspace(-0.35 * size.width, 1.35 * size.width, 240), np.linspace(-300, size.height + 300, 157)
    pixels = np.stack(np.meshgrid(columns, rows), -1)
    rays = lens.rays(pixels) @ start[:3, :3].T
    depth = np.minimum(np.where(rays[..., 2] < -1e-6, 1.6 / np.maximum(-rays[..., 2], 1e-6), np.inf), 14 / rays[..., 1])
    st = (pixels - pixels[0, 0]) / (pixels[-1, -1] - pixels[0, 0])
    texture = picture(1160, 1740)
    background = MeshData(
        (start[:3, 3] + rays * depth[..., None]).reshape(-1, 3),
        faces_of_grid(157, 240),
        np.dstack([st * depth[..., None], depth]).reshape(-1, 3),
        texture,
        texture[..., 0],
    )
    turn, height = np.meshgrid(np.linspace(0, 2 * np.pi, 150), np.linspace(3, 0, 101))
    soft = picture(480, 280)
    soft[:3, :, 3] = 100
    pillar = MeshData(
        np.dstack([0.25 * np.sin(turn), -0.25 * np.cos(turn), height]).reshape(-1, 3),
        faces_of_grid(101, 150)[:, ::-1],
        np.dstack([turn / (2 * np.pi), 1 - height / 3, np.ones_like(turn)]).reshape(-1, 3),
        soft,
        soft[..., 0],
    )
    (folder / "static" / "meshes").mkdir(parents=True)
    Mesh(folder / "static" / "meshes" / "1").write(background)
    Mesh(folder / "static" / "meshes" / "2").write(pillar)
    entries = [{"name": str(i), "id": i, "is_foreground": i > 1, "mesh": f"meshes/{i}"} for i in (1, 2)]
    JsonFile(folder / "static" / "scene.json").write_json({"objects": entries})
    states = FrameStates(folder / "states")
    states.path.mkdir()
    path = (PathKey(0.0), PathKey(count - 1.0, orbit_azimuth_rad=0.26, orbit_around=(0.0, 8.0, 1.0), ease="in_out"))
    around = Surroundings(start, np.array([0.0, 0, 1]), {}, {})
    for frame in range(count):
        pose, share = np.eye(4), frame / max(1, count - 1)
        pose[:3, 3] = (0, 8, 1.5 * share**3)
        pose[:2, :2] = [[math.cos(share), -math.sin(share)], [math.sin(share), math.cos(share)]]
        states.item(frame).write_arrays(
            {
                "image_from_camera": lens.matrix,
                "world_from_camera": view_at(path, frame, around).world_from_camera,
                "transforms": np.stack([np.eye(4), pose]),
            }
        )


def render(task: Task) -> list[Cost]:
    """Draws and writes the frames; the first one, which loads everything, is part of the result."""
    renderer, states, costs = (
        load_backend(find_backend("render", task.backend)),
        FrameStates(task.folder / "states"),
        [],
    )
    count = len(states)
    for frame in task.frames:
        around = range(max(0, frame - 1), min(count, frame + 2))
        wall, cpu = time.perf_counter(), time.process_time()
        drawn = renderer.render(
            task.folder / "static", tuple(states.item_path(i) for i in around), frame - around.start, task.size
        )
        drawn_cpu = time.process_time()
        Image(task.out / f"{frame:06d}.png").write(drawn.colour)
        Passes(task.out / f"{frame:06d}.npz").write(drawn.passes)
        costs.append(Cost(time.perf_counter() - wall, drawn_cpu - cpu, time.process_time() - drawn_cpu))
    return costs


def measure(backend: str, folder: Path, size: Resolution, frames: int, jobs: int) -> None:
    with tempfile.TemporaryDirectory() as out:
        tasks = [Task(backend, folder, Path(out), size, tuple(range(start, frames, jobs))) for start in range(jobs)]
        start = time.perf_counter()
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            costs = [cost for found in pool.map(render, tasks) for cost in found]
        total = time.perf_counter() - start
        written = sum(file.stat().st_size for file in Path(out).iterdir())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    walls, draws, writes = (
        statistics.median(getattr(cost, name) for cost in costs) for name in ("wall_s", "draw_cpu_s", "write_cpu_s")
    )
    print(
        f"{backend}: {frames} frames {size.width}x{size.height}, {jobs} process(es), load {os.getloadavg()[0]:.1f}: "
        f"{total:.2f} s in all; median a frame {walls:.3f} s wall, "
        f"CPU {draws:.3f} s drawing + {writes:.3f} s writing; {written / 1e6:.0f} MB; peak {peak:.0f} MB a process"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cache", nargs="?", type=Path)
    parser.add_argument("--backend", nargs="+", default=["gl"], choices=("gl", "cycles"))
    parser.add_argument("--frames", type=int, default=61)
    parser.add_argument("--size", type=int, nargs=2, default=(1024, 576))
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    size = Resolution(*given.size)
    with tempfile.TemporaryDirectory() as made:
        folder = given.cache
        if folder is None:
            folder = Path(made)
            write_scene(folder, size, given.frames)
        for backend in given.backend:
            measure(backend, folder, size, given.frames, given.jobs)


if __name__ == "__main__":
    main()
