"""Bones of files may be called anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from i2v3d.blender.script import write_lib


@pytest.mark.blender
@pytest.mark.parametrize("name", ["plain", 'say "hi"', "back\\slash"])
def test_a_bone_of_any_name_is_keyed(tmp_path, name):
    (tmp_path / "lib").mkdir()
    write_lib(tmp_path / "lib")
    probe = Path(__file__).with_name("name_probe.py")
    command = [sys.executable, str(probe), str(tmp_path), name]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
