"""Runs a generated script in a fresh Blender (the bpy module) and judges how it went.

The program that calls this never imports bpy: a child process keeps its crashes, its memory and its
changes of `sys.path` to itself. Success is exit code zero and a result file, never the log's text.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from i2v3d.blender.system_libraries import bpy_libraries, missing_library_error
from i2v3d.errors import BlenderError, MissingBackendError

# A user's own colour configuration (OCIO) or Cycles switches would change pictures that no key tells apart.
_STRIPPED = ("BLENDER_", "PYTHON", "OCIO", "CYCLES_")
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)')
_MISSING = re.compile(r"(?P<soname>lib[\w+.-]+\.so[.\d]*): cannot open shared object file")


def run_script(script: Path, arguments: Sequence[str], *, work_dir: Path, timeout_s: float) -> None:
    """Runs the script to its end.

    Args:
        script: The script; its folder is where its `lib` is.
        arguments: Its command line, without `--result`.
        work_dir: Existing folder for `blender.log`, the result file and Blender's own settings.
        timeout_s: After this long the script is ended.

    Raises:
        BlenderError: It failed, was killed, took too long, or left no result.
        MissingBackendError: bpy or a system library that it needs is not installed.
    """
    log, result = work_dir / "blender.log", work_dir / "blender_result.json"
    command = [sys.executable, str(script), *arguments, "--result", str(result)]
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=work_dir,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # In the process group of its worker, so that both are ended together when a build is.
            env=child_environment(work_dir),
        )
        try:
            code = child.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise BlenderError(f"{script.name}: no end after {timeout_s:g} s", hint=f"log: {log}") from error
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    if code != 0 or not _is_done(result):
        raise failure(script, log, code)


def child_environment(work_dir: Path) -> dict[str, str]:
    """Returns the environment of a Blender child: no settings, add-ons or colour configuration of the user's."""
    settings = work_dir / "blender_settings"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STRIPPED)}
    return kept | {"BLENDER_USER_RESOURCES": str(settings), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def failure(script: Path, log: Path, code: int) -> BlenderError | MissingBackendError:
    """Returns the error that says why a script ended badly, from its exit code and log."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if missing := _MISSING.search(text):
        return missing_library_error((missing["soname"], *bpy_libraries().missing()))
    if "No module named 'bpy'" in text:
        return MissingBackendError("Blender's Python module is not installed", hint="pip install 'bpy>=5.0,<5.1'")
    if line := last_python_line(text, script.parent):
        return BlenderError(line, hint=f"log: {log}")
    if code < 0:
        name = signal.Signals(-code).name
        return BlenderError(f"{script.name}: Blender was ended by {name}", hint=f"log: {log}")
    what = f"exit code {code}" if code else "no result file"
    return BlenderError(f"{script.name}: Blender ended with {what}", hint=f"log: {log}")


def last_python_line(log_text: str, script_dir: Path) -> str:
    """Returns `ValueError: what is wrong (lib/meshes.py:40)` of the last traceback in a log, or nothing.

    The place named is the last one inside the script's own folder.
    """
    lines = log_text.splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return ""
    place, message = "", ""
    for line in lines[starts[-1] + 1 :]:
        if frame := _FRAME.match(line):
            file = Path(frame["file"])
            if file.is_relative_to(script_dir):
                place = f"{file.relative_to(script_dir)}:{frame['line']}"
        elif line and not line.startswith(" "):
            message = line
            break
    return f"{message} ({place})" if place else message


def _is_done(result: Path) -> bool:
    try:
        return bool(json.loads(result.read_text(encoding="utf-8"))["status"] == "done")
    except (OSError, ValueError, KeyError):
        return False
