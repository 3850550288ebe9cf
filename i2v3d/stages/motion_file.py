"""Reads motion from a file: .bvh here, .fbx and .glb through Blender; in the file's own skeleton and axes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i2v3d.artifacts.motion import MotionFile
from i2v3d.blender.figures import read_motion
from i2v3d.errors import StageError
from i2v3d.rigs.bvh import read_bvh
from i2v3d.rigs.motion_data import MotionData, MotionFileError
from i2v3d.stages.base import Node, Resources, SourceFile, WorkDir, stage

if TYPE_CHECKING:
    from i2v3d.spec.resolved import RigClip, Scene


@dataclass(frozen=True)
class Inputs:
    """The file."""

    file: Path


@dataclass(frozen=True)
class Params:
    """Its type (`bvh`, `fbx`, `glb`), and which clip of it; empty for the only or first one."""

    kind: str
    clip: str


@dataclass(frozen=True)
class Outputs:
    """The motion."""

    motion: MotionFile


def file_clips(scene: Scene) -> Iterable[tuple[str, int, RigClip, Path]]:
    """Yields (object, number, clip, file) of every clip that comes from a file; an artist's scene plays none."""
    if scene.blend_file is not None:
        return
    for name, rig in scene.rigs.items():
        for index, clip in enumerate(rig.clips):
            if clip.file is not None:
                yield name, index, clip, clip.file


def nodes(scene: Scene) -> Iterable[Node]:
    """Yields one node per clip from a file; equal ones are one step."""
    for name, index, clip, file in file_clips(scene):
        path = f"motion.{name}.clips[{index}]"
        yield Node(
            name=f"motion_file[{name}.{index}]",
            stage="motion_file",
            params=Params(file.suffix.lower().lstrip("."), clip.file_clip),
            inputs={"file": SourceFile(file, path)},
            origins={"file": path, "clip": path},
        )


@stage(
    "motion_file",
    version=1,
    nodes=nodes,
    templates=("bpy",),
    resources=Resources(timeout_s=1000.0),
    requires=("bpy",),
)
def run(inputs: Inputs, params: Params, backend: None, work: WorkDir) -> Outputs:
    """Reads the motion.

    Raises:
        StageError: The file is damaged, or lacks the clip.
    """
    outputs = Outputs(MotionFile(work.output("motion")))
    if params.kind != "bvh":
        found = work.path / "found.npz"
        read_motion(inputs.file, found, params.clip, work_dir=work.path)
        shutil.move(found, outputs.motion.path)
        return outputs
    try:
        data = read_bvh(inputs.file)
    except MotionFileError as error:
        raise StageError(error.message, hint=error.hint, field="file") from error
    write_motion(outputs.motion, data)
    return outputs


def write_motion(file: MotionFile, data: MotionData) -> None:
    """Writes the motion."""
    file.write_arrays(
        {
            "names": np.array(data.names),
            "parents": np.array(data.parents, np.int64),
            "heads": data.heads,
            "tails": data.tails,
            "turns": data.turns,
            "places": data.places,
            "fps": np.array(data.fps),
            "up": np.array(data.up),
        }
    )


def motion_of(file: MotionFile) -> MotionData:
    """Returns the motion written by `write_motion`, or by Blender."""
    arrays = file.read_arrays()
    return MotionData(
        tuple(map(str, arrays["names"])),
        tuple(map(int, arrays["parents"])),
        arrays["heads"],
        arrays["tails"],
        arrays["turns"],
        arrays["places"],
        float(arrays["fps"]),
        str(arrays["up"]),
    )
