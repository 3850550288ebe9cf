"""The Python API as a notebook uses it, and the README's example, run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, SPEC, write_spec

import i2v3d
from i2v3d.execute.events import BuildFinished, StepFinished

pytestmark = [pytest.mark.slow, pytest.mark.blender]


@pytest.fixture(scope="module")
def shot(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook")
    write_spec(folder, SPEC)
    return i2v3d.load(folder, set={"output.size": [160, 90]})


@pytest.fixture(scope="module")
def events():
    return []


@pytest.fixture(scope="module")
def build(shot, events):
    return shot.build(on_event=events.append)


def test_a_build_gives_frames_cameras_and_what_it_was_made_from(shot, build):
    assert build.video == shot.out_dir / "video.mp4"
    frames = build.frames()
    assert (frames.shape, frames.dtype) == ((9, 90, 160, 3), np.uint8)
    assert np.array_equal(build.frame(4), frames[4])
    assert np.array_equal(build.frame(-1), frames[8])
    assert build.frames(of="render").shape == frames.shape
    with pytest.raises(IndexError, match="has no frame 9"):
        build.frame(9)
    assert len(build.cameras.cameras) == 9
    assert build.cameras.cameras[0].world_from_camera[2, 3] == pytest.approx(1.6, abs=1e-4)
    assert build.manifest.spec.overrides == ("output.size=[160, 90]",)
    assert (build.metrics is None) == ("metrics.json" not in build.delivered)


def test_events_are_told_and_nothing_heavy_runs_in_this_process(build, events):
    assert isinstance(events[-1], BuildFinished)
    assert len([event for event in events if isinstance(event, StepFinished)]) == len(build.result.executed)
    assert "bpy" not in sys.modules


def test_a_second_build_runs_nothing_and_prints_what_it_does(shot, build, capsys):
    again = shot.build()
    assert again.result.executed == ()
    printed = capsys.readouterr()
    assert printed.out.startswith("building small")
    assert printed.err == ""
    assert shot.build(progress=False).video == build.video
    assert capsys.readouterr().out == ""
    assert shot.plan().is_up_to_date


def test_a_result_shows_its_videos(build):
    page = build._repr_html_()
    assert page.count("<video") == 2
    assert "data:video/mp4;base64," in page
    assert "small" in repr(build)


def test_shots_of_a_loop_lie_side_by_side_and_share_what_they_can(shot, build):
    other = shot.set({"camera[2].zoom": 1.3, "name": "small-1.3"}).build(progress=False)
    assert other.video.parent.name == "small-1.3"
    assert "prepare" in other.result.reused
    assert "encode" in other.result.executed
    assert not np.array_equal(other.frame(8), build.frame(8))


def test_a_step_that_fails_is_an_error_with_its_place_in_the_spec(shot):
    broken = shot.set({"objects.rocket.segment": {"box": [0.001, 0.001, 0.004, 0.004]}, "name": "broken"})
    with pytest.raises(i2v3d.I2V3DError) as found:
        broken.build(progress=False)
    assert "objects.rocket.segment" in str(found.value)
    assert "--set:" in str(found.value)


def test_a_build_of_some_steps_has_no_video_and_says_so(shot):
    part = shot.set(name="part").build(until="prepare", progress=False)
    assert part.video is None
    with pytest.raises(i2v3d.UsageError, match=r"delivered no video.mp4"):
        part.frames()
    with pytest.raises(i2v3d.UsageError, match=r"build.json"):
        _ = part.manifest


def test_the_example_in_the_readme_runs_as_it_stands(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- python example -->\n```python\n(.*?)```", text, re.DOTALL)
    shutil.copytree(
        ROOT / "specs" / "rocket", tmp_path / "specs" / "rocket", ignore=shutil.ignore_patterns("out", ".i2v3d")
    )
    (tmp_path / "example.py").write_text(code, encoding="utf-8")
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    run = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines() if re.match(r"(4|12) \d", line)]
    assert [row[0] for row in rows] == ["4", "12"]
    assert all(float(row[1]) > 0.1 for row in rows)
