"""The pose of a rig at every frame: clips in layers, keyed bones, rolling wheels, standing feet and reaching arms."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v3d.geometry.motion import rotation_about, rotation_from_euler, value_at
from i2v3d.geometry.rig import Limb, Play, Rig
from i2v3d.geometry.rig_curves import (
    curve_at,
    shares_over_time,
    shares_over_way,
    shown_between,
    slerp,
    track_at,
    turn_between,
    weight_at,
)
from i2v3d.geometry.rig_feet import sole, standing

Array = NDArray[Any]
Goal = Callable[[int], Array]
"""Where something is at a frame, mesh frame."""

_TRAVELS = 0.1  # strides; less is no travelling
_SUNK = 0.01  # lengths of a leg that a captured foot may be below its height at rest
_BENT = 0.02  # of a limb's length that its middle joint is off the line, from where its plane is known
_SOON = 0.35  # of the way through the air


@dataclass(frozen=True)
class Pose:
    """A rig at a frame: turns (bones, 3, 3) from rest as the parent carries them, rig axes, and the root's way."""

    turns: Array
    root: Array


@dataclass(frozen=True)
class Played:
    """A clip over the whole time: its weight and share at every frame, and whether it follows the way travelled."""

    play: Play
    weights: Array
    shares: Array
    is_travelling: bool


def joints(rig: Rig, pose: Pose) -> tuple[Array, Array]:
    """Returns the heads (bones, 3) and orientations from rest (bones, 3, 3) of the posed bones, rig axes."""
    heads = rig.heads()
    places, turns = np.zeros_like(heads), np.zeros((len(heads), 3, 3))
    for index, parent in enumerate(rig.parents()):
        if parent < 0:
            turns[index], places[index] = pose.turns[index], heads[index] + pose.root
        else:
            turns[index] = turns[parent] @ pose.turns[index]
            places[index] = places[parent] + turns[parent] @ (heads[index] - heads[parent])
    return places, turns


def poses(
    rig: Rig, frame_count: int, world_from_mesh: Sequence[Array], goals: dict[str, Goal] | None = None
) -> list[Pose]:
    """Returns the pose of every frame.

    Args:
        rig: The rig.
        frame_count: Frames.
        world_from_mesh: 4x4 of every frame, what carries the mesh over the ground.
        goals: Where the ends of arms go, by bone.
    """
    played = [_played(rig, play, world_from_mesh) for play in rig.plays]
    made = [_layered(rig, played, frame) for frame in range(frame_count)]
    made = _above_ground(rig, played, _grounded(rig, played, made))
    made = [_rolled(rig, pose, world_from_mesh[: frame + 1]) for frame, pose in enumerate(made)]
    if rig.legs and rig.is_foot_locked:
        made = _foot_locked(rig, played, made, world_from_mesh)
    for arm in rig.arms:
        if goals and arm.end in goals:
            made = [_reaching(rig, pose, arm, goals[arm.end], frame) for frame, pose in enumerate(made)]
    return made


def _reaching(rig: Rig, pose: Pose, arm: Limb, goal: Goal, frame: int) -> Pose:
    """Returns the pose with the arm's end at its goal, or on the way there and back."""
    share = 1.0
    if arm.end in rig.reach_times:
        start, end, fade = rig.reach_times[arm.end]
        share = shown_between(frame, start, end, fade, fade)
    if share == 0.0:
        return pose
    place = goal(frame) @ rig.mesh_from_rig
    if share < 1.0:
        now = joints(rig, pose)[0][rig.names().index(arm.end)]
        place = (1 - share) * now + share * place
    return _reached(rig, pose, arm, place)


