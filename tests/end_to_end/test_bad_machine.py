"""A full disk, a locked folder, Ctrl-C: told plainly, and nothing is left half-written."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bad_input import assert_nothing_half_written, assert_pinned, build, told, write


def private_mount(*mount: str) -> tuple[str, ...]:
    """A command prefix that mounts something for its own process only; skips where that is not allowed."""
    for unshare in (("unshare", "-m"), ("unshare", "-rm")):
        prefix = (*unshare, "sh", "-ec", f'{" ".join(mount)}; exec "$@"', "sh")
        if (
            shutil.which("unshare")
            and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
        ):
            return prefix
    pytest.skip("nothing can be mounted here")


def build_within(prefix: tuple[str, ...], folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [*prefix, sys.executable, "-m", "i2v3d", "build", "scene.yaml", "--until", "scene_script", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "option", "size"), [("store", "--cache", "64k"), ("out", "--out", "24k")])
def test_a_full_disk_is_told_and_another_build_goes_on(case, option, size, folder):
    write(folder)
    place = folder / "small disk"
    place.mkdir()
    prefix = private_mount("mount", "-t", "tmpfs", "-o", f"size={size}", "none", f"'{place}'")
    run = build_within(prefix, folder, option, str(place / "x"))
    assert_pinned(f"full_disk_{case}", told(run, folder))
    assert_nothing_half_written(folder)
    assert build_within((), folder, option, str(place / "x")).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("case", "option"), [("store", "--cache"), ("out", "--out")])
def test_a_folder_that_can_not_be_written_is_told(case, option, folder):
    write(folder)
    place = folder / "locked"
    place.mkdir()
    prefix = private_mount(
        "mount", "--bind", f"'{place}'", f"'{place}'", "&&", "mount -o remount,ro,bind", f"'{place}'"
    )
    run = build_within(prefix, folder, option, str(place / "x"))
    assert_pinned(f"no_permission_{case}", told(run, folder))
    assert_nothing_half_written(folder)
    assert not list(place.iterdir())


def descendants(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listing.splitlines())}
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


@pytest.mark.slow
def test_ctrl_c_ends_every_process_and_leaves_nothing_half_written(folder):
    write(folder)
    command = [sys.executable, "-m", "i2v3d", "build", "scene.yaml", "--until", "background_mesh", "--progress", "json"]
    with subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        for line in run.stdout:
            if '"StepStarted"' in line and '"segment' in line:
                break
        children = descendants(run.pid)
        os.killpg(run.pid, signal.SIGINT)
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 130
    assert errors.strip() == "interrupted; what was finished is kept"
    assert children
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert_nothing_half_written(folder)
    assert "1 reused" in build(folder, ".", "--until", "segment").stdout
