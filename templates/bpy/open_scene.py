"""Writes the scene cache of a .blend file: `open_scene.py --request REQUEST.json --out FOLDER --result DONE.json`.

REQUEST.json: {"blend", "clip": {"name", "fps", "frame_count", "width", "height"}, "objects": [names, ids from 2 on]}.
Scripts and drivers in Python do not run. Objects are found by name; whatever else is there to render comes after
them. A mesh's picture is that of its material; its place is the `texcoords` attribute, else the UV map.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bpy
import numpy as np
from lib import cache
from lib.actions import FIRST_FRAME
from lib.build import BACKGROUND_ID, Clip, Placed

BACKGROUND = "Background"
LAST_ID = 255  # passes hold ids in one byte


def main() -> None:
    """Opens the file and writes `static`, `states`, `cameras.json` and `scene.glb`."""
    parser = argparse.ArgumentParser()
    for name in ("--request", "--out", "--result"):
        parser.add_argument(name, type=Path, required=True)
    given = parser.parse_args()
    request = json.loads(given.request.read_text(encoding="utf-8"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    bpy.ops.wm.open_mainfile(filepath=request["blend"], load_ui=False, use_scripts=False)
    refuse_other_files()
    clip = Clip(**request["clip"])
    prepare(clip)
    assets = given.out / "assets"
    placed = []
    for thing_id, name, thing in find_objects(request["objects"]):
        folder = assets / str(thing_id)
        folder.mkdir(parents=True)
        corners, count = write_mesh(thing, folder)
        placed.append(Placed(name, thing_id, str(thing_id), thing, corners, count))
    states = cache.write_states(given.out / "states", clip, placed)
    cache.write_cameras(given.out / "cameras.json", clip, states)
    cache.write_static(given.out / "static", assets, placed)
    bpy.context.scene.frame_set(FIRST_FRAME)
    bpy.ops.export_scene.gltf(
        filepath=str(given.out / "scene.glb"),
        export_format="GLB",
        export_animation_mode="SCENE",
        export_cameras=True,
        use_renderable=True,
        will_save_settings=False,
    )
    given.result.write_text(json.dumps({"status": "done"}) + "\n", encoding="utf-8")


def refuse_other_files() -> None:
    """Refuses what the file only points to: a result may depend on nothing but the file."""
    linked = [library.filepath for library in bpy.data.libraries]
    linked += [file.filepath for file in bpy.data.cache_files]
    linked += [image.filepath for image in bpy.data.images if image.source == "FILE" and image.packed_file is None]
    if linked:
        names = ", ".join(sorted({Path(path).name for path in linked}))
        raise ValueError(f"the file needs other files ({names}): pack or append them (File > External Data > Pack)")


def prepare(clip: Clip) -> None:
    """Sets the clip's size and rate, and checks that there is a camera."""
    scene = bpy.context.scene
    if scene.camera is None:
        raise ValueError("the file has no active camera")
    if scene.camera.data.type != "PERSP":
        raise ValueError("the active camera is not a perspective one")
    scene.render.fps = max(1, round(clip.fps))
    scene.render.fps_base = scene.render.fps / clip.fps
    scene.render.resolution_x, scene.render.resolution_y = clip.width, clip.height
    scene.frame_set(FIRST_FRAME)


def find_objects(names: list[str]) -> list[tuple[int, str, Any]]:
    """Returns (id, name, mesh object): the background, the named ones, and what else there is to render."""
    found = [(BACKGROUND_ID, BACKGROUND, mesh_object(BACKGROUND))]
    found += [(BACKGROUND_ID + 1 + index, name, mesh_object(name)) for index, name in enumerate(names)]
    known = {thing.name for _, _, thing in found}
    others = [
        thing
        for thing in sorted(bpy.context.scene.objects, key=lambda thing: thing.name)
        if thing.type == "MESH" and thing.name not in known and not thing.hide_render and thing.data.polygons
    ]
    found += [(len(found) + 1 + index, thing.name, thing) for index, thing in enumerate(others)]
    if len(found) > LAST_ID:
        raise ValueError(f"the file has {len(found)} objects to render; the limit is {LAST_ID}: join some of them")
    return found


