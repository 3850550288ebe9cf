"""Runs inside Blender: keys a bone of an odd name, and fails unless it has made a quarter turn at the second frame.

Usage: name_probe.py LIB_PARENT NAME
"""

import sys

import bpy
import numpy as np

sys.path.insert(0, sys.argv[1])

from lib import rigging
from lib.rig import Bone, Rig
from lib.rig_pose import Pose

bpy.ops.wm.read_factory_settings(use_empty=True)
name = sys.argv[2]
rig = Rig("thing", 0.0, (Bone(name, "", (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)),))
armature = rigging._add_armature(rig, "thing rig", bpy.context.scene.collection)
quarter = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
rigging._bake_poses(armature, rig, [Pose(turn[None], np.zeros(3)) for turn in (np.eye(3), quarter)])
bpy.context.scene.frame_set(2)
bone = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[name]
turned_rad = bone.matrix_basis.to_quaternion().angle
sys.exit(0 if abs(turned_rad - np.pi / 2) < 1e-3 else f"turned by {turned_rad} rad")
