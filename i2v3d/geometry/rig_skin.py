"""Skin weights by arithmetic: welding, nearest bones, whole pieces, and the checks that every bind must pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.motion import Vector, rotation_from_euler
from i2v3d.geometry.rig import Rig
from i2v3d.geometry.rig_pose import Pose, joints

Array = NDArray[Any]

WELD_SHARE = 1e-6  # of the mesh's extent; nearer vertices are one place
CRACK_M = 1e-4  # on a figure of 1.7 m
FIGURE_M = 1.7
MAX_STRETCH = 3.0
SMALL_ISLAND = 0.02  # of the largest piece's vertices
BONES_PER_VERTEX = 4  # what glTF and game engines take


def weld(vertices: Array) -> tuple[Array, Array]:
    """Returns the places (n, 3) of a mesh and the place of each vertex; doubled vertices share one."""
    step = max(float(np.ptp(vertices, axis=0).max()) * WELD_SHARE, 1e-12)
    cells = np.round(np.asarray(vertices, np.float64) / step).astype(np.int64)
    _, first, place = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return np.asarray(vertices[first], np.float64), np.asarray(place).reshape(-1)


def pieces(faces: Array, count: int) -> Array:
    """Returns the number of the connected piece of each of `count` welded places."""
    label = np.arange(count)
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    while True:
        low = np.minimum(label[edges[:, 0]], label[edges[:, 1]])
        before = label.copy()
        np.minimum.at(label, edges[:, 0], low)
        np.minimum.at(label, edges[:, 1], low)
        label = label[label]
        if np.array_equal(before, label):
            return np.asarray(np.unique(label, return_inverse=True)[1]).reshape(-1)


def bones_inside(points: Array, rig: Rig) -> Array:
    """Returns which bones can move a mesh: those whose middle is in its bounds (a picture may cut a figure)."""
    low, high = points.min(axis=0), points.max(axis=0)
    slack = 0.02 * (high - low).max()
    middles = np.array([(np.array(bone.head) + np.array(bone.tail)) / 2 for bone in rig.bones])
    is_inside = ((middles >= low - slack) & (middles <= high + slack)).all(axis=1)
    return is_inside if is_inside.any() else np.ones(len(rig.bones), bool)


def bone_distances(points: Array, rig: Rig) -> Array:
    """Returns (points, bones): how far each point (mesh frame) is from each bone."""
    found = []
    for bone in rig.bones:
        head, tail = np.array(bone.head), np.array(bone.tail)
        way = tail - head
        share = np.clip((points - head) @ way / max(float(way @ way), 1e-18), 0.0, 1.0)
        found.append(np.linalg.norm(points - (head + share[:, None] * way), axis=1))
    return np.stack(found, axis=1)


def nearest_bone_weights(points: Array, rig: Rig, is_inside: Array) -> Array:
    """Returns (points, bones) weights of the bones inside that fall with the fourth power of the distance."""
    distances = np.where(is_inside, bone_distances(points, rig), np.inf)
    nearest = np.maximum(distances, max(1e-4 * float(np.ptp(points, axis=0).max()), 1e-12))
    return strongest((nearest.min(axis=1, keepdims=True) / nearest) ** 4)


def rigid_weights(points: Array, faces: Array, rig: Rig) -> Array:
    """Returns (points, bones) weights of a thing of hard parts: wheels take what is round them, the root the rest.

    A piece of the mesh whose middle is in a wheel belongs to it whole; of a mesh in one piece, what lies within
    the wheel's radius does.
    """
    names = rig.names()
    weights = np.zeros((len(points), len(names)))
    weights[:, 0] = 1.0
    label = pieces(faces, len(points))
    count = np.bincount(label)
    middles = np.stack([np.bincount(label, points[:, axis]) / count for axis in range(3)], axis=1)
    is_loose = count[label] < 0.5 * len(points)
    across = rig.mesh_from_rig[:, 0]
    for name, radius in rig.wheels.items():
        index = names.index(name)
        bone = rig.bones[index]
        middle = (np.array(bone.head) + np.array(bone.tail)) / 2
        flat = (points - middle) - ((points - middle) @ across)[:, None] * across
        is_side = np.abs((points - middle) @ across) < radius
        is_near = (np.linalg.norm(flat, axis=1) <= 1.05 * radius) & is_side & ~is_loose
        of_piece = np.linalg.norm(middles - middle, axis=1)[label] < 0.6 * radius
        taken = is_near if not (of_piece & is_loose).any() else of_piece & is_loose
        weights[taken] = 0.0
        weights[taken, index] = 1.0
    return weights


def stiffened(weights: Array, faces: Array) -> Array:
    """Returns the weights with each small island moving as one: what is left over of a mesh must not tear."""
    label = pieces(faces, len(weights))
    sizes = np.bincount(label)
    is_small = (sizes < SMALL_ISLAND * sizes.max())[label]
    if not is_small.any():
        return weights
    sums = np.zeros((len(sizes), weights.shape[1]))
    np.add.at(sums, label, weights)
    whole = strongest(sums)
    return np.where(is_small[:, None], whole[label], weights)


def strongest(weights: Array) -> Array:
    """Returns the weights of the four strongest bones of each row, their sum one; rows of zeros stay."""
    if weights.shape[1] > BONES_PER_VERTEX:
        order = np.argsort(-weights, axis=1, kind="stable")[:, :BONES_PER_VERTEX]
        kept = np.zeros_like(weights)
        np.put_along_axis(kept, order, np.take_along_axis(weights, order, 1), 1)
        weights = kept
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 1e-9)


def skinned(points: Array, weights: Array, rig: Rig, pose: Pose) -> Array:
    """Returns the points (mesh frame) moved by the bones, as Blender's armature modifier does."""
    places, turns = joints(rig, pose)
    local = np.asarray(points, np.float64) @ rig.mesh_from_rig
    moved = np.zeros_like(local)
    for index, head in enumerate(rig.heads()):
        share = weights[:, index]
        if share.any():
            moved += share[:, None] * ((local - head) @ turns[index].T + places[index])
    return moved @ rig.mesh_from_rig.T