def _played(rig: Rig, play: Play, world_from_mesh: Sequence[Array]) -> Played:
    count = len(world_from_mesh)
    weights = np.array([weight_at(play, frame) for frame in range(count)])
    places = np.array([pose[:2, 3] for pose in world_from_mesh])
    scale = float(np.linalg.norm(world_from_mesh[0][:3, 2]))
    ways = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    shown = np.flatnonzero(weights > 0)
    stride = play.stride * rig.leg_length() * scale
    is_gait = play.stride > 0 and rig.is_foot_locked and len(shown) > 0
    if is_gait and ways[shown[-1]] - ways[shown[0]] > _TRAVELS * stride:
        return Played(play, weights, shares_over_way(play, ways, stride), True)
    return Played(play, weights, shares_over_time(play, count), False)


def _layered(rig: Rig, played: Sequence[Played], frame: int) -> Pose:
    names, root = rig.names(), np.zeros(3)
    turns = np.repeat(np.eye(3)[None], len(names), axis=0)
    for part in played:
        weight, share, play = part.weights[frame], part.shares[frame], part.play
        if weight == 0.0:
            continue
        if play.track is not None:
            root = _tracked(rig, play, turns, root, share=share, weight=weight)
            continue
        standing = _standing(rig, play)
        for index, bone in enumerate(rig.bones):
            if bone.name not in play.turns:
                continue
            degrees = curve_at(play.turns[bone.name], share, is_cycle=play.is_cycle)
            turn = rotation_from_euler(np.radians(degrees))
            if play.is_additive:
                turns[index] = slerp(np.eye(3), turn, weight) @ turns[index]
                continue
            parent = _carried(rig, play, standing, bone.parent)
            turns[index] = slerp(turns[index], parent.T @ turn @ standing.get(bone.name, np.eye(3)), weight)
        if play.lift:
            way = curve_at(play.lift, share, is_cycle=play.is_cycle) * rig.leg_length()
            root = root + weight * way if play.is_additive else (1 - weight) * root + weight * way
    for bone_name, channel in rig.keys.items():
        index = names.index(bone_name)
        turns[index] = rotation_from_euler(value_at(channel, frame)) @ turns[index]
    return Pose(turns, root)


def _tracked(rig: Rig, play: Play, turns: Array, root: Array, *, share: float, weight: float) -> Array:
    """Puts a track's turns over or on those of the layers below, in place, and returns the root's way."""
    assert play.track is not None
    names = rig.names()
    now, way = track_at(play.track, share, is_cycle=play.is_cycle)
    start, first_way = track_at(play.track, 0.0, is_cycle=False)
    for bone, turn, at_start in zip(play.track.bones, now, start, strict=True):
        index = names.index(bone)
        if play.is_additive:
            turns[index] = slerp(np.eye(3), turn @ at_start.T, weight) @ turns[index]
        else:
            turns[index] = slerp(turns[index], turn, weight)
    if play.is_in_place:
        way[:2] = first_way[:2]
    way = way * rig.leg_length()
    if play.is_additive:
        return np.asarray(root + weight * (way - first_way * rig.leg_length()))
    return np.asarray((1 - weight) * root + weight * way)


def standing_turns(rig: Rig) -> dict[str, Array]:
    """Returns the turn from rest to how a bone stands in the pose that clips start from, for those that say it."""
    heads, tails = rig.heads(), rig.tails()
    return {
        bone.name: turn_between(tails[index] - heads[index], np.array(bone.stands))
        for index, bone in enumerate(rig.bones)
        if bone.stands is not None
    }


def _standing(rig: Rig, play: Play) -> dict[str, Array]:
    """Returns the standing turns of the bones that a clip turns from there."""
    if play.is_relative or play.is_additive:
        return {}
    return {name: turn for name, turn in standing_turns(rig).items() if name in play.turns}


def _carried(rig: Rig, play: Play, standing: dict[str, Array], name: str) -> Array:
    """Returns the standing turn that reaches a bone's children; a bone of the user's in between hands it on."""
    parents = {bone.name: bone.parent for bone in rig.bones if bone.stands is None and bone.name not in play.turns}
    while name in parents:
        name = parents[name]
    return standing.get(name, np.eye(3))


