"""Weights from the hub's cache: their commit is in the key, and what is finished needs them no more."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, i2v3d

from i2v3d.backends.weights import find_model

for library in ("torch", "diffusers", "transformers", "peft"):
    pytest.importorskip(library, reason="needs the extra i2v3d[diffusion]")

pytestmark = [pytest.mark.slow, pytest.mark.blender]

FIRST, SECOND = "1" * 40, "2" * 40


def fetch(cache, role, repo, commit, seed=7):
    from tests.tiny_models import write_hub_cache

    write_hub_cache(cache, {role: repo}, seed=seed, commit=commit)


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """The example up to its customization, small, with SDXL at a branch of its repository."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("I2V3D_DEVICE", "cpu")
    vae = find_model("sdxl_vae")
    fetch(tmp_path / "hub", "sdxl_vae", vae.repo, vae.revision)
    fetch(tmp_path / "hub", "sdxl", "somebody/sdxl", FIRST)
    spec = yaml.safe_load((ROOT / "specs" / "rocket" / "scene.yaml").read_text(encoding="utf-8"))
    shutil.copy(ROOT / "specs" / "rocket" / "rocket.jpg", tmp_path)
    small = {
        "output": {"size": [128, 64], "fps": 12, "duration": "2.5s"},
        "customize": {"steps": 2, "rank": 2},
        "models": {"precision": "fp32", "sdxl": "somebody/sdxl"},
    }
    (tmp_path / "scene.yaml").write_text(yaml.safe_dump({**spec, "profile": "paper", **small}), encoding="utf-8")
    return tmp_path


def test_a_new_commit_trains_again_and_weights_that_are_gone_are_not_missed(scene):
    until = (scene / "scene.yaml", "--until", "customize")
    built = i2v3d("build", *until)
    assert "up to date" in i2v3d("build", *until).stdout
    (lora,) = (scene / "out").rglob("lora.safetensors")
    assert "note:" not in built.stderr  # these licences bind nobody

    fetch(scene / "hub", "sdxl", "somebody/sdxl", SECOND, seed=8)
    plan = i2v3d("plan", *until).stdout
    assert [line.split()[2] for line in plan.splitlines() if line.startswith("will run")] == ["customize"]
    assert f"'{FIRST}' -> '{SECOND}'" in plan
    before = lora.read_bytes()
    i2v3d("build", *until)
    assert lora.read_bytes() != before

    shutil.rmtree(scene / "hub" / "models--somebody--sdxl" / "snapshots")
    assert "up to date" in i2v3d("build", *until).stdout
    told = i2v3d("build", *until, "--set", "customize.steps=3", check=False)
    assert told.returncode == 3
    assert f"somebody/sdxl@{SECOND[:12]}" in told.stderr
