"""Fits a preset's joints to a mesh: extents, symmetric parts, and the middle of the body at every joint.

Works in the rig's axes on the mesh's vertices: slices of the outline give the middle line and where
arms, legs, wheels and ends are. What the user pinned in the picture goes before all of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.rig import Bone, Limb, Rig
from i2v3d.geometry.rig_skin import pieces, weld
from i2v3d.rigs.presets import Preset

_SPREAD = 0.33  # heights from the middle: arms that reach further are spread
_LONG = 1.2  # how much longer than wide a body lies across the picture


@dataclass(frozen=True)
class Skeleton:
    """A preset's joints in a mesh's frame, or the bones that the mesh came with.

    Attributes:
        turn_rad: Turn about z from the rig's axes to the mesh's.
        joints: Places by joint, in the mesh's units.
        wheels: Radius by wheel.
        bones: Of a file, in the place of those between joints: named as the preset's where they are known.
        file_names: What those bones are called in the file.
    """

    turn_rad: float
    joints: Mapping[str, tuple[float, float, float]]
    wheels: Mapping[str, float] = field(default_factory=dict)
    bones: tuple[Bone, ...] = ()
    file_names: Mapping[str, str] = field(default_factory=dict)


def fit_skeleton(preset: Preset, vertices: Array, faces: Array, pins: Mapping[str, Array]) -> Skeleton:
    """Returns the preset's joints fitted to a mesh.

    Args:
        preset: The skeleton.
        vertices: (vertices, 3), mesh frame: z up, an upright creature looking along -y.
        faces: (faces, 3).
        pins: Places of pinned joints, mesh frame.
    """
    points = np.asarray(vertices, np.float64)
    turn = _turn_of(preset, points)
    cos, sin = math.cos(turn), math.sin(turn)
    mesh_from_rig = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    local = points @ mesh_from_rig
    fitted = {
        "upright": _upright,
        "four_legs": _four_legs,
        "chain": _chain,
        "wings": _wings,
        "wheels": _wings,
        "box": _upright_line,
    }[preset.body](preset, local)
    wheels: dict[str, float] = {}
    if preset.wheels:
        wheels = _fit_wheels(preset, local, faces, fitted)
    _apply_pins(preset, fitted, {name: place @ mesh_from_rig for name, place in pins.items()}, local)
    joints = {name: _vector(mesh_from_rig @ place) for name, place in fitted.items()}
    return Skeleton(turn, joints, wheels)


def make_bones(preset: Preset, skeleton: Skeleton) -> tuple[Bone, ...]:
    """Returns the preset's bones between the fitted joints, or those of the file."""
    if skeleton.bones:
        return skeleton.bones
    return tuple(
        Bone(
            bone.name,
            bone.parent,
            skeleton.joints[bone.head],
            skeleton.joints[bone.tail],
            bone.stands,
            bone.limits_deg,
        )
        for bone in preset.bones
    )


def make_rig(preset: Preset, skeleton: Skeleton, name: str = "") -> Rig:
    """Returns the rig at rest, playing nothing; a limb that its bones do not make up is left out."""
    bones = make_bones(preset, skeleton)
    parents = {bone.name: bone.parent for bone in bones}

    def is_whole(limb: Limb) -> bool:
        return parents.get(limb.end) == limb.lower and parents.get(limb.lower) == limb.upper

    return Rig(
        name,
        skeleton.turn_rad,
        bones,
        legs=tuple(filter(is_whole, preset.legs)),
        arms=tuple(filter(is_whole, preset.arms)),
        wheels=skeleton.wheels,
        is_rigid=preset.body == "wheels",
        test_poses=() if skeleton.bones else preset.test_poses,
    )


def place_along_ray(vertices: Array, origin: Array, direction: Array) -> Array:
    """Returns the middle of the mesh where a ray crosses it (all in the mesh's frame)."""
    points = np.asarray(vertices, np.float64)
    ray = direction / np.linalg.norm(direction)
    along = (points - origin) @ ray
    aside = np.linalg.norm(points - origin - along[:, None] * ray, axis=1)
    radius = max(0.03 * float(np.ptp(points, axis=0).max()), float(aside.min()) * 1.05)
    near = along[aside <= radius]
    return np.asarray(origin + ray * (near.min() + near.max()) / 2)


def _vector(place: Array) -> tuple[float, float, float]:
    x, y, z = (round(float(value), 6) + 0.0 for value in place)
    return x, y, z