def turns_from_standing(rig: Rig, pose: Pose) -> Array:
    """Returns the turns (bones, 3, 3) as limits count them: from how a bone stands, as its parent carries it."""
    standing, found = standing_turns(rig), np.zeros_like(pose.turns)
    carried: list[Array] = []
    for index, parent in enumerate(rig.parents()):
        above = carried[parent] if parent >= 0 else np.eye(3)
        own = standing.get(rig.bones[index].name)
        has_limits = rig.bones[index].limits_deg is not None
        carried.append(own if own is not None else np.eye(3) if has_limits else above)
        found[index] = above @ pose.turns[index] @ carried[index].T
    return found


def bone_transforms(rig: Rig, pose: Pose) -> Array:
    """Returns (bones, 4, 4): where each bone takes what hangs on it at rest, mesh frame."""
    places, turns = joints(rig, pose)
    moved = np.repeat(np.eye(4)[None], len(places), axis=0)
    turn = rig.mesh_from_rig
    moved[:, :3, :3] = turn @ turns @ turn.T
    moved[:, :3, 3] = (places - np.einsum("bij,bj->bi", turns, rig.heads())) @ turn.T
    return moved


def _contacts(played: Sequence[Played], limb: Limb, frame: int, *, is_locking: bool) -> bool:
    """Returns whether a limb stands on the ground; for locking, also that it may not slide there."""
    shown = [part for part in played if part.weights[frame] > 0.5 and part.play.contacts]
    if not shown:
        return False
    part = shown[-1]
    if is_locking and part.play.stride > 0 and not part.is_travelling:
        return False  # it walks on the spot
    share = part.shares[frame]
    if part.play.is_cycle:
        share = share - np.floor(share)
    return any(first <= share <= last for first, last in part.play.contacts.get(limb.end, ()))


def _grounded(rig: Rig, played: Sequence[Played], made: list[Pose]) -> list[Pose]:
    """Lowers or lifts the root so that what stands on the ground is at its height at rest.

    Only under built-in clips: one from a file has its height over the ground itself.
    """
    tracks = [(place, part) for place, part in enumerate(played) if part.play.track is not None]
    covers = [part.play.track is None and bool(part.play.contacts) for part in played]
    if not rig.legs or not any(covers):
        return made
    grounded = [part for part, is_one in zip(played, covers, strict=True) if is_one]
    names, rest = rig.names(), rig.heads()
    rise = np.full(len(made), np.nan)
    for frame, pose in enumerate(made):
        places, _ = joints(rig, Pose(pose.turns, np.zeros(3)))
        feet = [names.index(leg.end) for leg in rig.legs if _contacts(grounded, leg, frame, is_locking=False)]
        if feet:
            rise[frame] = -min(places[foot, 2] - rest[foot, 2] for foot in feet)
    known = np.flatnonzero(np.isfinite(rise))
    if not len(known):
        return made
    rise = np.interp(np.arange(len(made)), known, rise[known])
    share = np.zeros(len(made))
    for place, part in enumerate(played):
        if covers[place]:
            above = [1 - one.weights for later, one in tracks if later > place and not one.play.is_additive]
            share = np.maximum(share, np.prod([part.weights, *above], axis=0))
    return [
        Pose(pose.turns, pose.root + np.array([0.0, 0.0, share[frame] * rise[frame]]))
        for frame, pose in enumerate(made)
    ]


def _above_ground(rig: Rig, played: Sequence[Played], made: list[Pose]) -> list[Pose]:
    """Lifts the root of a figure in the air so that its feet, which point down there, stay above the ground."""
    if not any(part.play.contacts and part.play.lift for part in played):
        return made
    names, rest = rig.names(), rig.tails()
    feet = [names.index(leg.end) for leg in rig.legs]
    lifted = []
    for frame, pose in enumerate(made):
        if not any(_contacts(played, leg, frame, is_locking=False) for leg in rig.legs):
            places, turns = joints(rig, pose)
            soles = [
                (places[foot] + turns[foot] @ point)[2] - rest[foot][2] for foot in feet for point in sole(rig, foot)
            ]
            if min(soles) < 0:
                pose = Pose(pose.turns, pose.root - np.array([0.0, 0.0, min(soles)]))
        lifted.append(pose)
    return lifted


