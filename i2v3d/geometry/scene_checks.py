"""What can be seen of a scene cache before a picture is refined: what leaves, sinks, collides, or is too fast."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array, transform_points
from i2v3d.geometry.placement import are_inside, is_in_picture

MOST_TRAVEL = 0.5  # of the picture's width, between two keyframes
MOST_TURN_RAD = np.radians(60)  # between two keyframes: more, and the two show different sides
LEAST_SIZE = 0.08  # of the picture's width: of what is smaller, nobody sees which side it shows
MOST_SUNK = 0.04  # of a thing's height
MOST_INSIDE = 0.05  # of a thing's points
_PROBES = 40
_LOOP_SHARE = 1e-3


@dataclass(frozen=True)
class Finding:
    """What the user may not have meant: which check, where, and what may help."""

    kind: str
    frame: int
    message: str
    hint: str


@dataclass(frozen=True)
class Thing:
    """An object of the scene cache. is_added: it is not in the photo. carriers: objects that it hangs on."""

    name: str
    id: int
    vertices_m: Array
    faces: Array
    is_added: bool
    carriers: tuple[str, ...] = ()


State = Mapping[str, Array]


def world_points(thing: Thing, state: State) -> Array:
    """Returns the vertices (vertices, 3) in the world."""
    deformed = state.get(f"vertices_{thing.id}")
    if deformed is not None:
        return np.asarray(deformed, np.float64)
    return transform_points(state["transforms"][thing.id - 1], np.asarray(thing.vertices_m, np.float64))


def find_leaving(things: Sequence[Thing], states: Sequence[State], width: int, height: int) -> list[Finding]:
    """Returns the first frame in which an object, whose middle was in the picture, is out of it."""
    found = []
    for thing in things:
        was_within = False
        for frame, state in enumerate(states):
            camera_from_world = np.linalg.inv(state["world_from_camera"])
            points = transform_points(camera_from_world, world_points(thing, state))
            is_seen = is_in_picture(points, state["image_from_camera"], width, height)
            if was_within and not is_seen:
                message = f"`{thing.name}` has left the picture in frame {frame}"
                found.append(Finding("leaves", frame, message, "shorten its way, or let the camera follow"))
                break
            middle = (points.min(axis=0) + points.max(axis=0))[None] / 2
            was_within = was_within or is_in_picture(middle, state["image_from_camera"], width, height)
    return found


def find_sunk(things: Sequence[Thing], states: Sequence[State], frames: Sequence[int]) -> list[Finding]:
    """Returns the first frame in which an object is below a level ground; one of the photo more than at the start."""
    found = []
    for thing in things:
        start = world_points(thing, states[0])
        allowed = MOST_SUNK * float(np.ptp(start[:, 2]))
        lowest_at_rest = 0.0 if thing.is_added else min(0.0, float(start[:, 2].min()))
        for frame in frames:
            depth = lowest_at_rest - float(world_points(thing, states[frame])[:, 2].min())
            if depth > allowed:
                message = f"`{thing.name}` is {depth:.3g} m below the ground in frame {frame}"
                found.append(Finding("below_ground", frame, message, "raise it, or place it `on: ground`"))
                break
    return found


def find_collisions(things: Sequence[Thing], states: Sequence[State], frames: Sequence[int]) -> list[Finding]:
    """Returns the first frame in which one object is partly inside another, by a few points of each."""
    found, touching = [], set[tuple[str, str]]()
    for frame in frames:
        points = {thing.name: world_points(thing, states[frame]) for thing in things}
        for first in things:
            for second in things:
                pair = tuple(sorted((first.name, second.name)))
                key = (pair[0], pair[1])
                if first is second or key in touching or _are_joined(first, second):
                    continue
                if _share_inside(points[first.name], points[second.name], second.faces) <= MOST_INSIDE:
                    continue
                touching.add(key)
                if frame == frames[0] and not (first.is_added or second.is_added):
                    continue  # as the photo has it
                message = f"`{first.name}` is partly inside `{second.name}` in frame {frame}"
                found.append(Finding("collides", frame, message, "move one of them, or let them `simulate`"))
    return found


def _are_joined(first: Thing, second: Thing) -> bool:
    return first.name in second.carriers or second.name in first.carriers


def _share_inside(points: Array, vertices: Array, faces: Array) -> float:
    """Returns how many of one thing's points are in another, by some of those that are in its box."""
    # Points of a surface that touches another are on neither side: a little towards the middle they are.
    shrunk = points + 0.02 * (points.mean(axis=0) - points)
    near = shrunk[((shrunk >= vertices.min(axis=0)) & (shrunk <= vertices.max(axis=0))).all(axis=1)]
    if len(near) <= MOST_INSIDE * len(points):
        return 0.0
    probes = near[np.linspace(0, len(near) - 1, min(len(near), _PROBES)).astype(int)]
    return float(are_inside(probes, vertices, faces).mean()) * len(near) / len(points)


