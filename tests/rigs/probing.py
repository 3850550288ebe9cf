"""Binds meshes in a Blender of its own, for the tests of rigs."""

import json
import subprocess
import sys
from pathlib import Path

from i2v3d.blender.script import write_lib


def bound(folder):
    """Returns what came of binding every mesh of a folder, see `bind_probe`."""
    (folder / "lib").mkdir()
    write_lib(folder / "lib")
    probe = Path(__file__).with_name("bind_probe.py")
    command = [sys.executable, str(probe), str(folder), str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads((folder / "results.json").read_text())