def mesh_object(name: str) -> Any:  # Any: bpy types
    """Returns the mesh object of a name; the mover of a turned object has its mesh below it."""
    for candidate in (name, f"{name} mesh"):
        thing = bpy.context.scene.objects.get(candidate)
        if thing is not None and thing.type == "MESH":
            return thing
    has = ", ".join(f"`{thing.name}`" for thing in bpy.context.scene.objects if thing.type == "MESH")
    raise ValueError(f"the file has no mesh object `{name}`; it has {has or 'none'}")


def write_mesh(thing: Any, folder: Path) -> tuple[Any, int]:  # Any: bpy types
    """Writes a mesh folder as it is evaluated now; returns the vertex of each written one, and how many there are."""
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    mesh.calc_loop_triangles()
    count, loops = len(mesh.vertices), len(mesh.loops)
    if not mesh.loop_triangles:
        raise ValueError(f"`{thing.name}` has no faces")
    points = read(mesh.vertices, "co", count * 3, np.float32).reshape(-1, 3)
    vertex_of_loop = read(mesh.loops, "vertex_index", loops, np.int32)
    triangles = read(mesh.loop_triangles, "loops", len(mesh.loop_triangles) * 3, np.int32)
    image = picture_of(thing)
    attribute = mesh.attributes.get("texcoords")
    if attribute is not None and attribute.domain == "POINT" and attribute.data_type == "FLOAT_VECTOR":
        texcoords = read(attribute.data, "vector", count * 3, np.float32).reshape(-1, 3)[vertex_of_loop]
    elif image is not None and mesh.uv_layers.active is not None:
        uv = read(mesh.uv_layers.active.uv, "vector", loops * 2, np.float32).reshape(-1, 2)
        texcoords = np.stack([uv[:, 0], 1 - uv[:, 1], np.ones(loops, np.float32)], axis=1)
    else:
        texcoords = np.tile(np.array([0.5, 0.5, 1.0], np.float32), (loops, 1))
    keys = np.hstack([vertex_of_loop[triangles, None].astype(np.float64), texcoords[triangles]])
    rows, index = np.unique(keys, axis=0, return_inverse=True)
    corners = rows[:, 0].astype(np.int64)
    faces = index.reshape(-1, 3).astype(np.int32)
    evaluated.to_mesh_clear()
    with (folder / "geometry.npz").open("wb") as file:
        np.savez(file, faces=faces, texcoords=rows[:, 1:].astype(np.float32), vertices_m=points[corners])
    write_picture(thing, image, folder / "texture.png")
    return corners, count


def read(collection: Any, name: str, size: int, kind: Any) -> Any:
    """Returns a flat array of one property of a collection."""
    values = np.empty(size, kind)
    collection.foreach_get(name, values)
    return values


def picture_of(thing: Any) -> Any:
    """Returns the image of the first material that has one."""
    for material in thing.data.materials:
        nodes = material.node_tree.nodes if material is not None and material.node_tree is not None else ()
        for node in nodes:
            if node.type == "TEX_IMAGE" and node.image is not None:
                return node.image
    return None


def write_picture(thing: Any, image: Any, file: Path) -> None:
    """Writes the picture's own bytes where they are a PNG, else a copy; one colour where there is no picture."""
    if image is not None and image.packed_file is not None and not image.is_dirty:
        data = bytes(image.packed_file.data)
        if data.startswith(b"\x89PNG"):
            file.write_bytes(data)
            return
    if image is None:
        image = bpy.data.images.new("Plain", 4, 4, alpha=True)
        image.pixels = [*plain_colour(thing)] * 16
    image.filepath_raw, image.file_format = str(file), "PNG"
    image.save()


def plain_colour(thing: Any) -> tuple[float, float, float, float]:
    """Returns the colour of a material without a picture, as sRGB shares."""
    colour = (0.6, 0.6, 0.6)
    for material in thing.data.materials:
        if material is not None:
            colour = tuple(material.diffuse_color)[:3]
            for node in material.node_tree.nodes if material.node_tree is not None else ():
                for name in ("Base Color", "Color"):
                    if node.type in ("BSDF_PRINCIPLED", "EMISSION", "BSDF_DIFFUSE") and name in node.inputs:
                        colour = tuple(node.inputs[name].default_value)[:3]
            break
    red, green, blue = (
        12.92 * level if level <= 0.0031308 else 1.055 * min(level, 1.0) ** (1 / 2.4) - 0.055 for level in colour
    )
    return red, green, blue, 1.0


if __name__ == "__main__":
    main()
