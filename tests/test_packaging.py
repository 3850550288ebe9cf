"""The wheel holds everything that a checkout has."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _shipped(folder: str) -> set[str]:
    return {
        str(file.relative_to(ROOT / folder))
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_every_package_folder_is_listed():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "i2v3d").rglob("__init__.py")}
    assert found | {"i2v3d._templates", "i2v3d._schemas"} == listed


@pytest.mark.slow
def test_the_wheel_holds_templates_and_schemas(tmp_path):
    # A copy, so that building leaves nothing in the checkout.
    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        if not name.startswith(("specs/", "tests/")) and (ROOT / name).exists():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "wheel"), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "schemas"):
        inside = {name.removeprefix(f"i2v3d/_{folder}/") for name in names if name.startswith(f"i2v3d/_{folder}/")}
        assert inside == {
            str(file.relative_to(source / folder)) for file in (source / folder).rglob("*") if file.is_file()
        }
