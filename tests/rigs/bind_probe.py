"""Runs inside Blender: binds every mesh of a folder to its preset and writes what came of it as JSON.

Usage: bind_probe.py LIB_PARENT FOLDER; a mesh is PRESET.VARIANT.npz with `vertices` and `faces`, and `pin_JOINT`
with the place of a pinned joint.
"""

import json
import sys
from pathlib import Path

import bpy
import numpy as np

lib_parent, folder = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(lib_parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lib import rigging  # noqa: E402
from lib.rig_skin import checked_pose, crack_width, edge_stretch, skinned  # noqa: E402

from i2v3d.rigs.fit import fit_skeleton, make_rig  # noqa: E402
from i2v3d.rigs.presets import PRESETS  # noqa: E402


def volume(vertices, faces):
    """Returns what the surface holds, seen from its middle: open meshes have a volume too."""
    a, b, c = ((vertices - vertices.mean(axis=0))[faces[:, index]] for index in range(3))
    return abs(float(np.einsum("nc,nc->n", a, np.cross(b, c)).sum() / 6))


def in_blender(rig, vertices, faces, weights):
    """Returns how far Blender's own posed mesh is from the arithmetic of the checks."""
    thing = rigging._mesh_object("thing", vertices, faces)
    armature = rigging._add_armature(rig, "thing rig", bpy.context.scene.collection)
    rigging._attach(thing, armature, rig, weights)
    pose = checked_pose(rig, rig.test_poses[0])
    rigging._bake_poses(armature, rig, [pose])
    bpy.context.scene.frame_set(1)
    evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    posed = np.empty(len(vertices) * 3, np.float32)
    evaluated.vertices.foreach_get("co", posed)
    return float(np.abs(posed.reshape(-1, 3) - skinned(vertices, weights, rig, pose)).max())


def main():
    results = {}
    for file in sorted(folder.glob("*.npz")):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        preset = PRESETS[file.name.split(".")[0]]
        with np.load(file) as arrays:
            vertices, faces = arrays["vertices"].astype(np.float64), arrays["faces"]
            pins = {name.removeprefix("pin_"): arrays[name] for name in arrays.files if name.startswith("pin_")}
        rig = make_rig(preset, fit_skeleton(preset, vertices, faces, pins), file.stem)
        try:
            weights = rigging.bind(rig, vertices, faces)
        except rigging.RigError as error:
            results[file.stem] = {"error": str(error)}
            continue
        posed = [skinned(vertices, weights, rig, checked_pose(rig, turns)) for turns in rig.test_poses]
        results[file.stem] = {
            "unbound": int((weights.sum(axis=1) < 0.999).sum()),
            "bones": int((weights > 0).sum(axis=1).max()),
            "crack": max(crack_width(vertices, one) for one in posed) / float(np.ptp(vertices, axis=0).max()),
            "stretch": max(edge_stretch(vertices, one, faces) for one in posed),
            "volume": [volume(one, faces) / max(volume(vertices, faces), 1e-12) for one in posed],
            "blender": in_blender(rig, vertices, faces, weights),
        }
    (folder / "results.json").write_text(json.dumps(results, indent=1))


main()
