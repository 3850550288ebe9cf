"""Sets letters with depth as a triangle mesh: `text_mesh.py --text TEXT.json --out LETTERS.npz --result DONE.json`.

TEXT.json: {"content", "font" or null, "height_m" or null, "depth_m" or null}. The letters stand upright (Z up),
are read from -Y, and have the middle of their base at the origin.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import bpy
import numpy as np


def main() -> None:
    """Writes `vertices_m` and `faces`."""
    parser = argparse.ArgumentParser()
    for name in ("--text", "--out", "--result"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    wanted = json.loads(given.text.read_text(encoding="utf-8"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    curve = bpy.data.curves.new("Text", "FONT")
    if wanted["font"] is not None:
        curve.font = bpy.data.fonts.load(wanted["font"])
    curve.body = wanted["content"]
    curve.align_x = "CENTER"
    curve.resolution_u = 6
    curve.extrude = 0.1
    letters = bpy.data.objects.new("Text", curve)
    bpy.context.scene.collection.objects.link(letters)
    bpy.context.view_layer.update()
    mesh = letters.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    mesh.calc_loop_triangles()
    if not mesh.loop_triangles:
        raise ValueError("the text has no letter that the font can draw")
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    faces = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces)
    x, y, z = flat.reshape(-1, 3).astype(np.float64).T
    points = np.stack([x, -z, y], axis=1)
    height = np.ptp(points[:, 2])
    factor = 1.0 if wanted["height_m"] is None else wanted["height_m"] / height
    points *= factor
    if wanted["depth_m"] is not None:
        points[:, 1] *= wanted["depth_m"] / np.ptp(points[:, 1])
    low, high = points.min(axis=0), points.max(axis=0)
    points -= ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2])
    with given.out.open("wb") as file:
        np.savez(file, faces=faces.reshape(-1, 3), vertices_m=points.astype(np.float32))
    given.result.write_text(json.dumps({"status": "done"}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
