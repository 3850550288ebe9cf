"""Reads files with skeletons: `figure_files.py mesh FILE OUT.glb --skin OUT.npz`, `... motion FILE OUT.npz`.

FILE is an .fbx or a .glb. `mesh` writes its meshes at rest as a plain .glb, and bones, points and weights as arrays;
`motion` writes the bones' turns and places frame by frame. All in Blender's world: right-handed, Z up.
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

FPS = 120  # of .glb files, which have times and no frames: those of 24, 30 and 60 a second are among them
MAX_FRAMES = 20_000
MOST_VERTICES = 4_000_000


def load(file: Path) -> None:
    """Imports a file into an empty scene."""
    compat.check_version()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.use_scripts_auto_execute = False
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = FPS, 1.0
    try:
        if file.suffix.lower() == ".fbx":
            bpy.ops.wm.fbx_import(filepath=str(file))
        else:
            bpy.ops.import_scene.gltf(filepath=str(file), disable_bone_shape=True)
    except RuntimeError as error:
        raise ValueError(f"{file.name} can't be read: {str(error).strip().splitlines()[-1]}") from None


def armature_of_file(file: Path, *, is_needed: bool) -> Any:  # Any: bpy types
    """Returns the armature with the most bones, or None."""
    found = sorted(
        (thing for thing in bpy.context.scene.objects if thing.type == "ARMATURE"),
        key=lambda thing: (-len(thing.data.bones), thing.name),
    )
    if not found and is_needed:
        raise ValueError(f"{file.name} has no skeleton")
    return found[0] if found else None


def matrix(value: Any) -> Any:
    """Returns a Blender matrix as an array."""
    return np.array([tuple(row) for row in value], np.float64)


def without_scale(turned: Any) -> Any:
    """Returns the rotation (3x3) of a matrix."""
    left, _, right = np.linalg.svd(turned[:3, :3])
    return left @ right


def skeleton(armature: Any) -> dict[str, Any]:
    """Returns the bones, parents before children, at rest in the world."""
    bones = ordered(armature)
    world = matrix(armature.matrix_world)
    at = [world @ (*bone.head_local, 1.0) for bone in bones], [world @ (*bone.tail_local, 1.0) for bone in bones]
    names = [bone.name for bone in bones]
    parents = [names.index(bone.parent.name) if bone.parent else -1 for bone in bones]
    heads, tails = (np.array(rows)[:, :3] for rows in at)
    return {"names": np.array(names), "parents": np.array(parents, np.int64), "heads": heads, "tails": tails}


def ordered(armature: Any) -> list[Any]:
    """Returns the bones, parents before children, in the file's order."""
    found: list[Any] = []

    def add(bone: Any) -> None:
        found.append(bone)
        for child in bone.children:
            add(child)

    for bone in armature.data.bones:
        if bone.parent is None:
            add(bone)
    return found


def read_mesh(file: Path, target: Path, skin: Path) -> None:
    """Writes the meshes at rest as a plain .glb, and the skeleton and skin."""
    refuse_other_files(file)
    armature = armature_of_file(file, is_needed=False)
    if armature is not None:
        armature.data.pose_position = "REST"
        bones = skeleton(armature)
    else:
        empty = np.zeros((0, 3))
        bones = {"names": np.zeros(0, "<U1"), "parents": np.zeros(0, np.int64), "heads": empty, "tails": empty}
    names = [str(name) for name in bones["names"]]
    for thing in bpy.context.scene.objects:
        if thing.animation_data is not None:
            thing.animation_data_clear()
        if thing.type == "MESH" and thing.data.shape_keys is not None:
            thing.shape_key_clear()
    bpy.context.view_layer.update()
    points, weights, plain = [], [], []
    for thing in [one for one in bpy.context.scene.objects if one.type == "MESH"]:
        mesh = bpy.data.meshes.new_from_object(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()))
        mesh.transform(thing.matrix_world)
        if thing.matrix_world.is_negative:
            mesh.flip_normals()
        if not mesh.polygons:
            continue
        still = bpy.data.objects.new(f"still {thing.name}", mesh)
        bpy.context.scene.collection.objects.link(still)
        plain.append(still)
        shown = in_faces(mesh)
        points.append(positions(mesh)[shown])
        weights.append(weights_of(thing, mesh, names)[shown])
    if not plain:
        raise ValueError(f"{file.name} has no mesh")
    for thing in list(bpy.context.scene.objects):
        if thing not in plain:
            bpy.data.objects.remove(thing, do_unlink=True)
    bpy.ops.export_scene.gltf(
        filepath=str(target),
        export_format="GLB",
        export_animations=False,
        export_skins=False,
        export_morph=False,
        export_yup=True,
        will_save_settings=False,
    )
    arrays = {**bones, "points": np.concatenate(points), "weights": np.concatenate(weights).astype(np.float32)}
    save(skin, arrays)


def refuse_other_files(file: Path) -> None:
    """Refuses pictures that the file only points to: a result may depend on nothing but the file."""
    linked = [image.filepath for image in bpy.data.images if image.source == "FILE" and image.packed_file is None]
    if linked:
        names = ", ".join(sorted({Path(path.replace("\\", "/")).name for path in linked}))
        raise ValueError(f"{file.name} needs other files ({names}): export it with its textures embedded, or as .glb")