def _turn_of(preset: Preset, points: Array) -> float:
    """Returns how the creature is turned: bodies that lie along x look to the end where the head is."""
    low, high = points.min(axis=0), points.max(axis=0)
    width, depth = high[:2] - low[:2]
    if preset.body not in ("four_legs", "chain", "wheels"):
        return 0.0
    if width > _LONG * depth:
        return math.pi / 2 if _head_is_last(preset, points, 0) else -math.pi / 2
    return math.pi if _head_is_last(preset, points, 1) else 0.0


def _head_is_last(preset: Preset, points: Array, axis: int) -> bool:
    """Returns whether the head is at the high end of an axis: the higher end, or of a chain the thicker one."""
    share = (points[:, axis] - points[:, axis].min()) / max(float(np.ptp(points[:, axis])), 1e-12)
    ends = []
    for part in (points[share < 0.25], points[share > 0.75]):
        across = np.ptp(part[:, [1 - axis, 2]], axis=0).max() if len(part) else 0.0
        ends.append(float(across) if preset.body == "chain" else float(part[:, 2].max()) if len(part) else 0.0)
    return preset.body != "wheels" and ends[1] > 1.02 * ends[0]


def _scaled(preset: Preset, points: Array, size: Array, middle: Array) -> dict[str, Array]:
    return {name: middle + np.array(place) * size for name, place in preset.joints.items()}


def _middle(points: Array, place: Array, axes: tuple[int, ...], radius: float) -> Array:
    """Returns the place moved to the middle of what is near it, along these axes."""
    others = [axis for axis in range(3) if axis not in axes]
    near = points[np.linalg.norm(points[:, others] - place[others], axis=1) < radius]
    moved = place.copy()
    if len(near) > 2:
        for axis in axes:
            moved[axis] = (near[:, axis].min() + near[:, axis].max()) / 2
    return moved


def _slice(points: Array, height: float, thickness: float) -> Array:
    return points[np.abs(points[:, 2] - height) < thickness]


def _upright(preset: Preset, points: Array) -> dict[str, Array]:
    low, high = points.min(axis=0), points.max(axis=0)
    tall = float(high[2] - low[2])
    trunk = _slice(points, low[2] + 0.65 * tall, 0.06 * tall)
    trunk = trunk if len(trunk) > 2 else points
    middle = np.array(
        [(trunk[:, 0].min() + trunk[:, 0].max()) / 2, (trunk[:, 1].min() + trunk[:, 1].max()) / 2, low[2]]
    )
    joints = _scaled(preset, points, np.full(3, tall), middle)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _fit_arm(joints, points, side, sign, middle=middle, tall=tall)
        _fit_leg(joints, points, side, sign, middle=middle, tall=tall)
    for name in ("hips", "waist", "chest", "neck", "head", "crown"):
        joints[name] = _middle(points, joints[name], (1,), 0.05 * tall)
    joints["hips"][1] = joints["waist"][1] = joints["chest"][1]
    return joints


def _fit_arm(joints: dict[str, Array], points: Array, side: str, sign: float, *, middle: Array, tall: float) -> None:
    band = points[(points[:, 2] > middle[2] + 0.35 * tall) & (points[:, 2] < middle[2] + 0.95 * tall)]
    if not len(band):
        return
    out = sign * (band[:, 0] - middle[0])
    shoulder = joints[f"{side}_shoulder"]
    if out.max() > _SPREAD * tall:
        tip = band[out > out.max() - 0.03 * tall].mean(axis=0)
        for name, share in (("elbow", 0.4), ("wrist", 0.78), ("fingers", 1.0)):
            place = shoulder + share * (tip - shoulder)
            joints[f"{side}_{name}"] = _middle(points, place, (1,), 0.04 * tall) if share < 1 else tip
    else:
        for name, height in (("elbow", 0.61), ("wrist", 0.49), ("fingers", 0.42)):
            row = _slice(points, middle[2] + height * tall, 0.03 * tall)
            row = row[sign * (row[:, 0] - middle[0]) > 0]
            edge = float((sign * (row[:, 0] - middle[0])).max()) if len(row) else 0.15 * tall
            place = np.array(
                [middle[0] + sign * max(edge - 0.03 * tall, 0.08 * tall), middle[1], middle[2] + height * tall]
            )
            joints[f"{side}_{name}"] = _middle(points, place, (1,), 0.04 * tall)
    joints[f"{side}_shoulder"] = _middle(points, shoulder, (1,), 0.04 * tall)
    joints[f"{side}_collar"] = _middle(points, joints[f"{side}_collar"], (1,), 0.04 * tall)


