"""Whole builds of a small real scene through the command line."""

import copy
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, SPEC, i2v3d, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.blender]

# A .blend's bytes differ between equal runs (Blender's own doing); its truth is the scene cache.
# What lies beside a result tells when and how it was built.
VOLATILE = {"scene.blend", "build.json", "report.html"}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in VOLATILE
    }


def ran(run) -> int:
    if "up to date" in run.stdout:
        return 0
    return int(re.search(r"^(\d+) steps run", run.stdout, re.MULTILINE).group(1))


def steps_run(folder: Path) -> list[str]:
    """Steps that the newest build in a scene's folder ran."""
    newest = max((folder / ".i2v3d" / "builds").rglob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)
    events = map(json.loads, newest.read_text().splitlines())
    return [event["step"] for event in events if event["event"] == "StepFinished"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    write_spec(folder, SPEC)
    i2v3d("build", folder / "scene.yaml")
    return folder


def test_a_build_leaves_the_video_and_the_scene(built):
    out = built / "out" / "small"
    assert {"video.mp4", "render.mp4", "scene.blend", "scene.glb", "cameras.json"} <= {
        item.name for item in out.iterdir()
    }
    assert (out / "scene" / "scene.py").is_file()


def test_a_second_build_runs_nothing(built):
    assert ran(i2v3d("build", built / "scene.yaml")) == 0


def test_a_plan_after_a_build_has_nothing_to_do_and_one_after_an_edit_says_what(built):
    file = built / "scene.yaml"
    assert re.fullmatch(r"small: \d+ up to date\n", i2v3d("plan", file).stdout)
    edited = i2v3d("plan", file, "--set", "camera[2].zoom=1.3").stdout
    assert "will run    scene_script" in edited
    assert "camera_path[2].zoom 1.2 -> 1.3" in edited


def test_two_clean_builds_give_the_same_bytes(built, tmp_path):
    write_spec(tmp_path / "again", SPEC)
    i2v3d("build", tmp_path / "again" / "scene.yaml", "--jobs", 1)
    assert digests(tmp_path / "again" / "out") == digests(built / "out")


def test_comments_key_order_and_layout_of_the_spec_rebuild_nothing(built):
    reordered = dict(reversed(SPEC.items()))
    file = write_spec(built, reordered)
    file.write_text("# a comment\n\n" + file.read_text() + "\n# another\n")
    assert ran(i2v3d("build", file)) == 0


def test_after_editing_the_last_camera_key_only_frames_after_the_key_before_are_rendered(built, tmp_path):
    edited = copy.deepcopy(SPEC)
    edited["camera"][-1]["zoom"] = 1.3
    i2v3d("build", write_spec(built, edited))
    rendered = [step for step in steps_run(built) if step.startswith("render[")]
    # Frame 4 is a key and keeps its pose, but its flow to frame 5 changes.
    assert sorted(rendered) == [f"render[{frame}]" for frame in (4, 5, 6, 7, 8)]
    write_spec(tmp_path / "clean", edited)
    i2v3d("build", tmp_path / "clean" / "scene.yaml")
    assert digests(tmp_path / "clean" / "out") == digests(built / "out")


def edited_at_random(spec: dict, source: random.Random) -> dict:
    """Returns a spec with one edit of the kind that users make."""
    spec = copy.deepcopy(spec)
    edits = [
        lambda: spec["camera"][-1].update(zoom=round(source.uniform(1.05, 1.4), 2)),
        lambda: spec["camera"][1].update(pan=f"{source.randint(-3, 3)}deg"),
        lambda: spec["motion"]["rocket"][-1].update(move=[0, 0, f"{source.randint(1, 20)}m"]),
        lambda: spec["motion"]["rocket"][-1].update(ease=source.choice(["in_cubic", "out_sine", "linear"])),
        lambda: spec["objects"]["rocket"].update(height=f"{source.randint(50, 80)}m"),
        lambda: spec["objects"]["rocket"].update(mesh=source.choice(["card", "box", "lathe"])),
        lambda: spec["background"].update(margin=source.choice([0.15, 0.2, 0.25])),
        lambda: spec["output"].update(duration=f"{source.randint(8, 9)}f"),
        lambda: spec.update(seed=source.randint(1, 3)),
    ]
    source.choice(edits)()
    return spec


def test_a_build_after_random_edits_equals_a_clean_build(tmp_path):
    source = random.Random(7)
    spec = copy.deepcopy(SPEC)
    i2v3d("build", write_spec(tmp_path / "kept", spec))
    for number in range(4):
        for _ in range(source.randint(1, 2)):
            spec = edited_at_random(spec, source)
        i2v3d("build", write_spec(tmp_path / "kept", spec))
        fresh = tmp_path / f"fresh{number}"
        i2v3d("build", write_spec(fresh, spec))
        assert digests(tmp_path / "kept" / "out") == digests(fresh / "out"), spec


@pytest.mark.parametrize("name", ["rocket", "coffee", "chelsea", "astronaut"])
def test_each_example_compiles(name):
    graph = i2v3d("graph", ROOT / "specs" / name / "scene.yaml")
    assert "video.mp4" in graph.stdout


def test_a_build_killed_at_random_moments_goes_on_and_ends_as_a_clean_one(built, tmp_path):
    source = random.Random(11)
    file = write_spec(tmp_path / "killed", SPEC)
    finished: set[str] = set()
    for _ in range(6):
        command = [sys.executable, "-m", "i2v3d", "build", str(file), "--progress", "json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            timer = threading.Timer(source.uniform(0.6, 4.0), process.kill)
            timer.start()
            events = [json.loads(line) for line in process.stdout if line.endswith("}\n")]
        timer.cancel()
        done_now = [event["step"] for event in events if event["event"] == "StepFinished"]
        assert not finished & set(done_now), "a finished step was run again"
        finished |= set(done_now)
    i2v3d("build", file)
    write_spec(tmp_path / "clean", SPEC)
    i2v3d("build", tmp_path / "clean" / "scene.yaml")
    assert digests(tmp_path / "killed" / "out") == digests(tmp_path / "clean" / "out")


def test_two_builds_at_once_both_succeed_and_run_each_step_once(tmp_path):
    file = write_spec(tmp_path, SPEC)
    command = [sys.executable, "-m", "i2v3d", "build", str(file), "--progress", "json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    events = [json.loads(line) for output in outputs for line in output.splitlines() if line.startswith("{")]
    ran_steps = [event["step"] for event in events if event["event"] == "StepFinished"]
    assert len(ran_steps) == len(set(ran_steps))


def test_a_flipped_byte_in_the_store_is_found_and_built_again(tmp_path):
    # A store of its own: in a shared one the largest file may belong to another variant, and is then not looked at.
    built = tmp_path / "damaged"
    i2v3d("build", write_spec(built, SPEC))
    before = digests(built / "out")
    video = hashlib.sha256((built / "out" / "small" / "video.mp4").read_bytes()).hexdigest()
    blob = max((built / ".i2v3d" / "objects").rglob("*"), key=lambda file: file.stat().st_size if file.is_file() else 0)
    status = blob.stat()
    damaged = bytearray(blob.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(damaged)
    os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns))
    i2v3d("build", built / "scene.yaml")
    assert digests(built / "out") == before
    assert hashlib.sha256((built / "out" / "small" / "video.mp4").read_bytes()).hexdigest() == video
    i2v3d("cache", "verify", "--cache", built / ".i2v3d")
