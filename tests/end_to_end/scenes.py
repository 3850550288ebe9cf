"""A small real scene for whole builds: the rocket photo at 192x108, a few frames."""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]

SPEC = {
    "i2v3d": 1,
    "name": "small",
    "source": {"image": "rocket.jpg", "camera": {"fov": "40deg"}, "framing": "bottom"},
    "output": {"size": [192, 108], "fps": 24, "duration": "8f"},
    "objects": {
        "rocket": {
            "segment": {
                "polygon": [
                    [0.502, 0.29],
                    [0.521, 0.351],
                    [0.523, 0.615],
                    [0.525, 0.952],
                    [0.485, 0.952],
                    [0.485, 0.417],
                    [0.490, 0.315],
                ]
            },
            "mesh": "card",
            "height": "70m",
            "stands": False,
            "distance": "220m",
        }
    },
    "background": {"layout": "ground_and_backdrop", "horizon": "97%", "distance": "240m", "margin": 0.2},
    "motion": {"rocket": [{"at": 2}, {"at": 8, "move": [0, 0, "10m"]}]},
    "camera": [{"at": 0}, {"at": 4, "zoom": 1.1}, {"at": 8, "zoom": 1.2}],
    "keyframes": {"every": 4},
}


def write_spec(folder: Path, spec: dict) -> Path:
    """Writes a spec beside a copy of its photo and returns the spec's path."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "rocket.jpg").exists():
        shutil.copy(ROOT / "specs" / "rocket" / "rocket.jpg", folder / "rocket.jpg")
    file = folder / "scene.yaml"
    file.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return file


def i2v3d(*arguments: object, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess:
    """Runs the command line as a user would."""
    command = [sys.executable, "-m", "i2v3d", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert not check or run.returncode == 0, run.stdout + run.stderr
    return run
