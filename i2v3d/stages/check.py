"""Looks at the assembled scene before anything costly is made of it, and says what was probably not meant."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.images import Image, Matte
from i2v3d.artifacts.scene import FrameState, FrameStates, JsonFile, Layout, NpzFile, SceneStatic
from i2v3d.backends.base import SceneRenderer
from i2v3d.geometry import scene_checks
from i2v3d.geometry.frames import Array, Resolution
from i2v3d.geometry.rig_limits import JointLimits, find_overbent
from i2v3d.geometry.scene_checks import Finding, Thing
from i2v3d.stages.arrange import layout_ref
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene

MOST_UNOBSERVED = 0.35
_LEVEL_GROUNDS = ("ground_and_backdrop", "plane", "dome", "room")
_WIDTH_PX = 320
_LOOKS = 9


@dataclass(frozen=True)
class Inputs:
    """The scene cache, and the layout for its ground."""

    static: SceneStatic
    states: FrameStates
    layout: Layout


@dataclass(frozen=True)
class Params:
    """What the checks compare with.

    Attributes:
        size: Of the output.
        keyframes: Frames that are refined.
        is_loop: The last frame is meant to equal the first.
        added: Names of the objects that are not in the photo.
        carriers: (object, what carries it).
    """

    size: Resolution
    keyframes: tuple[int, ...]
    is_loop: bool
    added: tuple[str, ...]
    carriers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Outputs:
    """The findings, and the frame with most of what the photo does not show, that in red."""

    findings: JsonFile
    picture: Image


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields the one node."""
    yield Node(
        name="check",
        stage="check",
        params=Params(
            scene.output.size,
            scene.keyframing.frames,
            scene.output.is_loop,
            tuple(thing.name for thing in scene.drawn if thing.prompts is None),
            tuple((thing.name, thing.parent) for thing in scene.drawn if thing.parent is not None),
        ),
        inputs={
            "static": OutputRef("assemble", "static"),
            "states": OutputRef("assemble", "states"),
            "layout": layout_ref(scene),
        },
        backend=scene.backends.get("check", scene.backends["render"]),
        origins={"states": "motion", "keyframes": "keyframes.every", "is_loop": "output.loop"},
    )


@stage("check", version=1, nodes=nodes, capability="SceneRenderer", resources=Resources(memory_gb=1.0))
def run(inputs: Inputs, params: Params, backend: SceneRenderer, work: WorkDir) -> Outputs:
    """Checks every frame, or some where that is costly; what is found is a warning and never stops a build."""
    things = _things(inputs.static, params)
    states = [state.read_arrays() for state in inputs.states]
    some = sorted({round(frame) for frame in np.linspace(0, len(states) - 1, min(len(states), _LOOKS))})
    found = scene_checks.find_leaving(things, states, params.size.width, params.size.height)
    if inputs.layout.read().background.get("kind") in _LEVEL_GROUNDS:
        found += scene_checks.find_sunk(things, states, some)
    found += scene_checks.find_collisions(things, states, some)
    found += scene_checks.find_too_fast(things, states, params.keyframes, params.size.width)
    found += find_overbent(_rigs(inputs.static), states)
    if params.is_loop:
        found += scene_checks.find_open_loop(things, states)
    work.progress(0.5, "looking at some frames")
    outputs = Outputs(JsonFile(work.output("findings")), Image(work.output("picture")))
    frame, share, picture = _least_observed(inputs, params.size, backend, work, some)
    if share > MOST_UNOBSERVED:
        message = f"{100 * share:.0f} % of frame {frame} was not in the photo and is made up (check/unobserved.png)"
        hint = "shorten the camera's way, turn objects less, or give a larger part of the photo"
        found.append(Finding("unobserved", frame, message, hint))
    outputs.picture.write(picture)
    outputs.findings.write_json(
        {"findings": [dataclasses.asdict(one) for one in found], "most_unobserved": {"frame": frame, "share": share}}
    )
    for one in found:
        work.warn(f"{one.message}; {one.hint}")
    return outputs


def _things(static: SceneStatic, params: Params) -> list[Thing]:
    carriers = dict(params.carriers)
    things = []
    for entry in JsonFile(static.path / "scene.json").read_json()["objects"]:
        if entry["is_foreground"]:
            mesh = NpzFile(static.path / entry["mesh"] / "geometry.npz").read_arrays()
            name = entry["name"]
            above = [name]
            while (carrier := carriers.get(above[-1])) is not None:
                above.append(carrier)
            things.append(
                Thing(name, entry["id"], mesh["vertices_m"], mesh["faces"], name in params.added, tuple(above[1:]))
            )
    return things


def _rigs(static: SceneStatic) -> list[JointLimits]:
    entries = JsonFile(static.path / "scene.json").read_json()["objects"]
    return [
        JointLimits(
            entry["name"],
            entry["id"],
            tuple(name for name, _ in entry["bones"]),
            tuple(limits and tuple((low, high) for low, high in limits) for _, limits in entry["bones"]),
        )
        for entry in entries
        if "bones" in entry
    ]


def _least_observed(
    inputs: Inputs, size: Resolution, backend: SceneRenderer, work: WorkDir, frames: list[int]
) -> tuple[int, float, Array]:
    """Returns the frame with the greatest share of made-up pixels, that share, and its small picture."""
    small = Resolution(_WIDTH_PX, max(2, round(_WIDTH_PX * size.height / size.width)))
    never = _never_in_the_photo(inputs.static.path)
    best: tuple[int, float, Array] | None = None
    for frame in frames:
        state = inputs.states.item(frame).read_arrays()
        scaled = np.diag([small.width / size.width, small.height / size.height, 1.0])
        state["image_from_camera"] = scaled @ state["image_from_camera"]
        state.pop("depth_of_field", None)  # what is seen is the same, and blur takes up to 256 pictures
        file = FrameState(work.path / f"look_{frame:06d}.npz")
        file.write_arrays(state)
        drawn = backend.render(inputs.static.path, (file.path,), 0, small)
        made_up = ~drawn.passes.is_observed & ~np.isin(drawn.passes.ids, never)
        share = float(made_up.mean())
        if best is None or share > best[1]:
            picture = drawn.colour.copy()
            picture[made_up] = (0.4 * picture[made_up] + np.array([153, 0, 30])).astype(np.uint8)
            best = (frame, share, picture)
        file.path.unlink()
    assert best is not None  # a clip has frames
    return best


def _never_in_the_photo(static: Path) -> list[int]:
    """Returns the ids of meshes of which the photo shows nothing: what was added looks as it is meant to."""
    entries = JsonFile(static / "scene.json").read_json()["objects"]
    return [e["id"] for e in entries if not Matte(static / e["mesh"] / "observed.png").read().any()]
