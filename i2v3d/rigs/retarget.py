"""Brings the motion of a file's skeleton to a rig: by world turns, so that the two may rest in different poses.

A limb of the rig points where the file's limb points; the trunk, head and feet turn from rest as the
file's do. The way of the root is scaled by the length of the legs. Everything is in the rig's axes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from i2v3d.geometry.frames import Array
from i2v3d.geometry.motion import rotation_about
from i2v3d.geometry.rig import Interval, Rig, Track
from i2v3d.geometry.rig_curves import quaternions_of, rotations_of, turn_between
from i2v3d.rigs.foot_contacts import find_steps, floor_height
from i2v3d.rigs.motion_data import MotionData, MotionFileError

MOST_SAMPLES_PER_S = 120.0
TURNED_AWAY_RAD = math.radians(30)  # a clip that starts turned further from its rest is turned ahead
_SNAP_COS = math.cos(math.radians(20))  # nearer than this to an axis of the file, the axis is meant


@dataclass(frozen=True)
class FileClip:
    """A clip of a file on a rig.

    Attributes:
        duration_s: Its length in the file.
        contacts: Shares of it in which a leg's end stands on the ground.
        stride: Way over the ground, in lengths of a leg.
        is_on_the_spot: It walks without getting anywhere, as on a treadmill.
    """

    track: Track
    duration_s: float
    contacts: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    stride: float = 0.0
    is_on_the_spot: bool = False


def retarget(
    rig: Rig, data: MotionData, bones: Mapping[str, str], *, up: str = "", rig_from_file: Array | None = None
) -> FileClip:
    """Returns a file's motion on a rig.

    Args:
        rig: At rest.
        data: The file's skeleton and motion.
        bones: The file's bone of each bone of the rig that has one.
        up: Which axis of the file is up (`y`, `-z` ...); found in its rest pose without.
        rig_from_file: 3x3 turn between the axes, of a file that the rig itself comes from.

    Raises:
        MotionFileError: Its axes can't be told.
    """
    data = _resampled(data)
    rows = {name: data.names.index(file_bone) for name, file_bone in bones.items()}
    turn = file_axes(data, rows, up or data.up) if rig_from_file is None else rig_from_file
    turns = turn @ rotations_of(data.turns) @ turn.T
    rest, places = data.heads @ turn.T, data.places @ turn.T
    if rig_from_file is None:
        ahead = rotation_about(np.array([0.0, 0.0, 1.0]), -_start_heading(rows, rest, places[0]))
        turns, places = ahead @ turns, places @ ahead.T
    world = _world_turns(rig, data, rows, turns, rest=rest, tails=data.tails @ turn.T, is_own=rig_from_file is not None)
    local = world.copy()
    for index, parent in enumerate(rig.parents()):
        if parent >= 0:
            local[:, index] = np.swapaxes(world[:, parent], -1, -2) @ world[:, index]
    leg, scale = rig.leg_length(), _leg_scale(rig, rows, rest)
    heads = _posed_heads(rig, world)
    root = rig.bones[0].name if rig.bones[0].name in rows else next(iter(rows))
    at = rig.names().index(root)
    start = places[0, rows[root]].copy()
    if rig_from_file is not None:
        start[2] = rest[rows[root], 2]
    way = rig.heads()[at] + scale * (places[:, rows[root]] - start) - heads[:, at]
    feet = [rig.names().index(limb.end) for limb in rig.legs if limb.end in rows]
    if feet and rig_from_file is None:
        # Where its ground is, the file does not say: where its lowest foot stands.
        lows = (heads[:, feet, 2] + way[:, None, 2] - rig.heads()[feet, 2]).min(axis=1)
        way[:, 2] -= leg * floor_height(lows / leg, data.fps)
    places_of_feet = heads[:, feet] + way[:, None] - rig.heads()[feet] * (0, 0, 1)
    steps = find_steps(places_of_feet / leg, way / leg, data.fps)
    names = tuple(name for name in rig.names() if name in rows)
    kept = [rig.names().index(name) for name in names]
    return FileClip(
        Track(names, quaternions_of(local[:, kept]), way / leg),
        data.duration_s(),
        {rig.bones[foot].name: spans for foot, spans in zip(feet, steps.contacts, strict=True) if spans},
        steps.stride,
        steps.is_on_the_spot,
    )


def file_axes(data: MotionData, rows: Mapping[str, int], up: str) -> Array:
    """Returns the 3x3 turn from the file's axes to the rig's (x left, y back, z up), by its rest pose.

    Raises:
        MotionFileError: Left and right, or up and down, can't be told.
    """
    heads = data.heads
    root = heads[next(iter(rows.values()))]
    if up:
        upward = np.zeros(3)
        upward["xyz".index(up[-1])] = -1.0 if up.startswith("-") else 1.0
    else:
        feet = [
            heads[row] for name, row in rows.items() if name.startswith(("foot", "shin", "thigh")) or "foot" in name
        ]
        top = heads[rows["head"]] if "head" in rows else root
        rise = top - np.mean(feet, axis=0) if feet else data.tails[next(iter(rows.values()))] - root
        if np.linalg.norm(rise) < 1e-9:
            raise MotionFileError("which way the file's skeleton stands can't be told", "say which axis is up: `up: y`")
        upward = np.zeros(3)
        upward[np.argmax(np.abs(rise))] = np.sign(rise[np.argmax(np.abs(rise))])
    left = _across(rows, heads)
    left = left - (left @ upward) * upward
    if np.linalg.norm(left) < 1e-9:
        hint = "say which bones are left and right: `bones: {thigh_left: NAME, thigh_right: NAME}`, and `up: y`"
        raise MotionFileError("which way the file's skeleton looks can't be told", hint)
    left = left / np.linalg.norm(left)
    nearest = np.zeros(3)
    nearest[np.argmax(np.abs(left))] = np.sign(left[np.argmax(np.abs(left))])
    if left @ nearest > _SNAP_COS and abs(nearest @ upward) < 0.5:
        left = nearest
    return np.stack([left, np.cross(upward, left), upward])


def _across(rows: Mapping[str, int], heads: Array) -> Array:
    """Returns the way from right to left, summed over the pairs of bones."""
    pairs = [(row, rows.get(name.replace("left", "right"))) for name, row in rows.items() if "left" in name]
    return np.sum([heads[left] - heads[right] for left, right in pairs if right is not None] or [np.zeros(3)], axis=0)


def _start_heading(rows: Mapping[str, int], rest: Array, start: Array) -> float:
    """Returns how far the body is turned at the start from how it rests; 0 for a stance."""
    trunk = {name: row for name, row in rows.items() if name.startswith(("thigh", "upper_arm", "front", "hind"))}
    across = _across(trunk or rows, start)
    if np.linalg.norm(across[:2]) < 0.2 * np.linalg.norm(_across(trunk or rows, rest)):
        return 0.0  # it lies on its side
    heading = math.atan2(across[1], across[0])
    return heading if abs(heading) > TURNED_AWAY_RAD else 0.0


def _world_turns(
    rig: Rig, data: MotionData, rows: Mapping[str, int], turns: Array, *, rest: Array, tails: Array, is_own: bool
) -> Array:
    """Returns (frames, bones, 3, 3): turns of the rig's bones from rest; what the file lacks goes with its parent."""
    heads, ends, names = rig.heads(), rig.tails(), rig.names()
    world, aligned = np.zeros((len(turns), len(names), 3, 3)), np.repeat(np.eye(3)[None], len(names), axis=0)
    for index, (bone, parent) in enumerate(zip(rig.bones, rig.parents(), strict=True)):
        if bone.name not in rows:
            world[:, index] = world[:, parent] if parent >= 0 else np.eye(3)
            continue
        if bone.stands is not None and not is_own:
            below = next((other for other in rig.bones if other.parent == bone.name and other.name in rows), None)
            ours = (ends[index] if below is None else heads[names.index(below.name)]) - heads[index]
            theirs = (tails[rows[bone.name]] if below is None else rest[rows[below.name]]) - rest[rows[bone.name]]
            if min(np.linalg.norm(ours), np.linalg.norm(theirs)) > 1e-9:
                aligned[index] = turn_between(ours, theirs)
            elif parent >= 0:
                aligned[index] = aligned[parent]
        world[:, index] = turns[:, rows[bone.name]] @ aligned[index]
    return world


