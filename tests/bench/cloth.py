"""Times the bake of a cloth: a flag in gusts, `python tests/bench/cloth.py [VERTICES] [--frames 61]`.

Blender starts once to build the scene without the cloth and once with it; the difference, over the frames that
are simulated (a second before the clip, too), is what a frame of cloth costs.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from i2v3d.artifacts.scene import MeshData
from i2v3d.spec.resolved_physics import ClothBody, Pinned
from tests import hand_made_scene as hand


def flag(vertices: int) -> MeshData:
    """Returns a flag of 1.5 x 1 m with about so many vertices."""
    up = max(2, round(math.sqrt(vertices / 1.5)))
    across = max(2, round(vertices / up))
    x, z = np.meshgrid(np.linspace(0, 1.5, across), np.linspace(0, 1, up))
    points = np.stack([x, 0 * x, z], -1).reshape(-1, 3).astype(np.float32)
    index = np.arange(across * up).reshape(up, across)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    white, unseen = np.full((4, 4, 4), 255, np.uint8), np.zeros((4, 4), np.uint8)
    return MeshData(points, faces, np.ones_like(points), white, unseen)


def seconds(mesh: MeshData, frames: int, bodies: dict[str, ClothBody]) -> float:
    """Returns how long Blender takes for the scene."""
    made = dataclasses.replace(hand.scene(frames), deforming=bodies, motion={}, camera_path=())
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        hand.assembled(Path(folder), made, mesh=mesh)
    return time.perf_counter() - start


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vertices", nargs="?", type=int, default=2500)
    parser.add_argument("--frames", type=int, default=61)
    given = parser.parse_args()
    mesh = flag(given.vertices)
    cloth = ClothBody(Pinned("left", 0.03, None), 0.2, 15.0, (5.0, 1.0, 0.0), 0.4, 1, (), 1.0)
    without, whole = seconds(mesh, given.frames, {}), seconds(mesh, given.frames, {"card": cloth})
    steps = given.frames + 24
    print(f"{len(mesh.vertices_m)} vertices, {given.frames} frames and 24 before them")
    print(f"without cloth {without:.1f} s, with it {whole:.1f} s: {(whole - without) / steps:.3f} s a frame")


if __name__ == "__main__":
    main()
