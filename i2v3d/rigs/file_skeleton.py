"""Skeletons and skins that come with a mesh file, brought to the finished mesh and to a preset's names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from i2v3d.errors import UsageError
from i2v3d.geometry.frames import Array
from i2v3d.geometry.rig import Bone
from i2v3d.rigs.bone_names import known_bones
from i2v3d.rigs.fit import Skeleton
from i2v3d.rigs.motion_data import MotionFileError
from i2v3d.rigs.presets import Preset

_NEAR = 2e-4  # of the extent: so near a vertex must be to the file's, after size and place are taken out
_SNAP_RAD = math.radians(20)


class SkinError(UsageError):
    """A skin that is not whole, or not that of the mesh."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)


def matched_weights(vertices: Array, faces: Array, points: Array, weights: Array) -> tuple[Array, float, Array]:
    """Returns the weights (vertices, bones) of a mesh's vertices, and size and offset from the file's units to its.

    Args:
        vertices: (vertices, 3) of the finished mesh.
        faces: Its faces.
        points: (points, 3) of the file; the mesh is these, scaled alike on all axes and moved.
        weights: (points, bones).

    Raises:
        SkinError: The mesh is of another shape, or a vertex is bound to no bone.
    """
    used = np.asarray(vertices, np.float64)[np.unique(faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    file_low, file_high = points.min(axis=0), points.max(axis=0)
    scale = float((high - low).max() / max(float((file_high - file_low).max()), 1e-12))
    offset = (low + high) / 2 - scale * (file_low + file_high) / 2
    found, distance = _nearest(np.asarray(vertices, np.float64), points * scale + offset)
    if (distance > _NEAR * float((high - low).max())).mean() > 1e-3:
        message = "its mesh is not that of the file any more, so the file's skin does not fit"
        raise SkinError(message, "leave out `shape` and `replace` of this object, or use a preset as its rig")
    chosen = np.asarray(weights, np.float64)[found]
    total = chosen.sum(axis=1)
    if not np.isfinite(chosen).all() or (chosen < 0).any():
        raise SkinError("a weight of its skin is negative or not a number", "export the file again")
    if loose := int((total < 1e-3).sum()):
        message = f"{loose} of its {len(total)} vertices are bound to no bone"
        raise SkinError(message, "bind them (in Blender: Weights > Assign, or parent with automatic weights)")
    return chosen / total[:, None], scale, offset


def _nearest(places: Array, points: Array) -> tuple[Array, Array]:
    from scipy.spatial import cKDTree

    distance, found = cKDTree(points).query(places)
    return np.asarray(found), np.asarray(distance)


def file_skeleton(
    preset: Preset,
    names: Sequence[str],
    parents: Sequence[int],
    heads: Array,
    tails: Array,
    *,
    given: Mapping[str, str],
) -> Skeleton:
    """Returns a file's bones as a skeleton.

    Args:
        preset: Whose names the bones take, and how its limbs stand and how far they turn.
        names: In the file, parents before children.
        parents: Index of each bone's parent, -1 for a root; further roots hang on the first one.
        heads: (bones, 3) at rest, mesh frame.
        tails: (bones, 3).
        given: Preset bone -> file bone, over what is known by its name.

    Raises:
        MotionFileError: A given bone is not in the file.
    """
    for bone, name in given.items():
        if name not in names:
            raise MotionFileError(f"the file has no bone `{name}` (for `{bone}`)", f"it has {', '.join(names[:30])}")
    known = {bone: name for bone, name in known_bones(preset, names).items() if name not in given.values()}
    ours = {name: bone for bone, name in {**known, **given}.items()}
    specs = {spec.name: spec for spec in preset.bones}
    called = [ours.get(name, name if name not in specs else f"{name} (file)") for name in names]
    ends = _ends(called, parents, heads, tails, {limb.upper: limb.lower for limb in (*preset.legs, *preset.arms)})
    bones = []
    for index, name in enumerate(called):
        spec = specs.get(name)
        parent = parents[index] if parents[index] >= 0 else 0
        bones.append(
            Bone(
                name,
                called[parent] if index else "",
                _vector(heads[index]),
                _vector(ends[index]),
                spec.stands if spec else None,
                spec.limits_deg if spec else None,
            )
        )
    return Skeleton(_facing(called, heads), {}, {}, tuple(bones), dict(zip(called, names, strict=True)))


def _ends(called: Sequence[str], parents: Sequence[int], heads: Array, tails: Array, below: Mapping[str, str]) -> Array:
    """Returns the tails; that of a limb's bone is where the next one starts, which files often do not say."""
    ends = tails.copy()
    for index, name in enumerate(called):
        children = [other for other, parent in enumerate(parents) if parent == index]
        if name in below and below[name] in called:
            ends[index] = heads[called.index(below[name])]
        elif len(children) == 1 and np.linalg.norm(heads[children[0]] - heads[index]) > 1e-9:
            ends[index] = heads[children[0]]
        if np.linalg.norm(ends[index] - heads[index]) < 1e-9:
            ends[index] = heads[index] + (0.0, 0.0, max(1e-3 * float(np.ptp(heads, axis=0).max()), 1e-6))
    return ends


def _facing(called: Sequence[str], heads: Array) -> float:
    """Returns the turn about z from the rig's axes (x to the creature's left) to the mesh's."""
    across = np.zeros(3)
    for name in called:
        if "left" in name and (other := name.replace("left", "right")) in called:
            across += heads[called.index(name)] - heads[called.index(other)]
    if np.linalg.norm(across[:2]) < 1e-9:
        return 0.0
    turn = math.atan2(across[1], across[0])
    quarter = round(turn / (math.pi / 2)) * (math.pi / 2)
    return quarter if abs(turn - quarter) < _SNAP_RAD else turn


def _vector(place: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) + 0.0 for value in place)
    return x, y, z
