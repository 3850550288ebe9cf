"""Files read by a Blender of their own: skeletons (the mesh at rest with its skin, a clip's motion), and Alembic."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from i2v3d.blender.run import run_script
from i2v3d.blender.script import write_lib
from i2v3d.errors import BlenderError, StageError
from i2v3d.resources import templates_dir

_TIMEOUT_S = 900.0
# What `figure_files.py` itself says is wrong with a file, without the place in the script.
_SAID = re.compile(r"ValueError: (?P<what>.*) \((?:figure_files|alembic_file)\.py:\d+\)", re.DOTALL)


def read_figure(file: Path, glb: Path, skin: Path, *, work_dir: Path) -> None:
    """Writes a file's meshes at rest as a plain .glb, and its skeleton and skin as arrays.

    Raises:
        BlenderError: Blender could not read it, or there is no mesh in it.
        StageError: It needs other files.
    """
    _run(work_dir, file, ["mesh", str(file.resolve()), str(glb.resolve()), "--skin", str(skin.resolve())])


def read_motion(file: Path, found: Path, clip: str, *, work_dir: Path) -> None:
    """Writes the motion of a clip of a file as arrays; of its only or first one without a name.

    Raises:
        BlenderError: Blender could not read it, or there is no skeleton or no such clip in it.
        StageError: It needs other files.
    """
    _run(work_dir, file, ["motion", str(file.resolve()), str(found.resolve()), f"--clip={clip}"])


def read_alembic(file: Path, folder: Path, fps: float, *, work_dir: Path) -> None:
    """Writes the meshes of an Alembic cache, joined and step by step: `000000.ply`, ... in a new folder.

    Raises:
        BlenderError: Blender could not read it, there is no mesh in it, or its faces change.
    """
    _run(work_dir, file, [str(file.resolve()), str(folder.resolve()), "--fps", repr(fps)], "alembic_file.py")


def _run(work_dir: Path, file: Path, arguments: list[str], name: str = "figure_files.py") -> None:
    _refuse_other_files(file)
    folder = work_dir / "figure_script"
    (folder / "lib").mkdir(parents=True)
    write_lib(folder / "lib")
    script = folder / name
    shutil.copyfile(templates_dir() / "bpy" / script.name, script)
    try:
        run_script(script, arguments, work_dir=work_dir, timeout_s=_TIMEOUT_S)
    except BlenderError as error:
        if said := _SAID.fullmatch(error.message):
            raise BlenderError(said["what"], hint=error.hint, field="file") from error
        raise
    shutil.rmtree(folder)


def _refuse_other_files(file: Path) -> None:
    """Refuses a .glb that has its data elsewhere: Blender would read any path, and no key would know of it."""
    if file.suffix.lower() != ".glb":
        return
    try:
        document = _glb_document(file.read_bytes())
    except ValueError as error:
        raise StageError(f"{file.name} is damaged: {error}", hint="export it again", field="file") from error
    lists = [document.get(name) for name in ("buffers", "images")]
    parts = [part for found in lists if isinstance(found, list) for part in found if isinstance(part, dict)]
    others = {str(part["uri"]) for part in parts if not str(part.get("uri", "data:")).startswith("data:")}
    if others:
        hint = "export it as one binary file, with its buffers and textures embedded"
        raise StageError(f"{file.name} needs other files ({', '.join(sorted(others))})", hint=hint, field="file")


def _glb_document(content: bytes) -> dict[str, Any]:  # Any: JSON
    """Returns the JSON of a .glb.

    Raises:
        ValueError: There is none.
    """
    size = int.from_bytes(content[12:16], "little")
    if content[:4] != b"glTF" or content[16:20] != b"JSON" or len(content) < 20 + size:
        raise ValueError("it does not start with its contents")
    document = json.loads(content[20 : 20 + size])
    if not isinstance(document, dict):
        raise ValueError("its contents are no table")
    return document
