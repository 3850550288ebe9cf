"""Stages of other distributions are found by their entry points."""

import subprocess
import sys

PLUG_IN = '''"""A stage of somebody else's."""

from dataclasses import dataclass

from i2v3d.artifacts.images import Image
from i2v3d.stages.base import stage


@dataclass(frozen=True)
class Inputs:
    pass


@dataclass(frozen=True)
class Params:
    pass


@dataclass(frozen=True)
class Outputs:
    picture: Image


@stage("theirs", version=1, nodes=lambda scene: ())
def run(inputs: Inputs, params: Params, backend: None, work: object) -> Outputs:
    raise NotImplementedError
'''


def test_an_installed_plug_in_adds_its_stage_after_ours(tmp_path):
    (tmp_path / "their_stage.py").write_text(PLUG_IN)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[i2v3d.stages]\ntheirs = their_stage\n")
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r});"
        "from i2v3d.stages import load_stages; print(list(load_stages())[-1])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "theirs"
