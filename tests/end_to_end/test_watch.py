"""`i2v3d watch` as a user has it: a process, an editor that saves, a page."""

import copy
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, SPEC, i2v3d, write_spec

from i2v3d.execute.environment import find_browser
from tests.browser import Browser
from tests.watched import Watched, save_by_renaming, watched

pytestmark = [pytest.mark.slow, pytest.mark.blender]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in which the small scene is previewed."""
    folder = tmp_path_factory.mktemp("store")
    write_spec(folder, SPEC)
    i2v3d("build", folder, "--preview")
    return folder / ".i2v3d"


@pytest.fixture
def spec(tmp_path, store):
    file = write_spec(tmp_path / "scene", SPEC)
    shutil.copytree(store, file.parent / ".i2v3d")
    return file


def with_camera(**last):
    spec = copy.deepcopy(SPEC)
    spec["camera"][-1].update(last)
    return yaml.safe_dump(spec, sort_keys=False)


def is_ready(state):
    return state["phase"] == "ready" and state["is_done"]


def last_picture(watch: Watched):
    with av.open(io.BytesIO(watch.get("/files/preview.mp4"))) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(0)][-1].astype(int)


def children_of(pid):
    """Every living process below this one."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    found, parents = [], {str(pid)}
    while parents:
        below = {row[0] for row in rows if row[1] in parents and not row[2].startswith("Z")}
        found += below
        parents = below
    return [int(pid) for pid in found]


