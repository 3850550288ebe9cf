"""Writes sugar.glb, a sugar cube of 1.6 cm with bevelled edges, its light baked in: `python make_sugar.py`.

The renderer shows colours as they are, so a thing that is added to a photo brings its light along: bright on
top and on the side of the window (left), darker on the others.
"""

from pathlib import Path

import numpy as np
import trimesh

EDGE_M = 0.016
BEVEL = 0.16
LIGHT = np.array([-0.5, 0.35, 0.8]) / np.linalg.norm([-0.5, 0.35, 0.8])
DARK, BRIGHT = np.array([138, 98, 74]), np.array([255, 249, 238])


def sugar_cube() -> trimesh.Trimesh:
    """Returns the cube, Y up as glTF has it, with a colour per face."""
    steps = np.array([-1, -1 + BEVEL, 1 - BEVEL, 1.0])
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    outer = (np.abs(grid) == 1).sum(axis=1) == 1
    cube = trimesh.convex.convex_hull(grid[outer] * EDGE_M / 2)
    cube = trimesh.Trimesh(*trimesh.remesh.subdivide(*trimesh.remesh.subdivide(cube.vertices, cube.faces)))
    up = cube.face_normals  # still Z up here
    shade = np.clip(0.35 + 0.65 * (up @ LIGHT), 0, 1)[:, None]
    grain = np.random.default_rng(5).normal(0, 5, (len(cube.faces), 1))
    colour = np.clip(DARK + (BRIGHT - DARK) * shade + grain, 0, 255).astype(np.uint8)
    cube.visual.face_colors = np.hstack([colour, np.full((len(colour), 1), 255, np.uint8)])
    cube.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, (1, 0, 0)))
    return cube


if __name__ == "__main__":
    sugar_cube().export(Path(__file__).with_name("sugar.glb"))
