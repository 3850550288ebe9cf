"""How well and how fast objects of the photo become meshes: source-view error, silhouettes, size, seconds.

Run: python tests/bench/meshing.py FOLDER [FOLDER ...] [--sheets OUT]
Each folder is a finished scene: `prepare/photo.png`, `layout/layout.json` and `segment[NAME]/cutout.png`, as
`i2v3d build --until segment` leaves them. With --sheets, a picture of eight sides of each object is written.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from i2v3d.artifacts.images import CutOut, Image
from i2v3d.artifacts.scene import Layout, MeshData
from i2v3d.backends.embedded.meshing import ShapeMesher
from i2v3d.backends.embedded.standing import source_camera
from i2v3d.geometry.frames import Array, Camera, Resolution
from i2v3d.geometry.orbit_views import orbit_camera
from i2v3d.geometry.rasterise import draw_mesh, draw_view
from i2v3d.spec.resolved import Card, Inflate, Lathe, MeshShape

SHAPES: dict[str, MeshShape] = {
    "lathe": Lathe(48),
    "inflate-mirror": Inflate(0.5, "mirror"),
    "inflate-smooth": Inflate(0.5, "smooth"),
    "card": Card(),
}
SIDES_DEG = (0, -30, 30, -60, 60, 90, 135, 180)


def measured(folder: Path, name: str, shape: MeshShape) -> tuple[MeshData, Camera, dict[str, float]]:
    """Returns the mesh, the source camera in its frame, and the numbers of the report."""
    cut_out = CutOut(folder / f"segment[{name}]" / "cutout.png").read()
    layout = Layout(folder / "layout" / "layout.json").read()
    photo = Image(folder / "prepare" / "photo.png").read()
    start = time.perf_counter()
    mesh = ShapeMesher().lift(cut_out, layout, name, shape)
    seconds = time.perf_counter() - start
    camera = source_camera(layout, name)
    drawn, alpha = draw_mesh(mesh, camera).colour, cut_out[..., 3] / 255
    error = np.abs(drawn[..., :3] * drawn[..., 3:] * 255 - photo * drawn[..., 3:])
    ours, theirs = drawn[..., 3] >= 0.5, alpha >= 0.5
    return (
        mesh,
        camera,
        {
            "mean_abs_error": round(float(error[alpha > 0.9].mean()), 2),
            "silhouette_iou": round(float((ours & theirs).sum() / (ours | theirs).sum()), 4),
            "vertices": len(mesh.vertices_m),
            "faces": len(mesh.faces),
            "seconds": round(seconds, 2),
        },
    )


def sheet_of(mesh: MeshData, camera: Camera) -> Array:
    """Returns uint8 (height, width, 3): eight sides of the object, at the height from which the photo was taken."""
    out = camera.world_from_camera[:3, 3] - mesh.vertices_m.mean(axis=0)
    azimuth, elevation = np.arctan2(out[1], out[0]), np.arcsin(out[2] / np.linalg.norm(out))
    tiles = []
    for side in SIDES_DEG:
        around = orbit_camera(mesh.vertices_m, azimuth + np.radians(side), elevation, size=Resolution(360, 360))
        view = draw_view(mesh, around, 2).colour.astype(np.float32)
        alpha = view[..., 3:] / 255
        tiles.append((view[..., :3] * alpha + 110 * (1 - alpha)).astype(np.uint8))
    return np.concatenate([np.concatenate(tiles[:4], axis=1), np.concatenate(tiles[4:], axis=1)])


def main() -> None:
    """Prints one JSON line per object and shape."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--shape", choices=sorted(SHAPES), help="only this one")
    parser.add_argument("--sheets", type=Path)
    arguments = parser.parse_args()
    for folder in arguments.folders:
        for segment in sorted(folder.glob("segment[[]*]")):
            name = segment.name[len("segment[") : -1]
            for label in [arguments.shape] if arguments.shape else SHAPES:
                mesh, camera, numbers = measured(folder, name, SHAPES[label])
                print(json.dumps({"scene": folder.name, "object": name, "shape": label, **numbers}))
                if arguments.sheets:
                    arguments.sheets.mkdir(parents=True, exist_ok=True)
                    Image(arguments.sheets / f"{folder.name}_{name}_{label}.png").write(sheet_of(mesh, camera))


if __name__ == "__main__":
    main()
