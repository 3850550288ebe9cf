"""The README as a new user takes it: every command in it is run, and every example spec in it is read."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text(encoding="utf-8")
NOT_RUN = "# not run"
# The set-up itself: `.ci/run` does it, on a machine where nothing is installed.
IS_SET_UP = re.compile(r"\bpip install\b|-m venv\b")
_LONGEST_S = 600


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands():
    """Every line of every shell block; a line that ends in a backslash goes on in the next."""
    for block in blocks("sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip() and NOT_RUN not in line:
                yield line.strip()


def as_installed(line):
    """The line without the making of environments, which the one that runs this test takes the place of."""
    parts = [part for part in line.split(" && ") if not IS_SET_UP.search(part)]
    return re.sub(r"\.venv(-test)?/bin/", "", " && ".join(parts))


def is_the_tests_own(line):
    return "pytest" in line


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The repository's specs as in a clean checkout, the rocket half as wide, and a photo; results are left in it."""
    root = tmp_path_factory.mktemp("readme") / "i2v3d"
    shutil.copytree(REPO / "specs", root / "specs", ignore=shutil.ignore_patterns("out", ".i2v3d"))
    rocket = root / "specs" / "rocket" / "scene.yaml"
    text = rocket.read_text(encoding="utf-8")
    assert text.count("[1024, 576]") == 1
    rocket.write_text(text.replace("[1024, 576]", "[512, 288]"), encoding="utf-8")
    shutil.copy(REPO / "specs" / "coffee" / "coffee.png", root / "photo.jpg")
    return root


@pytest.mark.slow
@pytest.mark.blender
def test_every_command_works_in_the_order_in_which_it_is_read(folder):
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(REPO)}
    ran = 0
    for line in commands():
        command = as_installed(line)
        if not command or is_the_tests_own(line):
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        ran += 1
    assert ran >= 3
    assert (folder / "specs" / "rocket" / "out" / "rocket" / "video.mp4").is_file()


def test_the_command_of_the_ci_is_the_one_of_the_readme():
    (line,) = [line for line in commands() if is_the_tests_own(line)]
    section = README[README.index("<!-- test command -->") :]
    assert section.split("```sh\n", 1)[1].split("\n", 1)[0] == line


@pytest.mark.parametrize("text", blocks("yaml"), ids=lambda text: text.split(":", 1)[0].strip().split("\n")[-1][:30])
def test_every_example_is_yaml_with_known_sections(text):
    import yaml

    from i2v3d.spec.model import Spec

    document = yaml.safe_load(text)
    known = {*Spec.model_fields, "i2v3d", "include", "name", "on", "jobs"}  # the last two are a workflow's
    documents = document if isinstance(document, list) else [document]
    for one in documents:
        unknown = {str(key) for key in one} - known
        assert not unknown or True in one, f"unknown sections {sorted(unknown)}"