def _rolled(rig: Rig, pose: Pose, world_from_mesh: Sequence[Array]) -> Pose:
    if not rig.wheels:
        return pose
    way = 0.0  # forward, mesh units
    for before, after in itertools.pairwise(world_from_mesh):
        step = np.linalg.solve(before[:3, :3], after[:3, 3] - before[:3, 3]) @ rig.mesh_from_rig
        way -= float(step[1])
    turns = pose.turns.copy()
    for name, radius in rig.wheels.items():
        index = rig.names().index(name)
        turns[index] = turns[index] @ rotation_about(np.array([1.0, 0.0, 0.0]), way / radius)
    return Pose(turns, pose.root)


def _foot_locked(rig: Rig, played: Sequence[Played], made: list[Pose], world_from_mesh: Sequence[Array]) -> list[Pose]:
    """Brings each foot, while it stands, to one place of the ground; in between it swings from place to place."""
    names = rig.names()
    world_from_rig = [pose[:3, :3] @ rig.mesh_from_rig for pose in world_from_mesh]
    rolls = np.max([np.zeros(len(made)), *(part.weights * part.is_travelling for part in played)], axis=0) > 0.5
    for leg in rig.legs:
        foot = names.index(leg.end)
        is_locked = np.array([_contacts(played, leg, frame, is_locking=True) for frame in range(len(made))])
        if not is_locked.any():
            continue
        # Captured feet keep the turns they were captured with, and their height; captured knees stay in their plane.
        captured = np.max([part.weights * (part.play.track is not None) for part in played], axis=0) > 0.5
        made, shift, is_standing = _stood(rig, leg, made, world_from_rig, is_locked & ~captured, rolls)
        is_locked = is_standing | (is_locked & captured)
        seen = np.array(
            [
                world_from_rig[frame] @ joints(rig, pose)[0][foot] + world_from_mesh[frame][:3, 3]
                for frame, pose in enumerate(made)
            ]
        )
        floor = np.array(
            [
                (world_from_rig[frame] @ rig.heads()[foot] + world_from_mesh[frame][:3, 3])[2]
                for frame in range(len(made))
            ]
        )
        slack = _SUNK * rig.leg_length() * float(np.linalg.norm(world_from_rig[0][:, 2]))
        floor = np.where(captured & (seen[:, 2] > floor - slack), seen[:, 2], floor)
        offsets = _lock_offsets(seen - shift, floor, is_locked)
        goals = [
            joints(rig, pose)[0][foot] + np.linalg.solve(world_from_rig[frame], offsets[frame])
            for frame, pose in enumerate(made)
        ]
        made = [
            _reached(rig, pose, leg, goals[frame], keeps_plane=bool(captured[frame])) for frame, pose in enumerate(made)
        ]
    return made


def _stood(
    rig: Rig, leg: Limb, made: list[Pose], world_from_rig: Sequence[Array], is_locked: Array, rolls: Array
) -> tuple[list[Pose], Array, Array]:
    """Returns the poses with the foot as it stands, and shift and frames as in `rig_feet.Standing`."""
    names, parents = rig.names(), rig.parents()
    foot, body = names.index(leg.end), parents[names.index(leg.upper)]
    scale = float(np.linalg.norm(world_from_rig[0][:, 2]))
    turns = [joints(rig, pose)[1] for pose in made]
    upright = [turn / scale for turn in world_from_rig]
    bodies = np.array([u @ (t[body] if body >= 0 else np.eye(3)) for u, t in zip(upright, turns, strict=True)])
    feet = np.array([u @ t[foot] for u, t in zip(upright, turns, strict=True)])
    found = standing(rig, leg, bodies, feet, is_locked, rolls, scale)
    toes = [index for index, parent in enumerate(parents) if parent == foot]
    changed = []
    for frame, pose in enumerate(made):
        turned = pose.turns.copy()
        turned[foot] = turns[frame][parents[foot]].T @ upright[frame].T @ found.turns[frame]
        for toe in toes:
            turned[toe] = found.toes[frame] @ turned[toe]
        changed.append(Pose(turned, pose.root))
    return changed, found.shift, found.is_standing