def find_too_fast(
    things: Sequence[Thing], states: Sequence[State], keyframes: Sequence[int], width: int
) -> list[Finding]:
    """Returns the fastest interval of each object that moves or turns more than frames between can follow."""
    found = []
    for thing in things:
        worst: tuple[float, Finding] | None = None
        for before, after in itertools.pairwise(keyframes):
            travel, turn = _change(thing, states[before], states[after], width)
            excess = max(travel / MOST_TRAVEL, turn / MOST_TURN_RAD)
            if excess > 1 and (worst is None or excess > worst[0]):
                what = f"turns by {np.degrees(turn):.0f} degrees"
                if travel / MOST_TRAVEL > turn / MOST_TURN_RAD:
                    what = f"moves by {100 * travel:.0f} % of the picture's width"
                message = f"`{thing.name}` {what} between the keyframes {before} and {after}"
                hint = f"write `keyframes: {{every: {max(1, int((after - before) / excess))}}}`"
                worst = (excess, Finding("too_fast", before, message, hint))
        if worst is not None:
            found.append(worst[1])
    return found


def _change(thing: Thing, first: State, second: State, width: int) -> tuple[float, float]:
    """Returns how far the object's middle travels in the picture, in widths, and its turn against the camera."""
    places, turns, sizes = [], [], []
    for state in (first, second):
        camera_from_world = np.linalg.inv(state["world_from_camera"])
        points = transform_points(camera_from_world, world_points(thing, state))
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        image = state["image_from_camera"] @ middle
        extent = float(np.ptp(points, axis=0).max())
        sizes.append(extent * state["image_from_camera"][0, 0] / max(float(middle[2]), 1e-9) / width)
        places.append(image[:2] / image[2] if image[2] > 0 else np.array([np.nan, np.nan]))
        left, _, right = np.linalg.svd((camera_from_world @ state["transforms"][thing.id - 1])[:3, :3])
        turns.append(left @ right)
    travel = float(np.linalg.norm(places[1] - places[0])) / width
    if max(sizes) < LEAST_SIZE:
        return (0.0 if np.isnan(travel) else travel), 0.0
    cos = (np.trace(turns[1] @ turns[0].T) - 1) / 2
    return (0.0 if np.isnan(travel) else travel), float(np.arccos(np.clip(cos, -1, 1)))


def find_open_loop(things: Sequence[Thing], states: Sequence[State]) -> list[Finding]:
    """Returns what is not at the end as it was at the start; lengths are judged by the distance to the camera."""
    first, last = states[0], states[-1]
    eye = first["world_from_camera"][:3, 3]
    open_parts = []
    distances = []
    for thing in things:
        before, after = world_points(thing, first), world_points(thing, last)
        distances.append(float(np.linalg.norm(before.mean(axis=0) - eye)))
        if np.abs(after - before).max() > _LOOP_SHARE * distances[-1]:
            open_parts.append(f"`{thing.name}`")
    near = min(distances, default=1.0)
    moved = np.abs(last["world_from_camera"] - first["world_from_camera"])
    lens = np.abs(last["image_from_camera"] - first["image_from_camera"]).max() / first["image_from_camera"][0, 0]
    if moved[:3, :3].max() > _LOOP_SHARE or moved[:3, 3].max() > _LOOP_SHARE * near or lens > _LOOP_SHARE:
        open_parts.append("the camera")
    if not open_parts:
        return []
    message = f"the loop is not closed: {', '.join(open_parts)} ends elsewhere than it starts"
    return [Finding("open_loop", len(states) - 1, message, "end at the values of the first frame, or leave out `loop`")]
