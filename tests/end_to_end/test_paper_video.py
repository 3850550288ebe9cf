"""From a photo to an mp4 with the paper's models: a whole build of the rocket on tiny random weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, i2v3d

for library in ("torch", "diffusers", "transformers", "peft"):
    pytest.importorskip(library, reason="needs the extra i2v3d[diffusion]")

pytestmark = [pytest.mark.slow, pytest.mark.blender]

FRAMES = 31
INTERVALS = ("interpolate[0-15]", "interpolate[15-30]")


def paper_spec(models):
    """The example, small and short of steps: two intervals, each keyframe on its own."""
    spec = yaml.safe_load((ROOT / "specs" / "rocket" / "scene.yaml").read_text(encoding="utf-8"))
    orbit = {"around": "rocket", "azimuth": "5deg"}
    return {
        **spec,
        "profile": "paper",
        "output": {"size": [128, 64], "fps": 12, "duration": "2.5s"},
        "camera": [{"at": "0s"}, {"at": "1.5s", "orbit": orbit}, {"at": "2.5s", "orbit": orbit, "tilt": "2.5deg"}],
        "customize": {"steps": 2, "rank": 2},
        # Keyframes that see each other are made together, and then an edit of one makes them all again.
        "keyframes": {"steps": 2, "window": 1, "overlap": 0},
        "interpolate": {"steps": 2},
        "models": {"precision": "fp32", **{role: str(folder) for role, folder in models.items()}},
    }


def build_command(file, models):
    return ["build", file, "--allow-path", Path(models["svd"]).parent, "--jobs", 1]


def killed_after(step, arguments):
    """Builds until a step is finished, then kills the build; returns the steps that were finished."""
    command = [sys.executable, "-m", "i2v3d", *map(str, arguments), "--progress", "json"]
    finished = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "StepFinished":
                finished.append(event["step"])
                if event["step"] == step:
                    process.kill()
    return finished


def steps_run(folder):
    """Steps that the newest build in a scene's folder ran."""
    newest = max((folder / ".i2v3d" / "builds").rglob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    events = map(json.loads, newest.read_text().splitlines())
    return {event["step"] for event in events if event["event"] == "StepFinished"}


@pytest.fixture(scope="module")
def built(tiny_models, tmp_path_factory):
    """A build that was killed after its first interval and begun again."""
    folder = tmp_path_factory.mktemp("paper")
    shutil.copy(ROOT / "specs" / "rocket" / "rocket.jpg", folder)
    (folder / "scene.yaml").write_text(yaml.safe_dump(paper_spec(tiny_models), sort_keys=False), encoding="utf-8")
    command = build_command(folder / "scene.yaml", tiny_models)
    before = killed_after(INTERVALS[0], command)
    i2v3d(*command)
    return folder, command, set(before), steps_run(folder)


def test_the_video_has_every_frame(built):
    import av

    folder, *_ = built
    with av.open(str(folder / "out" / "rocket" / "video.mp4")) as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert [picture.shape for picture in pictures] == [(64, 128, 3)] * FRAMES
    assert all(picture.std() > 1 for picture in pictures)


def test_a_killed_build_loses_nothing_that_was_finished(built):
    _, _, before, after = built
    assert INTERVALS[0] in before and "customize" in before
    # What only looks at the frames may have been done or not when the kill came.
    looking = ("draw", "measure", "evaluate", "encode[render]")
    assert {step for step in after if not step.startswith(looking)} == {INTERVALS[1], "encode"}
    assert not before & after


def test_a_second_build_does_nothing(built):
    _, command, *_ = built
    assert "up to date" in i2v3d(*command).stdout


def test_an_edit_of_the_second_half_runs_the_second_interval_only(built):
    # Frame 18 holds the key before: its pose stays, and only what its flow leads to changes.
    folder, command, *_ = built
    i2v3d(*command, "--set", "camera[2].tilt=4deg", "--out", folder / "edited")
    ran = steps_run(folder)
    assert {INTERVALS[1], "keyframes[30]", "encode", "render[30]"} <= ran
    assert not ran & {INTERVALS[0], "keyframes[0]", "keyframes[15]", "customize", "render[17]"}
    # The common range of depth is found again, and is the same: it is rounded.
    assert "depth_range" in ran
