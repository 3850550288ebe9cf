"""The CI workflow of the README parses, and every i2v3d command in it exists with the options it is given."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from i2v3d.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def workflow():
    (text,) = [
        block for block in re.findall(r"^```yaml\n(.*?)^```$", README, re.M | re.S) if ".github/workflows" in block
    ]
    return yaml.safe_load(text)


STEPS = workflow()["jobs"]["check"]["steps"]
COMMANDS = [line for step in STEPS for line in step.get("run", "").splitlines() if line.startswith("i2v3d")]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_workflow_exists_with_its_options(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)[1:]
    command = main
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, line
    assert command.make_context(command.name, words).params


def test_the_store_is_restored_and_saved_under_one_key():
    restore, save = (
        next(s for s in STEPS if s.get("uses", "").startswith(f"actions/cache/{what}")) for what in ("restore", "save")
    )
    assert restore["with"]["key"] == save["with"]["key"]
    assert "specs/**" in save["with"]["key"]
    assert restore["with"]["path"] == save["with"]["path"] == ".i2v3d"
    assert all("--cache .i2v3d" in line for line in COMMANDS if "doctor" not in line)


def test_results_are_uploaded_after_a_failure_too():
    upload = STEPS[-1]
    assert upload["uses"].startswith("actions/upload-artifact")
    assert upload["if"] == "always()"
    for place in ("junit.xml", "video.mp4", "*.html"):
        assert place in upload["with"]["path"]


def test_every_action_is_pinned_to_a_version():
    assert all(re.fullmatch(r"[\w/-]+@v\d+", step["uses"]) for step in STEPS if "uses" in step)