def _posed_heads(rig: Rig, world: Array) -> Array:
    """Returns (frames, bones, 3): the bones' heads under world turns, the root at rest."""
    heads = rig.heads()
    found = np.repeat(heads[None], len(world), axis=0)
    for index, parent in enumerate(rig.parents()):
        if parent >= 0:
            found[:, index] = found[:, parent] + world[:, parent] @ (heads[index] - heads[parent])
    return found


def _leg_scale(rig: Rig, rows: Mapping[str, int], rest: Array) -> float:
    """Returns the rig's length for one of the file's: of the legs, or of all bones that both have."""
    names, heads = rig.names(), rig.heads()
    ours = theirs = 0.0
    for leg in rig.legs:
        chain = (leg.upper, leg.lower, leg.end)
        if all(name in rows for name in chain):
            for first, second in itertools.pairwise(chain):
                ours += float(np.linalg.norm(heads[names.index(second)] - heads[names.index(first)]))
                theirs += float(np.linalg.norm(rest[rows[second]] - rest[rows[first]]))
    if theirs <= 0:
        ours = float(np.ptp([heads[names.index(name)] for name in rows], axis=0).max())
        theirs = float(np.ptp([rest[row] for row in rows.values()], axis=0).max())
    return ours / theirs if theirs > 0 else 1.0


def _resampled(data: MotionData) -> MotionData:
    """Returns the motion at 120 samples a second where the file has more: nothing of a body is faster."""
    if data.fps <= MOST_SAMPLES_PER_S * 1.01 or len(data.turns) < 3:
        return data
    count = max(2, round(data.duration_s() * MOST_SAMPLES_PER_S) + 1)
    at = np.linspace(0, len(data.turns) - 1, count)
    before = np.minimum(at.astype(int), len(data.turns) - 2)
    t = (at - before)[:, None, None]
    first, second = data.turns[before], data.turns[before + 1]
    second = np.where((first * second).sum(axis=-1, keepdims=True) < 0, -second, second)
    turns = (1 - t) * first + t * second
    turns /= np.linalg.norm(turns, axis=-1, keepdims=True)
    places = (1 - t) * data.places[before] + t * data.places[before + 1]
    fps = (count - 1) / data.duration_s()
    return MotionData(data.names, data.parents, data.heads, data.tails, turns, places, fps, data.up)
