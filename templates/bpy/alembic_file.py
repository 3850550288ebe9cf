"""Reads an Alembic cache: `alembic_file.py FILE FOLDER --fps N` writes its meshes, joined, as a .ply a step.

In Blender's world: right-handed, Z up. The faces must stay the same; polygons are cut into fans.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve()
sys.path.insert(0, str(SCRIPT.parent))

import bpy  # noqa: E402
import numpy as np  # noqa: E402
from lib import compat  # noqa: E402

RATE = 1200  # of the scene: times of 24, 25, 30 and 60 a second are whole frames of it
MAX_STEPS = 2_000
GREY = (200, 200, 200, 255)  # of a mesh without colours beside one that has them
MAX_PLACES = 20_000_000


def load(file: Path) -> None:
    """Imports the cache into an empty scene."""
    compat.check_version()
    if not bpy.app.build_options.alembic:
        raise ValueError(f"this Blender can't read Alembic ({file.name}): give a sequence of .obj or .ply files")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = RATE, 1.0
    try:
        bpy.ops.wm.alembic_import(filepath=str(file), set_frame_range=True, as_background_job=False)
    except RuntimeError as error:
        raise ValueError(f"{file.name} can't be read: {str(error).strip().splitlines()[-1]}") from None


def meshes_now() -> list[tuple[str, Any, Any]]:
    """Returns name, evaluated object and mesh of everything that has faces, in name order."""
    graph = bpy.context.evaluated_depsgraph_get()
    found = []
    for thing in sorted(bpy.context.scene.objects, key=lambda one: one.name):
        if thing.type == "MESH":
            shown = thing.evaluated_get(graph)
            mesh = shown.to_mesh()
            if mesh.polygons:
                found.append((thing.name, shown, mesh))
    return found


def points_of(shown: Any, mesh: Any) -> Any:
    """Returns (vertices, 3), world."""
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    world = np.array([tuple(row) for row in shown.matrix_world], np.float64)
    return flat.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]


def faces_of(mesh: Any) -> Any:
    """Returns (triangles, 3): the fan of each polygon from its first corner."""
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    starts, counts = (np.empty(len(mesh.polygons), np.int32) for _ in range(2))
    mesh.polygons.foreach_get("loop_start", starts)
    mesh.polygons.foreach_get("loop_total", counts)
    owner = np.repeat(np.arange(len(starts)), np.maximum(counts - 2, 0))
    first = np.concatenate([[0], np.cumsum(np.maximum(counts - 2, 0))[:-1]]).astype(np.int64)
    step = np.arange(len(owner)) - first[owner]
    at = starts[owner]
    return np.stack([corners[at], corners[at + step + 1], corners[at + step + 2]], axis=1)


def colours_of(mesh: Any) -> Any:
    """Returns uint8 (vertices, 4) of the active colour attribute, or None."""
    attribute = mesh.color_attributes.active_color or next(iter(mesh.color_attributes), None)
    if attribute is None or attribute.domain not in ("POINT", "CORNER"):
        return None
    flat = np.empty(len(attribute.data) * 4, np.float32)
    attribute.data.foreach_get("color_srgb", flat)
    values = flat.reshape(-1, 4)
    if attribute.domain == "CORNER":
        corners = np.empty(len(mesh.loops), np.int32)
        mesh.loops.foreach_get("vertex_index", corners)
        total, count = np.zeros((len(mesh.vertices), 4)), np.bincount(corners, minlength=len(mesh.vertices))
        np.add.at(total, corners, values)
        values = total / np.maximum(count, 1)[:, None]
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)


def write_ply(file: Path, points: Any, faces: Any, colours: Any) -> None:
    """Writes a binary .ply."""
    fields = [(axis, "<f4") for axis in "xyz"]
    if colours is not None:
        fields += [(name, "u1") for name in ("red", "green", "blue", "alpha")]
    rows = np.zeros(len(points), fields)
    for index, axis in enumerate("xyz"):
        rows[axis] = points[:, index]
    for index, name in enumerate(("red", "green", "blue", "alpha") if colours is not None else ()):
        rows[name] = colours[:, index]
    triangles = np.zeros(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, faces
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    head += [f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in fields]
    head += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    file.write_bytes(("\n".join(head) + "\n").encode() + rows.tobytes() + triangles.tobytes())


def write_steps(file: Path, folder: Path, fps: float) -> None:
    """Writes a .ply of every step from the cache's first moment to its last."""
    scene = bpy.context.scene
    count = int((scene.frame_end - scene.frame_start) / RATE * fps + 1e-3) + 1
    if count > MAX_STEPS:
        raise ValueError(f"{file.name} has {count:,} steps at this rate: the limit is {MAX_STEPS:,}")
    folder.mkdir()
    known: tuple[Any, Any] | None = None
    for step in range(count):
        frame = scene.frame_start + step * RATE / fps
        scene.frame_set(int(frame), subframe=frame - int(frame))
        found = meshes_now()
        if not found:
            raise ValueError(f"{file.name} has no mesh with faces in step {step}")
        points = [points_of(shown, mesh) for _, shown, mesh in found]
        offsets = np.cumsum([0, *(len(one) for one in points)])
        faces = np.concatenate([faces_of(mesh) + at for (_, _, mesh), at in zip(found, offsets[:-1], strict=True)])
        colours = [colours_of(mesh) for _, _, mesh in found] if known is None else []
        is_coloured = any(one is not None for one in colours)
        if known is None:
            known = (len(found), faces)
        if len(found) != known[0] or not np.array_equal(faces, known[1]):
            raise ValueError(
                f"{file.name}: in step {step} it has {len(faces):,} triangles and at first {len(known[1]):,}, or joins "
                "other vertices: meshes whose faces change are not possible yet; remesh with constant topology"
            )
        places = np.concatenate(points)
        if len(places) * count > MAX_PLACES:
            raise ValueError(f"{file.name} has {len(places):,} vertices in {count} steps: decimate it")
        filled = [
            np.full((len(at), 4), GREY, np.uint8) if one is None else one
            for one, at in zip(colours, points, strict=False)
        ]
        write_ply(folder / f"{step:06d}.ply", places, faces, np.concatenate(filled) if is_coloured else None)
        for _, shown, _ in found:
            shown.to_mesh_clear()


def main() -> None:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(prog=SCRIPT.name, description="The meshes of an Alembic cache.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fps", type=float, required=True, help="steps a second")
    parser.add_argument("--result", type=Path, required=True, help="JSON file that says that it is done")
    known = parser.parse_args()
    load(known.source.resolve())
    write_steps(known.source, known.target.resolve(), known.fps)
    known.result.write_text(json.dumps({"status": "done"}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