def positions(mesh: Any) -> Any:
    """Returns (vertices, 3)."""
    flat = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)


def in_faces(mesh: Any) -> Any:
    """Returns the vertices that faces have: others are in no exported mesh."""
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    return np.unique(corners)


def weights_of(thing: Any, mesh: Any, names: list[str]) -> Any:
    """Returns (vertices, bones); what hangs on a bone as a whole is its own."""
    if len(mesh.vertices) > MOST_VERTICES:
        raise ValueError(f"`{thing.name}` has {len(mesh.vertices):,} vertices: decimate it first")
    weights = np.zeros((len(mesh.vertices), len(names)))
    column = {group.index: names.index(group.name) for group in thing.vertex_groups if group.name in names}
    for index, vertex in enumerate(mesh.vertices):
        for entry in vertex.groups:
            if entry.group in column:
                weights[index, column[entry.group]] = entry.weight
    if not weights.any() and thing.parent_type == "BONE" and thing.parent_bone in names:
        weights[:, names.index(thing.parent_bone)] = 1.0
    return weights


def read_motion(file: Path, target: Path, clip: str) -> None:
    """Writes the turns from rest and the places of the bones at every frame of a clip."""
    armature = armature_of_file(file, is_needed=True)
    action = find_action(file, clip)
    for thing in bpy.context.scene.objects:
        if thing is not armature and thing.animation_data is not None:
            thing.animation_data_clear()
    data = armature.animation_data or armature.animation_data_create()
    for track in list(data.nla_tracks):
        data.nla_tracks.remove(track)
    bones = skeleton(armature)  # before the action moves the armature itself
    rest = [without_scale(matrix(armature.matrix_world @ bone.matrix_local)) for bone in ordered(armature)]
    data.action = action
    slots = [slot for slot in action.slots if slot.target_id_type == "OBJECT"]
    named = [slot for slot in slots if slot.name_display == armature.name]
    if slots:
        data.action_slot = (named or slots)[0]
    first, last = (float(frame) for frame in action.frame_range)  # of a .glb, times that fall between frames
    if last - first > MAX_FRAMES:
        raise ValueError(f"`{action.name}` has {last - first:,.0f} frames: the limit is {MAX_FRAMES:,}")
    turns, places = [], []
    scene = bpy.context.scene
    count = max(1, round(last - first)) + 1
    for frame in np.linspace(first, last, count):
        scene.frame_set(int(np.floor(frame)), subframe=float(frame - np.floor(frame)))
        evaluated = armature.evaluated_get(bpy.context.evaluated_depsgraph_get())
        world = matrix(evaluated.matrix_world)
        posed = [world @ matrix(evaluated.pose.bones[str(name)].matrix) for name in bones["names"]]
        turns.append([quaternion(without_scale(one) @ still.T) for one, still in zip(posed, rest, strict=True)])
        places.append([one[:3, 3] for one in posed])
    fps = scene.render.fps / scene.render.fps_base * (count - 1) / max(last - first, 1e-6)
    save(
        target,
        {**bones, "turns": np.array(turns), "places": np.array(places), "fps": np.array(fps), "up": np.array("z")},
    )


def quaternion(turn: Any) -> Any:
    """Returns (w, x, y, z) of a rotation matrix."""
    from lib import rig_curves

    return rig_curves.quaternion(turn)


def find_action(file: Path, clip: str) -> Any:
    """Returns the action of this name, or one of whose parts (`Armature|walk`) it is; without a name the first one."""
    actions = sorted(bpy.data.actions, key=lambda action: action.name)
    moving = [action for action in actions if action.frame_range[1] > action.frame_range[0]]
    if not actions:
        raise ValueError(f"{file.name} has no motion")
    if not clip:
        return (moving or actions)[0]
    for fits in (lambda name: name == clip, lambda name: clip in name.split("|"), lambda name: name.endswith(clip)):
        found = [action for action in actions if fits(action.name)]
        if found:
            return found[0]
    raise ValueError(f"{file.name} has no clip `{clip}`; it has {', '.join(f'`{one.name}`' for one in actions)}")


def save(file: Path, arrays: dict[str, Any]) -> None:
    """Writes arrays in the order of their names."""
    with file.open("wb") as stream:
        np.savez(stream, **{name: arrays[name] for name in sorted(arrays)})


def main() -> None:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(prog=SCRIPT.name, description="Skeletons, skins and motion of files.")
    parser.add_argument("do", choices=("mesh", "motion"))
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--skin", type=Path, help="where bones and weights go")
    parser.add_argument("--clip", default="", help="which clip (default: the first)")
    parser.add_argument("--result", type=Path, required=True, help="JSON file that says that it is done")
    known = parser.parse_args()
    load(known.source.resolve())
    if known.do == "mesh":
        read_mesh(known.source, known.target.resolve(), known.skin.resolve())
    else:
        read_motion(known.source, known.target.resolve(), known.clip)
    known.result.write_text(json.dumps({"status": "done"}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
