"""A small scene to spoil, and what a user sees of it. The texts are in `tests/golden/bad_input`."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image
from scenes import ROOT, i2v3d

GOLDEN = ROOT / "tests" / "golden" / "bad_input"

SCENE = """\
i2v3d: 1
name: small
source:
  image: photo.png
  camera: {fov: 40deg}
output: {size: [192, 108], fps: 24, duration: 8f}
objects:
  rocket:
    segment: {box: [0.45, 0.2, 0.56, 0.8]}
    mesh: card
background: {layout: ground_and_backdrop, horizon: 60%}
motion:
  rocket:
    - {at: 2}
    - {at: 8, move: [0, 0, 1m]}
camera:
  - {at: 0}
  - {at: 8, zoom: 1.2}
"""


def photo(size: tuple[int, int] = (192, 108)) -> Image.Image:
    """A dark upright thing before a sky over ground, with some texture."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.stack([120 + columns * 0.3, 150 + rows * 0.4, 230 - rows * 0.9], axis=-1)
    picture[int(0.6 * height) :] = (120, 100, 60)
    picture += ((columns * 7 + rows * 13) % 11)[..., None]
    picture[int(0.25 * height) : int(0.75 * height), int(0.47 * width) : int(0.54 * width)] = (40, 30, 30)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def write(folder: Path, old: str = "", new: str = "", name: str = "scene.yaml") -> Path:
    assert not old or SCENE.count(old) == 1, old
    (folder / name).write_text(SCENE.replace(old, new) if old else SCENE, encoding="utf-8", errors="surrogateescape")
    return folder / name


def told(run: subprocess.CompletedProcess, folder: Path) -> str:
    """What went to standard error, without how far the build was, which depends on the machine."""
    passing = re.compile(r" +\d+\.\d s  | {11}\w+ x\d|building |  input ")
    lines = [line for line in run.stderr.splitlines() if not passing.match(line)]
    return f"exit {run.returncode}\n" + "\n".join(lines).replace(str(folder), "FOLDER") + "\n"


def assert_pinned(case: str, text: str) -> None:
    """After a wanted change: I2V3D_UPDATE_GOLDEN=1, then review the difference as code."""
    file = GOLDEN / f"{case}.txt"
    if os.environ.get("I2V3D_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def build(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    return i2v3d("build", *arguments, check=False, cwd=folder)


def assert_nothing_half_written(folder: Path) -> None:
    """No deliverable, no result without its record, no work directory."""
    assert not (folder / "out").exists()
    store = folder / ".i2v3d"
    if store.exists():
        assert not list((store / "work").iterdir())
        assert i2v3d("cache", "verify", "--cache", store).stdout == "every stored file is what it was\n"
