"""Runs inside Blender: keys a bone of an odd name and prints how far it has turned at the second frame, in radians.

Usage: name_probe.py LIB_PARENT NAME
"""

import sys

import bpy
import numpy as np

sys.path.insert(0, sys.argv[1])

from lib import rigging  # noqa: E402
from lib.rig import Bone, Rig  # noqa: E402
from lib.rig_pose import Pose  # noqa: E402

bpy.ops.wm.read_factory_settings(use_empty=True)
name = sys.argv[2]
rig = Rig("thing", 0.0, (Bone(name, "", (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)),))
armature = rigging._add_armature(rig, "thing rig", bpy.context.scene.collection)
quarter = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
rigging._bake_poses(armature, rig, [Pose(turn[None], np.zeros(3)) for turn in (np.eye(3), quarter)])
bpy.context.scene.frame_set(2)
bone = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[name]
print(f"turned {bone.matrix_basis.to_quaternion().angle:.4f}")
