"""What a generated script has of rigs: literals, and array files with captured clips and skins of mesh files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from i2v3d.artifacts.motion import SkinFile, TrackFile
from i2v3d.artifacts.scene import ObjectRest
from i2v3d.geometry.frames import Array
from i2v3d.geometry.rig import Rig
from i2v3d.rigs.fit import Skeleton, make_rig
from i2v3d.rigs.motion_data import MotionFileError
from i2v3d.rigs.presets import PRESETS
from i2v3d.rigs.script import ClipFacts, grip, script_rig

if TYPE_CHECKING:
    from i2v3d.spec.resolved import RigMotion

Rigs = Sequence[tuple[str, "RigMotion"]]


def without_paths(motion: RigMotion) -> RigMotion:
    """Returns the motion without its files, which come as inputs: paths are in no key."""
    clips = tuple(dataclasses.replace(clip, file=None) for clip in motion.clips)
    return dataclasses.replace(motion, clips=clips, file=None)


def facts_of(file: TrackFile) -> ClipFacts:
    """Returns what a script says of a clip besides its samples."""
    arrays = file.read_arrays()
    contacts: dict[str, tuple[tuple[float, float], ...]] = {str(foot): () for foot in arrays["feet"]}
    for foot, first, last in arrays["contacts"]:
        name = str(arrays["feet"][int(foot)])
        contacts[name] = (*contacts[name], (float(first), float(last)))
    return ClipFacts(
        float(arrays["duration_s"]), contacts, float(arrays["stride"]), is_on_the_spot=bool(arrays["is_on_the_spot"])
    )


def script_rigs(
    rigs: Rigs,
    skeletons: Mapping[str, Skeleton],
    tracks: Sequence[TrackFile],
    skins: Sequence[SkinFile],
    *,
    fps: float,
    frame_count: int,
) -> tuple[list[dict[str, Any]], dict[str, Path]]:
    """Returns the rigs as a script's template takes them, and the files that they name: place -> source.

    Args:
        rigs: By object.
        skeletons: By object.
        tracks: Of the clips from files, in the order of the rigs.
        skins: Of the rigs from files, in their order.
        fps: Of the scene's clip.
        frame_count: Of the scene's clip.

    Raises:
        MotionFileError: A rig from a file lacks bones that its motion needs.
    """
    rows, files = [], dict[str, Path]()
    waiting_tracks, waiting_skins = list(tracks), list(skins)
    for number, (name, motion) in enumerate(rigs, 1):
        facts = {}
        for index, clip in enumerate(motion.clips):
            if clip.is_captured:
                track, place = waiting_tracks.pop(0), f"clips/{number}_{index + 1}.npz"
                files[place] = track.path
                facts[index] = dataclasses.replace(facts_of(track), file=place)
        skin = ""
        if motion.has_skin:
            skin = f"skins/{number}.npz"
            files[skin] = waiting_skins.pop(0).path
        rows.append(script_rig(name, motion, skeletons[name], fps=fps, frame_count=frame_count, facts=facts, skin=skin))
    return rows, files


def carrier(rigs: Rigs, skeletons: Mapping[str, Skeleton], owner: str, bone: str) -> Rig:
    """Returns an object's rig, which has this bone.

    Raises:
        MotionFileError: It has not.
    """
    rig = make_rig(PRESETS[dict(rigs)[owner].preset], skeletons[owner], owner)
    if bone not in rig.names():
        message = f"the rig of `{owner}` has no bone `{bone}`"
        raise MotionFileError(message, f"it has {', '.join(rig.names()[:30])}")
    return rig


def gripped(
    rigs: Rigs, skeletons: Mapping[str, Skeleton], *, owner: str, bone: str, rests: tuple[ObjectRest, ObjectRest]
) -> Array:
    """Returns the 4x4, world at rest, that puts an object into a bone's grip; `rests` are the owner's and its own."""
    rig = carrier(rigs, skeletons, owner, bone)
    world_from_mesh = rests[0].world_from_object @ np.diag([rests[0].scale] * 3 + [1.0])
    return grip(rig, bone, world_from_mesh, rests[1].world_from_object[:3, 3])