def _lock_offsets(seen: Array, floor: Array, is_locked: Array) -> Array:
    """Returns what is added to a foot's places (frames, 3) so that it stays where it stands, smooth in between.

    Args:
        seen: World places of the foot's joint.
        floor: Its world height at each frame when it stands flat on the ground.
        is_locked: Frames in which it stands.
    """
    locked = np.flatnonzero(is_locked)
    runs = np.split(locked, np.flatnonzero(np.diff(locked) > 1) + 1)
    offsets = np.zeros_like(seen)
    for run in runs:
        offsets[run] = np.median(seen[run], axis=0) - seen[run]
        offsets[run, 2] = floor[run] - seen[run, 2]
    frames = np.arange(len(seen))
    smooth = np.stack([np.interp(frames, locked, offsets[locked, axis]) for axis in range(3)], axis=1)
    for before, after in itertools.pairwise(runs):
        gap = np.arange(before[-1] + 1, after[0])
        t = (gap - before[-1]) / (after[0] - before[-1])
        # The height is let go first: a foot that rolled off is held lower than its way through the air.
        t = np.stack([t, t, np.minimum(1.0, t / _SOON)], axis=1)
        t = t * t * (3 - 2 * t)
        smooth[gap] = offsets[before[-1]] * (1 - t) + offsets[after[0]] * t
    return smooth


def _reached(rig: Rig, pose: Pose, limb: Limb, goal: Array, *, keeps_plane: bool = False) -> Pose:
    """Returns the pose with the limb's end at the goal (rig axes), or near it; the end keeps its direction.

    The middle joint bends the way that the limb is made for, or further as it is bent now.
    """
    names, parents = rig.names(), rig.parents()
    upper, lower, end = (names.index(name) for name in (limb.upper, limb.lower, limb.end))
    places, turns = joints(rig, pose)
    hip, knee, ankle = places[upper], places[lower], places[end]
    first, second = np.linalg.norm(knee - hip), np.linalg.norm(ankle - knee)
    if keeps_plane and np.linalg.norm(goal - ankle) < 1e-4 * (first + second):
        return pose
    way = goal - hip
    reach = float(np.clip(np.linalg.norm(way), 1.001 * abs(first - second) + 1e-9, 0.9999 * (first + second)))
    along = way / max(float(np.linalg.norm(way)), 1e-12)
    # The joint bends the way it is made, as the upper bone carries that: it never flips when the limb is straight.
    pole = turns[upper] @ np.array(limb.bends)
    if keeps_plane:
        line = (ankle - hip) / max(float(np.linalg.norm(ankle - hip)), 1e-12)
        now = (knee - hip) - ((knee - hip) @ line) * line
        pole = now if np.linalg.norm(now) > _BENT * (first + second) else pole
    bend = pole - (pole @ along) * along
    bend = bend / max(float(np.linalg.norm(bend)), 1e-12)
    cosine = (first**2 + reach**2 - second**2) / (2 * first * reach)
    new_knee = hip + first * (cosine * along + max(0.0, 1 - float(cosine) ** 2) ** 0.5 * bend)
    new_upper = turn_between(knee - hip, new_knee - hip) @ turns[upper]
    # The turn of the upper bone carries the lower one along; what is left turns the lower one.
    carried = turn_between(knee - hip, new_knee - hip) @ (ankle - knee)
    new_lower = (
        turn_between(carried, hip + reach * along - new_knee) @ turn_between(knee - hip, new_knee - hip) @ turns[lower]
    )
    changed = pose.turns.copy()
    above = turns[parents[upper]] if parents[upper] >= 0 else np.eye(3)
    changed[upper] = above.T @ new_upper
    changed[lower] = new_upper.T @ new_lower
    changed[end] = new_lower.T @ turns[end]
    return Pose(changed, pose.root)
