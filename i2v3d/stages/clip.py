"""Brings a clip from a file to an object's rig, whatever pose, size, axes and names the file's skeleton has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.motion import MotionFile, TrackFile
from i2v3d.errors import StageError
from i2v3d.rigs.bone_names import map_bones
from i2v3d.rigs.fit import make_rig
from i2v3d.rigs.motion_data import MotionFileError
from i2v3d.rigs.presets import PRESETS
from i2v3d.rigs.retarget import FileClip, retarget
from i2v3d.stages.base import Node, OutputRef, Resources, WorkDir, stage
from i2v3d.stages.motion_file import file_clips, motion_of
from i2v3d.stages.rig import SkeletonFile

if TYPE_CHECKING:
    from i2v3d.spec.resolved import Scene


@dataclass(frozen=True)
class Inputs:
    """The motion, and the object's skeleton."""

    motion: MotionFile
    skeleton: SkeletonFile


@dataclass(frozen=True)
class Params:
    """How the one becomes the other's.

    Attributes:
        preset: That the skeleton is of, or like.
        bones: (bone of the rig, bone of the file) besides those with usual names.
        up: Axis of the file that is up, or empty.
        is_own: The skeleton is that of the file.
    """

    preset: str
    bones: tuple[tuple[str, str], ...]
    up: str
    is_own: bool


@dataclass(frozen=True)
class Outputs:
    """The clip on the rig."""

    track: TrackFile


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per clip from a file."""
    for name, index, clip, _ in file_clips(scene):
        path = f"motion.{name}.clips[{index}]"
        yield Node(
            name=f"clip[{name}.{index}]",
            stage="clip",
            params=Params(scene.rigs[name].preset, clip.bones, clip.up, clip.is_own),
            inputs={
                "motion": OutputRef(f"motion_file[{name}.{index}]", "motion"),
                "skeleton": OutputRef(f"rig[{name}]", "skeleton"),
            },
            origins={"motion": path, "bones": path},
        )


@stage("clip", version=1, nodes=nodes, resources=Resources(memory_gb=1.0))
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Retargets the motion.

    Raises:
        StageError: Too few of the file's bones are known, or its axes can't be told.
    """
    skeleton, data = inputs.skeleton.read(), motion_of(inputs.motion)
    rig = make_rig(PRESETS[params.preset], skeleton)
    try:
        if params.is_own:
            bones = {bone: name for bone, name in skeleton.file_names.items() if name in data.names}
            clip = retarget(rig, data, bones, rig_from_file=rig.mesh_from_rig.T)
        else:
            given, ours = dict(params.bones), set(rig.names())
            if unknown := [bone for bone in given if bone not in ours]:
                raise MotionFileError(f"the rig has no bone `{unknown[0]}`", f"it has {', '.join(rig.names()[:30])}")
            mapped = map_bones(PRESETS[params.preset], data.names, given)
            clip = retarget(rig, data, {bone: name for bone, name in mapped.items() if bone in ours}, up=params.up)
    except MotionFileError as error:
        raise StageError(error.message, hint=error.hint, field="motion") from error
    if not np.isfinite(clip.track.turns).all() or not np.isfinite(clip.track.ways).all():
        raise StageError("the motion is not a number somewhere", field="motion")
    outputs = Outputs(TrackFile(work.output("track")))
    _write(outputs.track, clip)
    return outputs


def _write(file: TrackFile, clip: FileClip) -> None:
    feet = tuple(clip.contacts)
    rows = [(feet.index(foot), *span) for foot, spans in clip.contacts.items() for span in spans]
    file.write_arrays(
        {
            "bones": np.array(clip.track.bones),
            "turns": clip.track.turns.astype(np.float32),
            "ways": clip.track.ways.astype(np.float32),
            "duration_s": np.array(clip.duration_s),
            "stride": np.array(clip.stride),
            "is_on_the_spot": np.array(clip.is_on_the_spot),
            "contacts": np.array(rows, np.float64).reshape(-1, 3),
            "feet": np.array(feet, "<U80"),
        }
    )
