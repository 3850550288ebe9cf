"""Runs inside Blender: writes a skinned clay figure with clips as .glb and .fbx, as modelling programs do.

Usage: make_figure.py LIB_PARENT OUT_FOLDER [unweighted] [textured] [loose]
"""

import sys
from pathlib import Path

import bpy
import numpy as np

lib_parent, out = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(lib_parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lib import rigging  # noqa: E402
from lib.rig import Play, Rig  # noqa: E402
from lib.rig_pose import poses  # noqa: E402

from i2v3d.rigs.clips_others import CLIPS  # noqa: E402
from i2v3d.rigs.fit import fit_skeleton, make_rig  # noqa: E402
from i2v3d.rigs.presets import PRESETS  # noqa: E402
from tests import clay_figures as clay  # noqa: E402
from tests.rigs.bvh_files import names_in  # noqa: E402

FRAMES = 24


def main():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 24
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, FRAMES + 1
    figure = clay.solid(clay.humanoid_parts(), 0.035)
    vertices, faces = np.asarray(figure.vertices), np.asarray(figure.faces)
    preset = PRESETS["humanoid"]
    rig = make_rig(preset, fit_skeleton(preset, vertices, faces, {}), "figure")
    rig = Rig(**vars(rig))
    weights = rigging.bind(rig, vertices, faces)
    if "unweighted" in sys.argv:
        weights[:10] = 0.0
    thing = rigging._mesh_object("Body", vertices, faces)
    armature = rigging._add_armature(rig, "Armature", bpy.context.scene.collection)
    rigging._attach(thing, armature, rig, weights)
    if "loose" in sys.argv:
        thing.data.vertices.add(1)  # left over far away, in no face
        thing.data.vertices[-1].co = (9.0, 9.0, 9.0)
    material = bpy.data.materials.new("clay")
    material.diffuse_color = (0.5, 0.2, 0.1, 1)
    material.use_nodes = True
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = (0.5, 0.15, 0.08, 1)
    thing.data.materials.append(material)
    if "textured" in sys.argv:
        image = bpy.data.images.new("Skin", 8, 8)
        image.filepath_raw, image.file_format = str(out / "skin.png"), "PNG"
        image.save()
        node = material.node_tree.nodes.new("ShaderNodeTexImage")
        node.image = image
        shader = material.node_tree.nodes["Principled BSDF"]
        material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
        thing.data.uv_layers.new(name="UVMap")
    actions = {}
    for name in ("walk", "wave"):
        clip = CLIPS["humanoid"][name]
        play = Play(
            name, 0.0, float(FRAMES), float(FRAMES), turns=clip.turns, lift=clip.lift, contacts=clip.contacts,
            stride=clip.stride, is_cycle=clip.is_cycle,
        )  # fmt: skip
        made = poses(Rig(**{**vars(rig), "plays": (play,)}), FRAMES + 1, [np.eye(4)] * (FRAMES + 1))
        if armature.animation_data is not None:
            armature.animation_data.action = None
        rigging._bake_poses(armature, rig, made)
        actions[name] = armature.animation_data.action
        actions[name].name = name
        actions[name].use_fake_user = True
        np.savez(out / f"{name}_world.npz", places=[rigging_joints(rig, pose) for pose in made])
    names = names_in(rig, "mixamo")
    for action in actions.values():
        for layer in action.layers:
            for strip in layer.strips:
                for bag in strip.channelbags:
                    for curve in bag.fcurves:
                        for ours, theirs in names.items():
                            curve.data_path = curve.data_path.replace(f'["{ours}"]', f'["{theirs}"]')
    for ours, theirs in names.items():
        armature.data.bones[ours].name = theirs
    bpy.ops.export_scene.gltf(filepath=str(out / "figure.glb"), export_animation_mode="ACTIONS")
    bpy.ops.export_scene.fbx(filepath=str(out / "figure.fbx"), add_leaf_bones=False, bake_anim_use_all_actions=True)
    if "textured" in sys.argv:
        bpy.ops.export_scene.fbx(filepath=str(out / "embedded.fbx"), path_mode="COPY", embed_textures=True)


def rigging_joints(rig, pose):
    from lib.rig_pose import joints

    return joints(rig, pose)[0]


main()
