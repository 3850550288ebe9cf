"""Writing a built scene: .blend, .glb, scene cache, cameras, and the result file that says it is whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import bpy

from lib import cache
from lib.actions import FIRST_FRAME
from lib.arguments import Arguments
from lib.build import Clip, Placed
from lib.materials import plain_material


def emit(arguments: Arguments, clip: Clip, placed: Sequence[Placed]) -> None:
    """Writes what was asked for; the result file comes last, so that it vouches for the others."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    if "cache" in arguments.emit or "cameras" in arguments.emit:
        states = cache.write_states(arguments.out / "states", clip, placed)
        if "cache" in arguments.emit:
            cache.write_static(arguments.out / "static", arguments.assets, placed)
        cache.write_cameras(arguments.out / "cameras.json", clip, states)
    bpy.context.scene.frame_set(FIRST_FRAME)
    if "blend" in arguments.emit:
        bpy.ops.wm.save_as_mainfile(filepath=str(arguments.out / "scene.blend"), compress=True, relative_remap=False)
    if "glb" in arguments.emit:
        _write_glb(arguments, placed)
    if arguments.result is not None:
        document = {"status": "done", "emitted": list(arguments.emit), "blender": bpy.app.version_string}
        arguments.result.write_text(json.dumps(document, sort_keys=True) + "\n", encoding="utf-8")


def _write_glb(arguments: Arguments, placed: Sequence[Placed]) -> None:
    """Writes the animated scene; for the exporter each material becomes its plain picture on the plain UV map."""
    for mesh in dict.fromkeys(thing.mesh_object.data for thing in placed):  # a set's order would differ between runs
        material = mesh.materials[0]
        image = next(node.image for node in material.node_tree.nodes if node.type == "TEX_IMAGE")
        mesh.materials[0] = plain_material(f"{material.name} plain", image)
    finished: Any = bpy.ops.export_scene.gltf(
        filepath=str(arguments.out / "scene.glb"),
        export_format="GLB",
        export_animation_mode="SCENE",
        export_cameras=True,
        export_attributes=False,
        export_normals=False,
        export_yup=True,
        will_save_settings=False,
    )
    if finished != {"FINISHED"}:
        raise RuntimeError(f"the glTF exporter ended with {finished}")
