"""A built clip measured by models, tiny and random, on the CPU; and what is said where their weights are missing."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from scenes import SPEC, i2v3d, write_spec

from i2v3d.backends.weights import find_model

pytestmark = [pytest.mark.slow, pytest.mark.blender]

ASKED = {"appearance": "clip", "depth_agreement": "depth_anything"}
MEASURING = ("embed_frames", "appearance", "compare_depth", "depth_agreement")


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """The small scene of profile draft, asking for both, without weights."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("I2V3D_DEVICE", "cpu")
    return write_spec(tmp_path / "scene", {**copy.deepcopy(SPEC), "backends": ASKED})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The same, built with tiny models where the published ones would lie; and the steps that ran."""
    for library in ("torch", "diffusers", "transformers"):
        pytest.importorskip(library, reason="needs the extra i2v3d[diffusion]")
    from tests.tiny_models import write_hub_cache

    folder = tmp_path_factory.mktemp("measured")
    for role in ("clip", "depth_anything"):
        model = find_model(role)
        write_hub_cache(folder / "hub", {role: model.repo}, commit=model.revision)
    file = write_spec(folder / "scene", {**copy.deepcopy(SPEC), "backends": ASKED})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_CACHE", str(folder / "hub"))
        patch.setenv("I2V3D_DEVICE", "cpu")
        yield file, steps_that_ran(file)


def steps_that_ran(file, *options):
    """Builds as a user would and returns the steps that ran."""
    builds = file.parent / ".i2v3d" / "builds"
    before = set(builds.rglob("*.jsonl"))
    i2v3d("build", file, *options)
    events = [
        json.loads(line) for log in set(builds.rglob("*.jsonl")) - before for line in log.read_text().splitlines()
    ]
    return {event["step"] for event in events if event["event"] == "StepFinished"}


def test_missing_weights_are_told_with_how_to_get_them_before_anything_runs(bare):
    pytest.importorskip("torch", reason="else that is what is missing")
    run = i2v3d("build", bare, check=False)
    assert run.returncode == 3
    for told in (
        "2 things that it needs are missing",
        "scene.yaml:",
        "the weights of `clip` (CLIP ViT-L/14, of which the image encoder is read)",
        "1.7 GB, licence: MIT",
        "needed by embed_frames[photo]",
        f"hf download openai/clip-vit-large-patch14 --revision {find_model('clip').revision}",
        "--include 'model.safetensors'",
        "the weights of `depth_anything` (Depth Anything V2 Small)",
        "licence: Apache-2.0",
    ):
        assert told in run.stderr, (told, run.stderr)
    assert not (bare.parent / "out").exists()


def test_a_plan_names_the_weights_their_licences_and_what_they_take(built):
    plan = i2v3d("plan", built[0], "--force", "embed_frames").stdout
    assert re.search(r"^clip +openai/clip-vit-large-patch14@32bd64288804 +here +commercial use: yes +MIT$", plan, re.M)
    assert re.search(r"^ +appearance +about \d+\.\d GB +4 pictures at once, single precision$", plan, re.M)


def test_each_interval_is_measured_by_itself_and_only_when_it_changed(built):
    file, ran = built
    assert {step for step in ran if step.startswith(MEASURING)} == {
        "embed_frames[photo]",
        "embed_frames[0-4]",
        "embed_frames[4-8]",
        "appearance",
        "compare_depth[0-4]",
        "compare_depth[4-8]",
        "depth_agreement",
    }
    assert "up to date" in i2v3d("build", file).stdout
    again = steps_that_ran(file, "--set", "camera[2].zoom=1.3")
    measured = {step for step in again if step.startswith(MEASURING)}
    assert {"embed_frames[4-8]", "compare_depth[4-8]"} <= measured
    assert not {"embed_frames[photo]", "embed_frames[0-4]"} & measured


def test_the_metrics_of_the_build_hold_those_of_models(built):
    i2v3d("build", built[0])
    document = json.loads((built[0].parent / "out" / "small" / "metrics.json").read_text())
    found = document["metrics"]
    assert (found["clip_i"]["backend"], found["d_rmse"]["backend"]) == ("clip", "depth_anything")
    assert len(found["clip_i"]["frames"]) == len(found["d_rmse_to_scene"]["frames"]) == 9
    assert found["frame_consistency"]["frames"][0] is None
    # The first frame is the photo, but for what profile draft improves.
    assert found["clip_i"]["frames"][0] > 0.99
    assert 0 <= found["d_rmse"]["value"] <= found["d_rmse_to_scene"]["value"] <= 0.5
    assert not {"clip_i", "d_rmse"} & set(document["missing"])
    first_row = (built[0].parent / "out" / "small" / "metrics.csv").read_text().splitlines()[0]
    assert {"frame_consistency", "clip_i", "d_rmse", "d_rmse_to_scene"} <= set(first_row.split(","))


def test_metrics_that_nobody_asked_for_are_missing_with_the_way_to_have_them(tmp_path):
    file = write_spec(tmp_path, SPEC)
    i2v3d("build", file)
    missing = json.loads((tmp_path / "out" / "small" / "metrics.json").read_text())["missing"]
    assert missing["clip_i"] == "needs a model: `backends: {appearance: clip}`, or `--with clip`"
    assert {"frame_consistency", "d_rmse", "d_rmse_to_scene"} <= set(missing)


def test_forced_steps_give_the_same_values(built):
    ran = steps_that_ran(built[0], "--force", "embed_frames", "--force", "compare_depth")
    # Equal embeddings and errors: what reads them is up to date.
    assert not {"appearance", "depth_agreement"} & ran
    assert {"embed_frames[photo]", "compare_depth[4-8]"} <= ran


def write_noise(file, count):
    """Writes a video of the small scene's size that shows nothing."""
    rng = np.random.default_rng(0)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = *SPEC["output"]["size"], "yuv420p"
        for _ in range(count):
            pixels = rng.integers(0, 256, (stream.height, stream.width, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def test_any_video_is_measured_by_the_same_models(built, tmp_path):
    file, _ = built
    write_noise(tmp_path / "noise.mp4", 9)
    asked = ("--with", "clip", "--with", "depth_anything", "--format", "json", "--out", tmp_path / "metrics.json")
    i2v3d("eval", file, "--video", tmp_path / "noise.mp4", "--video", file.parent / "out/small/render.mp4", *asked)
    clips = json.loads((tmp_path / "metrics.json").read_text())["clips"]
    result, noise, render = (clips[name]["metrics"] for name in ("result", "noise", "render"))
    own = json.loads((file.parent / "out" / "small" / "metrics.json").read_text())["metrics"]
    assert {name: result[name]["value"] for name in result} == {name: own[name]["value"] for name in own}
    assert noise["clip_i"]["value"] < result["clip_i"]["value"] - 0.05
    assert noise["d_rmse"]["value"] > 3 * render["d_rmse"]["value"]
    assert render["d_rmse"]["value"] < 0.05  # but for what encoding loses


def test_asking_on_the_command_line_for_a_model_that_is_not_here_is_told(bare):
    pytest.importorskip("torch", reason="else that is what is missing")
    write_spec(bare.parent, SPEC)
    run = i2v3d("eval", bare, "--with", "depth_anything", check=False)
    assert run.returncode == 3
    assert "the weights of `depth_anything`" in run.stderr
    assert "clip" not in run.stderr


def test_a_scene_that_asks_for_nothing_needs_nothing(bare):
    code = "import sys; sys.modules['torch'] = None; from i2v3d.cli import run; run()"
    plain = write_spec(bare.parent, SPEC)
    run = subprocess.run(
        [sys.executable, "-c", code, "plan", str(plain)], capture_output=True, text=True, check=False, cwd=bare.parent
    )
    assert run.returncode == 0, run.stderr
    assert not any(name in run.stdout for name in ("embed_frames", "compare_depth", "weights"))
