"""A small real matrix through the command line: built together, compared, one member failing."""

import copy
import csv
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from scenes import SPEC, i2v3d, write_spec

from i2v3d.report.clip_frames import open_clip

pytestmark = [pytest.mark.slow, pytest.mark.blender]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def events(folder: Path, scene: str) -> list[dict]:
    newest = max((folder / ".i2v3d" / "builds" / scene).glob("*.jsonl"))
    return [json.loads(line) for line in newest.read_text().splitlines()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    spec = {**copy.deepcopy(SPEC), "variants": {"still": {"camera": [{"at": 0}]}, "short": {"output.duration": "4f"}}}
    spec["variants"]["short"]["camera"] = [{"at": 0}, {"at": 4, "zoom": 1.1}]
    spec["variants"]["short"]["motion"] = {"rocket": [{"at": 2}, {"at": 4, "move": [0, 0, "4m"]}]}
    write_spec(folder, spec)
    run = i2v3d("build", folder / "scene.yaml", "--variants", "base,all")
    return folder, run


def test_every_member_is_delivered_and_compared(built):
    folder, run = built
    for name in ("small", "small-still", "small-short"):
        assert (folder / "out" / name / "video.mp4").is_file()
    comparison = folder / "out" / "small" / "matrix"
    document = json.loads((comparison / "matrix.json").read_text())
    assert [member["name"] for member in document["members"]] == ["small", "small-still", "small-short"]
    assert {member["status"] for member in document["members"]} == {"built"}
    assert document["members"][1]["folder"] == "../../small-still"
    assert all(member["shared_steps"] > 0 for member in document["members"])
    with (comparison / "matrix.csv").open(newline="") as file:
        assert [row["variant"] for row in csv.DictReader(file)] == ["", "still", "short"]
    grid = open_clip("", comparison / "grid.mp4")
    assert grid.frame_count == 9
    sheet = np.asarray(Image.open(comparison / "contact.png"))
    assert sheet.shape[1] == 228 + 6 * 266
    assert "small-short" in run.stdout


def test_shared_steps_run_once(built):
    folder, _ = built
    finished = [event["step"] for event in events(folder, "small-matrix") if event["event"] == "StepFinished"]
    for stage in ("prepare", "segment", "inpaint", "foreground_mesh"):
        assert sum(step.rpartition("/")[2].partition("[")[0] == stage for step in finished) == 1


def test_a_member_is_what_its_own_build_makes(built, tmp_path):
    folder, _ = built
    again = i2v3d("build", folder / "scene.yaml", "--variant", "still")
    assert "up to date" in again.stdout or "0 steps run" in again.stdout
    other = i2v3d(
        "build", folder / "scene.yaml", "--variant", "still", "--cache", tmp_path / "c", "--out", tmp_path / "o"
    )
    assert "0 reused" in other.stdout
    for name in ("video.mp4", "render.mp4", "cameras.json"):
        assert digest(tmp_path / "o" / name) == digest(folder / "out" / "small-still" / name)


def test_a_member_of_a_sweep_can_be_verified_and_locked(built, tmp_path):
    folder, _ = built
    arguments = ("build", folder / "scene.yaml", "--sweep", "camera[2].zoom=1.2,1.25", "--out", tmp_path)
    i2v3d(*arguments)
    manifest = tmp_path / "small-zoom-1.25" / "build.json"
    run = i2v3d("verify", manifest)
    assert "would be made as they were" in run.stdout
    assert "0 steps ran" in i2v3d(*arguments, "--locked").stdout
    edited = i2v3d(*arguments, "--set", "camera[1].zoom=1.15", "--locked", check=False)
    assert edited.returncode != 0


def test_previews_are_compared_too(built, tmp_path):
    folder, _ = built
    arguments = ("build", folder / "scene.yaml", "--variants", "base,still", "--out", tmp_path, "--preview")
    i2v3d(*arguments)
    document = json.loads((tmp_path / "matrix" / "matrix.json").read_text())
    assert document["clip"] == "preview.mp4"
    assert (tmp_path / "matrix" / "contact.png").is_file()
    assert not (tmp_path / "small" / "video.mp4").exists()


def test_without_clips_there_is_no_picture(built, tmp_path):
    folder, _ = built
    run = i2v3d("build", folder / "scene.yaml", "--variants", "base,still", "--until", "segment", "--out", tmp_path)
    assert sorted(file.name for file in (tmp_path / "matrix").iterdir()) == ["matrix.csv", "matrix.json"], run.stdout


def test_a_second_build_runs_and_draws_nothing(built):
    folder, _ = built
    files = sorted((folder / "out" / "small" / "matrix").iterdir())
    before = {file.name: (digest(file), file.stat().st_mtime_ns) for file in files}
    run = i2v3d("build", folder / "scene.yaml", "--variants", "base,all")
    assert "0 steps ran" in run.stdout
    for file in files:
        assert digest(file) == before[file.name][0]
        if file.suffix in (".png", ".mp4"):
            assert file.stat().st_mtime_ns == before[file.name][1]


def test_a_failing_member_is_told_and_the_others_go_on(built, tmp_path):
    folder, _ = built
    (folder / "broken.glb").write_bytes(b"glTF\x02\x00\x00\x00\x0c\x00\x00\x00")
    sweep = "objects.rocket.mesh=card,{file: broken.glb}"
    arguments = ("build", folder / "scene.yaml", "--sweep", sweep, "--out", tmp_path, "-k")
    run = i2v3d(*arguments, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    document = json.loads((tmp_path / "matrix" / "matrix.json").read_text())
    assert [member["status"] for member in document["members"]] == ["built", "failed"], run.stdout
    assert document["members"][1]["failed"]
    assert "FAILED" in run.stdout
    assert "1 of 2 members not built" in run.stdout
    assert (tmp_path / "small-mesh-card" / "video.mp4").is_file()


def test_diff_foretells_what_a_build_then_runs(built):
    folder, _ = built
    edit = ("--set", "camera[2].zoom=1.3")
    first = i2v3d("diff", folder / "scene.yaml", *edit, "--format", "json", check=False)
    assert first.returncode == 1
    document = json.loads(first.stdout)
    assert [field["path"] for field in document["fields"]] == ["camera[2].zoom"]
    assert document["changed_frames"] == [5, 8]
    certain, possible = (
        {step["name"] for step in document["steps"] if step["state"] == state} for state in ("differs", "may_differ")
    )
    i2v3d("build", folder / "scene.yaml", *edit)
    ran = {event["step"] for event in events(folder, "small") if event["event"] == "StepFinished"}
    assert certain <= ran <= certain | possible
    assert {step for step in ran if step.startswith("render[")} == {f"render[{frame}]" for frame in range(4, 9)}
    assert {"assemble", "keyframes[8]", "interpolate[4-8]", "encode"} <= ran
    assert "keyframes[0]" not in possible
    text = i2v3d("diff", folder / "scene.yaml", *edit, check=False).stdout
    assert "render[4..8]" in text
    assert "cost: nothing, all of it is in the store" in text


def test_diff_of_the_same_scene_says_so(built):
    folder, _ = built
    same = i2v3d("diff", folder / "scene.yaml", folder / "scene.yaml")
    assert "scene: no difference" in same.stdout
    assert i2v3d("diff", folder / "scene.yaml", check=False).returncode == 2
    assert i2v3d("diff", folder / "scene.yaml", "--variant", "stil", check=False).returncode == 2