def _fit_leg(joints: dict[str, Array], points: Array, side: str, sign: float, *, middle: Array, tall: float) -> None:
    for name in ("knee", "ankle"):
        place = joints[f"{side}_{name}"]
        row = _slice(points, place[2], 0.04 * tall)
        row = row[sign * (row[:, 0] - middle[0]) > 0.005 * tall]
        if len(row) > 2:
            joints[f"{side}_{name}"] = np.array([(row[:, 0].min() + row[:, 0].max()) / 2, *place[1:]])
    knee, ankle = joints[f"{side}_knee"], joints[f"{side}_ankle"]
    joints[f"{side}_hip"][0] = middle[0] + 0.9 * (knee[0] - middle[0])
    joints[f"{side}_hip"][1] = middle[1]
    joints[f"{side}_knee"] = _middle(points, knee, (1,), 0.04 * tall)
    sole = points[(points[:, 2] < middle[2] + 0.04 * tall) & (sign * (points[:, 0] - middle[0]) > 0)]
    if len(sole) > 2:
        toe, heel = float(sole[:, 1].min()), float(sole[:, 1].max())
        joints[f"{side}_ankle"][1] = (
            min(joints[f"{side}_knee"][1], heel - 0.3 * (heel - toe)) if heel > toe else ankle[1]
        )
        joints[f"{side}_toes"][:2] = ankle[0], toe
        joints[f"{side}_ball"][:2] = ankle[0], toe + 0.3 * (heel - toe)


def _four_legs(preset: Preset, points: Array) -> dict[str, Array]:
    low, high = points.min(axis=0), points.max(axis=0)
    tall = float(high[2] - low[2])
    feet = points[points[:, 2] < low[2] + 0.12 * tall]
    centre = (feet[:, 1].min() + feet[:, 1].max()) / 2
    front, hind = (feet[sign * (feet[:, 1] - centre) >= 0] for sign in (-1, 1))
    front_y, hind_y = ((part[:, 1].min() + part[:, 1].max()) / 2 if len(part) else centre for part in (front, hind))
    width = max(float(np.quantile(np.abs(feet[:, 0] - feet[:, 0].mean()), 0.5)), 0.02 * tall)
    length = max(float(hind_y - front_y), 0.2 * tall) / 0.74
    middle = np.array([(feet[:, 0].min() + feet[:, 0].max()) / 2, (front_y + hind_y) / 2, low[2]])
    joints = _scaled(preset, points, np.array([width / 0.13, length, tall]), middle)
    joints["muzzle"][1] = low[1] + 0.02 * tall
    if high[1] > joints["tail_root"][1] + 0.1 * tall:
        joints["tail_tip"][1] = high[1]
        joints["tail_middle"][1] = (joints["tail_root"][1] + high[1]) / 2
    for name in ("rump", "loin", "withers", "chest", "muzzle", "tail_middle", "tail_tip"):
        joints[name] = _middle_above(points, joints[name], 0.06 * tall, low[2] + 0.4 * tall)
    joints["poll"][1] = joints["chest"][1] + 0.45 * (joints["muzzle"][1] - joints["chest"][1])
    joints["poll"] = _middle_above(points, joints["poll"], 0.06 * tall, low[2] + 0.5 * tall)
    joints["tail_root"] = _middle_above(points, joints["tail_root"], 0.06 * tall, low[2] + 0.4 * tall)
    return joints


def _middle_above(points: Array, place: Array, radius: float, floor: float) -> Array:
    """Returns the place moved to the middle height of the body (not the legs) in its slice."""
    near = points[(np.abs(points[:, 1] - place[1]) < radius) & (points[:, 2] > floor)]
    moved = place.copy()
    if len(near) > 2:
        moved[2] = (near[:, 2].min() + near[:, 2].max()) / 2
        moved[0] = (near[:, 0].min() + near[:, 0].max()) / 2
    return moved


