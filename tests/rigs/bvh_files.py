"""Writes .bvh files of our own rigs: any names, axes, units, and any pose as the one at rest."""

import numpy as np

from i2v3d.geometry.rig_pose import Pose, joints

MIXAMO = {
    "hips": "Hips", "spine": "Spine", "chest": "Spine2", "neck": "Neck", "head": "Head", "shoulder": "*Shoulder",
    "upper_arm": "*Arm", "forearm": "*ForeArm", "hand": "*Hand", "thigh": "*UpLeg", "shin": "*Leg", "foot": "*Foot",
    "toes": "*ToeBase",
}  # fmt: skip
CMU = {
    "hips": "root", "spine": "upperback", "chest": "thorax", "neck": "lowerneck", "head": "head",
    "shoulder": "*clavicle", "upper_arm": "*humerus", "forearm": "*radius", "hand": "*hand", "thigh": "*femur",
    "shin": "*tibia", "foot": "*foot", "toes": "*toes",
}  # fmt: skip
Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""From the rig's axes (x left, y back, z up) to those of most files (x left, y up, z ahead)."""


def names_in(rig, style="mixamo"):
    """Returns the names of the rig's bones in a style."""
    table, left, right, prefix = {
        "mixamo": (MIXAMO, "Left", "Right", "mixamorig:"),
        "mixamo_plain": (MIXAMO, "Left", "Right", ""),
        "cmu": (CMU, "l", "r", ""),
    }[style]
    found = {}
    for name in rig.names():
        bone, _, side = name.rpartition("_")
        sides = {"left": left, "right": right}
        found[name] = prefix + (table[bone].replace("*", sides[side]) if side in sides else table[name])
    return found


def write_bvh(file, rig, poses, fps, *, names=None, rest=None, axes=Y_UP, scale=100.0, order="ZXY"):
    """Writes poses of a rig; `rest` is the pose that the file has at rest (that of the rig without)."""
    rest = rest or Pose(np.repeat(np.eye(3)[None], len(rig.bones), axis=0), np.zeros(3))
    names = names or {name: name for name in rig.names()}
    heads, start = joints(rig, rest)
    tails = heads + np.einsum("bij,bj->bi", start, rig.tails() - rig.heads())
    heads, tails = heads @ axes.T * scale, tails @ axes.T * scale
    parents = rig.parents()
    lines, written = ["HIERARCHY"], []

    def add(index, depth):
        pad = "\t" * depth
        parent = parents[index]
        written.append(index)
        offset = heads[index] - (heads[parent] if parent >= 0 else heads[index])
        lines.append(f"{pad}{'JOINT' if depth else 'ROOT'} {names[rig.bones[index].name]}")
        lines.append(f"{pad}{{")
        lines.append(f"{pad}\tOFFSET {' '.join(f'{v:.6f}' for v in offset)}")
        place = "" if depth else "Xposition Yposition Zposition "
        turn = " ".join(f"{axis}rotation" for axis in order)
        lines.append(f"{pad}\tCHANNELS {3 if depth else 6} {place}{turn}")
        below = [other for other, above in enumerate(parents) if above == index]
        for other in below:
            add(other, depth + 1)
        if not below:
            end = " ".join(f"{v:.6f}" for v in tails[index] - heads[index])
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {end}", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    add(0, 0)
    lines += ["MOTION", f"Frames: {len(poses)}", f"Frame Time: {1 / fps:.7f}"]
    for pose in poses:
        places, turns = joints(rig, pose)
        world = [axes @ turns[index] @ start[index].T @ axes.T for index in range(len(parents))]
        row = [*(places[0] @ axes.T * scale)]
        for index in written:
            above = world[parents[index]] if parents[index] >= 0 else np.eye(3)
            row += euler_degrees(above.T @ world[index], order)
        lines.append(" ".join(f"{value:.5f}" for value in row))
    file.write_text("\n".join(lines) + "\n")
    return file


def euler_degrees(turn, order):
    """Returns angles so that turning about the moved axes in this order gives the turn."""
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (i + 1) % 3 == j else -1.0
    middle = np.arcsin(np.clip(sign * turn[i, k], -1, 1))
    first = np.arctan2(-sign * turn[j, k], turn[k, k])
    last = np.arctan2(-sign * turn[i, j], turn[i, i])
    return [float(np.degrees(value)) for value in (first, middle, last)]
