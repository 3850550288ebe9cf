"""Files with skeletons, read by a Blender of their own: the mesh at rest with its skin, and the motion of a clip."""

from __future__ import annotations

import shutil
from pathlib import Path

from i2v3d.blender.run import run_script
from i2v3d.blender.script import write_lib
from i2v3d.resources import templates_dir

_TIMEOUT_S = 900.0


def read_figure(file: Path, glb: Path, skin: Path, *, work_dir: Path) -> None:
    """Writes a file's meshes at rest as a plain .glb, and its skeleton and skin as arrays.

    Raises:
        BlenderError: Blender could not read it, or there is no mesh in it.
    """
    _run(work_dir, ["mesh", str(file.resolve()), str(glb.resolve()), "--skin", str(skin.resolve())])


def read_motion(file: Path, found: Path, clip: str, *, work_dir: Path) -> None:
    """Writes the motion of a clip of a file as arrays; of its only or first one without a name.

    Raises:
        BlenderError: Blender could not read it, or there is no such clip in it.
    """
    named = ["--clip", clip] if clip else []
    _run(work_dir, ["motion", str(file.resolve()), str(found.resolve()), *named])


def _run(work_dir: Path, arguments: list[str]) -> None:
    folder = work_dir / "figure_script"
    (folder / "lib").mkdir(parents=True)
    write_lib(folder / "lib")
    script = folder / "figure_files.py"
    shutil.copyfile(templates_dir() / "bpy" / script.name, script)
    run_script(script, arguments, work_dir=work_dir, timeout_s=_TIMEOUT_S)
    shutil.rmtree(folder)