def checked_pose(rig: Rig, turns_deg: Mapping[str, Vector]) -> Pose:
    """Returns a pose with these turns and everything else at rest."""
    turns = np.repeat(np.eye(3)[None], len(rig.bones), axis=0)
    for name, degrees in turns_deg.items():
        turns[rig.names().index(name)] = rotation_from_euler(np.radians(np.array(degrees)))
    return Pose(turns, np.zeros(3))


def skin_faults(vertices: Array, faces: Array, weights: Array, rig: Rig) -> tuple[str, ...]:
    """Returns what is wrong with the weights of a mesh; empty when they hold in every test pose."""
    faults = []
    if not np.isfinite(weights).all():
        return ("a weight is not a number",)
    if loose := int((np.abs(weights.sum(axis=1) - 1.0) > 1e-4).sum()):
        faults.append(f"{loose} of {len(weights)} vertices are bound to no bone")
    for number, turns in enumerate(rig.test_poses):
        posed = skinned(vertices, weights, rig, checked_pose(rig, turns))
        crack, allowed = crack_width(vertices, posed), CRACK_M / FIGURE_M * _extent(vertices)
        if crack > allowed:
            faults.append(f"test pose {number + 1} opens a crack of {crack / _extent(vertices):.2%} of its size")
        stretch = edge_stretch(vertices, posed, faces)
        if stretch > MAX_STRETCH and not rig.is_rigid:
            faults.append(f"test pose {number + 1} stretches edges {stretch:.1f} times, above {MAX_STRETCH:g}")
    return tuple(faults)


def crack_width(rest: Array, posed: Array) -> float:
    """Returns how far vertices get apart that are at one place at rest."""
    places, place = weld(rest)
    low, high = np.full((len(places), 3), np.inf), np.full((len(places), 3), -np.inf)
    np.minimum.at(low, place, posed)
    np.maximum.at(high, place, posed)
    return float(np.linalg.norm(high - low, axis=1).max())


def edge_stretch(rest: Array, posed: Array, faces: Array) -> float:
    """Returns by what factor the longest-drawn edges (99.9 %) grow; of hair-thin ones only the growth counts."""
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    before = np.linalg.norm(rest[edges[:, 0]] - rest[edges[:, 1]], axis=1)
    after = np.linalg.norm(posed[edges[:, 0]] - posed[edges[:, 1]], axis=1)
    return float(np.quantile(after / np.maximum(before, 1e-3 * _extent(rest)), 0.999))


def _extent(points: Array) -> float:
    return max(float(np.ptp(points, axis=0).max()), 1e-12)
