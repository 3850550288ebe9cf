"""A built clip measured by models, tiny and random, on the CPU; and what is said where their weights are missing."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

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


def test_forced_steps_give_the_same_values(built):
    ran = steps_that_ran(built[0], "--force", "embed_frames", "--force", "compare_depth")
    # Equal embeddings and errors: what reads them is up to date.
    assert not {"appearance", "depth_agreement"} & ran
    assert {"embed_frames[photo]", "compare_depth[4-8]"} <= ran


def test_a_scene_that_asks_for_nothing_needs_nothing(bare):
    code = "import sys; sys.modules['torch'] = None; from i2v3d.cli import run; run()"
    plain = write_spec(bare.parent, SPEC)
    run = subprocess.run(
        [sys.executable, "-c", code, "plan", str(plain)], capture_output=True, text=True, check=False, cwd=bare.parent
    )
    assert run.returncode == 0, run.stderr
    assert not any(name in run.stdout for name in ("embed_frames", "compare_depth", "weights"))