def _chain(preset: Preset, points: Array) -> dict[str, Array]:
    low, high = points.min(axis=0), points.max(axis=0)
    long = float(high[1] - low[1])
    joints = {}
    for name, (_, y, _) in preset.joints.items():
        at = low[1] + (y + 0.5) * long
        near = points[np.abs(points[:, 1] - at) < 0.06 * long]
        place = (near.min(axis=0) + near.max(axis=0)) / 2 if len(near) > 2 else (low + high) / 2
        joints[name] = np.array([place[0], at, place[2]])
    return joints


def _wings(preset: Preset, points: Array) -> dict[str, Array]:
    """Scales the preset's own box to the mesh's."""
    low, high = points.min(axis=0), points.max(axis=0)
    places = np.array(list(preset.joints.values()))
    first, last = places.min(axis=0), places.max(axis=0)
    if preset.body == "wheels":
        first, last = np.array([-0.6, -1.2, 0.0]), np.array([0.6, 1.2, 0.8])
    share = (places - first) / np.maximum(last - first, 1e-9)
    inset = 0.0 if preset.body == "wheels" else 0.03
    share = inset + (1 - 2 * inset) * share
    fitted = low + share * (high - low)
    return dict(zip(preset.joints, fitted, strict=True))


def _upright_line(preset: Preset, points: Array) -> dict[str, Array]:
    """Puts joints on the middle line of an upright thing."""
    low, high = points.min(axis=0), points.max(axis=0)
    tall = float(high[2] - low[2])
    joints = {}
    for name, (_, _, z) in preset.joints.items():
        row = _slice(points, low[2] + z * tall, 0.08 * tall)
        row = row if len(row) > 2 else points
        joints[name] = np.array([*((row.min(axis=0) + row.max(axis=0)) / 2)[:2], low[2] + z * tall])
    return joints


def _fit_wheels(preset: Preset, points: Array, faces: Array, joints: dict[str, Array]) -> dict[str, float]:
    """Moves wheels onto pieces of the mesh that stand on the ground near them; returns the radius of each."""
    places, place = weld(points)
    label = pieces(place[faces], len(places))
    low, high = places.min(axis=0), places.max(axis=0)
    tall = float(high[2] - low[2])
    boxes = []
    for piece in range(int(label.max()) + 1):
        part = places[label == piece]
        first, last = part.min(axis=0), part.max(axis=0)
        if len(part) > 8 and first[2] < low[2] + 0.05 * tall and last[2] - first[2] < 0.75 * tall:
            boxes.append((first, last))
    radii = {}
    for wheel in preset.wheels:
        middle = (joints[f"{wheel}_inner"] + joints[f"{wheel}_outer"]) / 2
        radii[wheel] = round(float(middle[2] - low[2]), 6)
        if not boxes:
            continue
        first, last = min(boxes, key=lambda box: float(np.linalg.norm(((box[0] + box[1]) / 2 - middle)[:2])))
        centre = (first + last) / 2
        inner, outer = (first[0], last[0]) if middle[0] > 0 else (last[0], first[0])
        joints[f"{wheel}_inner"] = np.array([inner, centre[1], centre[2]])
        joints[f"{wheel}_outer"] = np.array([outer, centre[1], centre[2]])
        radii[wheel] = round(float((last[2] - first[2]) / 2), 6)
    return radii


def _apply_pins(preset: Preset, joints: dict[str, Array], pins: Mapping[str, Array], points: Array) -> None:
    """Puts pinned joints where they are pinned, and carries the others along.

    Two pins and more say where the whole preset is (of a figure that the picture cuts, the mesh's extents do
    not); one pin carries the joints below it.
    """
    if len(pins) >= 2:
        given = np.array([preset.joints[name] for name in pins])
        places = np.array(list(pins.values()))
        spread = np.linalg.norm(given - given.mean(axis=0), axis=1)
        if spread.max() > 1e-6:
            scale = float(np.linalg.norm(places - places.mean(axis=0), axis=1).sum() / spread.sum())
            for name, place in preset.joints.items():
                joints[name] = places.mean(axis=0) + scale * (np.array(place) - given.mean(axis=0))
                joints[name] = _middle(points, joints[name], (1,), 0.04 * float(np.ptp(points, axis=0).max()))
    ways = {name: place - joints[name] for name, place in pins.items()}
    carried = {bone.tail: bone.head for bone in preset.bones}
    moved = {}
    for name in joints:
        above, seen = name, set()
        while above not in ways and above in carried and above not in seen:
            seen.add(above)
            above = carried[above]
        if above in ways:
            moved[name] = joints[name] + ways[above]
    joints.update(moved)