def all_gone(pids):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() and "Z" not in _status(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _status(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_save_brings_a_new_preview_an_error_keeps_it_and_a_mended_spec_goes_on(spec):
    with watched(spec.parent) as watch:
        watch.wait_for(is_ready)
        first = last_picture(watch)
        first_states = len(watch.states)
        pids = children_of(watch.process.pid)

        save_by_renaming(spec, with_camera(zoom=1.6))
        _, state = watch.wait_for(is_ready, after=first_states)
        assert {step["name"] for step in state["steps"]} >= {"scene_script", "assemble", "preview"}
        assert not {step["name"] for step in state["steps"]} & {"segment[rocket]", "background_mesh", "render[0]"}
        assert (state["changed"], state["previews"]) == ("scene.yaml (camera[2].zoom)", 2)
        second = last_picture(watch)
        assert np.abs(second - first).mean() > 3

        before = len(watch.states)
        save_by_renaming(spec, with_camera(zoom=1.7).replace("zoom: 1.7", "zooom: 1.7"))
        _, state = watch.wait_for(lambda state: state["phase"] == "failed", after=before)
        line = spec.read_text().splitlines().index("  zooom: 1.7") + 1
        assert f"scene.yaml:{line}:3  camera[2].zooom: unknown key `zooom`" in state["problems"][0]["head"]
        assert state["video"] and np.array_equal(last_picture(watch), second)

        before = len(watch.states)
        save_by_renaming(spec, with_camera(zoom=1.7))
        _, state = watch.wait_for(is_ready, after=before)
        assert (state["problems"], state["previews"]) == ([], 3)
        assert np.abs(last_picture(watch) - second).mean() > 0.5

        pids += children_of(watch.process.pid)
        assert watch.end(signal.SIGINT) == 130
        assert all_gone(pids)
        text = watch.text()
    assert "interrupted" in text and "Traceback" not in text
    lines = [line for line in text.splitlines() if "s after the save" in line]
    assert len(lines) == 2 and "scene.yaml (camera[2].zoom): scene_script, assemble, preview ran" in lines[0]
    # The whole build finds the assembled scene of the last preview.
    whole = json.loads(i2v3d("build", spec, "--only", "assemble", "--progress", "json").stdout.splitlines()[-1])
    assert whole["executed"] == 0


def test_a_preview_is_byte_for_byte_that_of_a_clean_build(spec, tmp_path):
    with watched(spec.parent) as watch:
        watch.wait_for(is_ready)
        for zoom in (1.3, 1.5):
            before = len(watch.states)
            save_by_renaming(spec, with_camera(zoom=zoom))
            watch.wait_for(is_ready, after=before)
    clean = write_spec(tmp_path / "clean", yaml.safe_load(spec.read_text()))
    i2v3d("build", clean, "--preview")
    for name in ("preview.mp4", "preview.png"):
        assert (clean.parent / "out/small" / name).read_bytes() == (spec.parent / "out/small" / name).read_bytes()


def blender_of(watch: Watched):
    """Returns the Blenders of a step that has just begun, as soon as there is one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := [pid for pid in children_of(watch.process.pid) if "scene.py" in _command(pid)]:
            return found
    raise AssertionError("no Blender was started")


def test_a_newer_save_ends_the_build_of_an_older_one_and_blender_with_it(spec):
    with watched(spec.parent) as watch:
        watch.wait_for(is_ready)
        before = len(watch.states)
        save_by_renaming(spec, with_camera(zoom=1.3))
        watch.wait_for(lambda state: state["status"] == "building: assemble", after=before)
        blender = blender_of(watch)
        save_by_renaming(spec, with_camera(zoom=1.9))
        _, state = watch.wait_for(is_ready, after=before)
        assert all_gone(blender)
        assert state["previews"] == 2
        wanted = last_picture(watch)
        before = len(watch.states)
        save_by_renaming(spec, with_camera(zoom=1.2))
        watch.wait_for(is_ready, after=before)
        before = len(watch.states)
        save_by_renaming(spec, with_camera(zoom=1.9))
        watch.wait_for(is_ready, after=before)
        assert np.array_equal(last_picture(watch), wanted)


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_what_a_spec_lacks_may_come_later_and_other_files_than_the_spec_count(spec):
    photo = spec.with_name("rocket.jpg")
    aside = spec.parent.parent / "aside.jpg"
    photo.rename(aside)
    with watched(spec.parent) as watch:
        _, state = watch.wait_for(lambda state: state["phase"] == "failed")
        assert "there is no file `rocket.jpg`" in state["problems"][0]["head"]
        before = len(watch.states)
        aside.rename(photo)
        _, state = watch.wait_for(is_ready, after=before)
        before = len(watch.states)
        os.utime(photo)
        _, state = watch.wait_for(is_ready, after=before)
        assert (state["changed"], state["steps"]) == ("rocket.jpg", [])


def test_the_whole_result_follows_the_preview_when_asked_for(spec):
    with watched(spec.parent, "--full") as watch:
        _, state = watch.wait_for(is_ready)
        assert state["full"].startswith("the whole result is built")
        names = [file["name"] for file in state["files"]]
        assert {"report", "video.mp4", "render.mp4"} <= set(names)
        with av.open(io.BytesIO(watch.get("/files/video.mp4"))) as container:
            assert container.streams.video[0].frames == 9
        assert watch.get("/files/preview.mp4")
        assert b"<html" in watch.get("/files/report.html")


def test_a_normal_build_knows_no_preview_and_leaves_one_alone(spec):
    assert "preview" not in i2v3d("plan", spec).stdout
    i2v3d("build", spec, "--preview")
    run = i2v3d("build", spec, "--only", "check")
    out = spec.parent / "out" / "small"
    assert {file.name for file in out.iterdir()} == {"preview.mp4", "preview.png", "check"}
    assert "preview" not in run.stdout
    again = i2v3d("build", spec, "--preview", "--force", "preview")
    assert "a preview: the render at 192x108, every 4th frame" in again.stdout


@pytest.fixture
def browser():
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium is installed: `i2v3d doctor --fix --tests` installs one")
    browser = Browser(program)
    yield browser
    browser.close()


def test_the_report_in_a_browser_is_the_newest_one_by_itself(spec, browser):
    with watched(spec.parent, "--full") as watch:
        watch.wait_for(is_ready)
        page = browser.open(f"http://127.0.0.1:{watch.port}/report", width=1100, height=900)
        page.js("window.inner = () => document.getElementById('report').contentDocument; 1")
        page.wait_for("inner() && inner().readyState === 'complete' && inner().querySelector('video, canvas, img')")
        was = page.js("inner().body.innerText")
        before = len(watch.states)
        save_by_renaming(spec, with_camera(zoom=1.6))
        watch.wait_for(is_ready, after=before)
        page.wait_for(f"inner() && inner().readyState === 'complete' && inner().body.innerText !== {json.dumps(was)}")
        assert not page.complaints


def test_a_page_in_a_browser_shows_each_new_preview_by_itself(spec, browser):
    with watched(spec.parent) as watch:
        watch.wait_for(is_ready)
        page = browser.open(f"http://127.0.0.1:{watch.port}/", width=1100, height=900)
        page.js("window.video = document.getElementById('video'); 1")
        page.wait_for("video.readyState >= 2 && document.getElementById('sheet').complete")
        assert page.js("video.videoWidth") == 192
        was = page.js("video.currentSrc")
        save_by_renaming(spec, with_camera(zoom=1.6))
        page.wait_for(f"video.currentSrc !== {json.dumps(was)}")
        page.wait_for("video.readyState >= 2 && video.currentTime > 0")
        page.wait_for("document.getElementById('status').dataset.phase === 'ready'")
        before = len(watch.states)
        save_by_renaming(spec, with_camera(zoom=1.6).replace("zoom: 1.6", "zooom: 1.6"))
        watch.wait_for(lambda state: state["phase"] == "failed", after=before)
        page.wait_for("!document.getElementById('problems').hidden")
        assert "unknown key `zooom`" in page.js("document.getElementById('problem-list').innerText")
        assert page.js("video.hidden") is False
        assert not page.complaints
        assert all(address.startswith(f"http://127.0.0.1:{watch.port}/") for address in page.requests)


def test_a_spec_that_is_not_there_is_told_at_once(tmp_path):
    run = i2v3d("watch", tmp_path / "scene.yaml", check=False)
    assert run.returncode == 2
    assert "there is no such spec" in run.stderr
    assert str(ROOT) not in run.stderr
