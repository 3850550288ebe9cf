"""From a photo to generated keyframes: the rocket with the paper's models, tiny and random, on the CPU."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from scenes import ROOT, SPEC, i2v3d, write_spec

for library in ("torch", "diffusers", "transformers", "peft"):
    pytest.importorskip(library, reason="needs the extra i2v3d[diffusion]")

pytestmark = [pytest.mark.slow, pytest.mark.blender]

SIZE = (144, 80)  # no multiple of 32
ROLES = ("sdxl", "sdxl_vae", "controlnet_depth")


class Scene:
    """A folder in which a spec is built until its keyframes."""

    def __init__(self, folder, models, spec=None):
        self.folder = folder
        self.options = ["--allow-path", models["sdxl"].parent, "--device", "cpu", "--jobs", 2]
        weights = {"precision": "fp32", **{role: str(models[role]) for role in ROLES}}
        spec = spec or yaml.safe_load((ROOT / "specs" / "rocket" / "scene.yaml").read_text(encoding="utf-8"))
        self.spec = {
            **spec,
            "profile": "paper",
            "output": {**spec["output"], "size": list(SIZE)},
            "keyframes": {**spec.get("keyframes", {}), "steps": 2},
            "customize": {"steps": 2, "rank": 2},
            "models": weights,
        }
        self.file = write_spec(folder, self.spec)

    def build(self, *options, until="keyframes"):
        """Builds as a user would and returns the steps that ran."""
        before = self._builds()
        i2v3d("build", self.file, *(("--until", until) if until else ()), *self.options, *options)
        new = self._builds() - before
        events = [json.loads(line) for file in new for line in file.read_text().splitlines()]
        return {event["step"] for event in events if event["event"] == "StepFinished"}

    def keyframes(self):
        """The delivered keyframes by file name."""
        files = sorted((self.folder / "out" / self.spec["name"] / "keyframes").iterdir())
        return {file.name: np.asarray(Image.open(file)).astype(float) for file in files}

    def _builds(self):
        return set((self.folder / ".i2v3d" / "builds").rglob("*.jsonl"))


@pytest.fixture(scope="module")
def rocket(tiny_models, tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("rocket"), tiny_models)
    scene.first_run = scene.build()
    return scene


def test_every_keyframe_is_delivered_under_its_frame_number(rocket):
    made = rocket.keyframes()
    assert list(made) == [f"{frame:06d}.png" for frame in (0, 15, 30, 45, 60)]
    assert {picture.shape for picture in made.values()} == {(SIZE[1], SIZE[0], 3)}
    assert all(picture.std() > 5 for picture in made.values())
    assert {"customize", "depth_range", "keyframes"} <= rocket.first_run


def test_a_second_build_does_nothing(rocket):
    assert "up to date" in i2v3d("build", rocket.file, "--until", "keyframes", *rocket.options).stdout


def test_another_strength_makes_keyframes_anew_and_nothing_else(rocket):
    before = rocket.keyframes()
    assert rocket.build("--set", "guidance.strength=0.5") == {"keyframes"}
    moved = [np.abs(picture - before[name]).mean() for name, picture in rocket.keyframes().items()]
    assert min(moved) > 1
    assert rocket.build() == set()  # going back is free
    again = rocket.keyframes()
    assert all(np.array_equal(again[name], picture) for name, picture in before.items())


def test_a_moved_camera_renders_and_generates_but_trains_nothing(rocket):
    plan = i2v3d("plan", rocket.file, "--until", "keyframes", *rocket.options[:4], "--set", "camera[1].tilt=2deg")
    assert re.search(r"^up to date +customize$", plan.stdout, re.MULTILINE)
    ran = rocket.build("--set", "camera[1].tilt=2deg")
    assert {"keyframes", "render[60]", "depth_range"} <= ran
    assert not {"customize", "foreground_mesh[rocket]", "background_mesh"} & ran


def test_another_distance_of_keyframes_leaves_no_picture_of_the_old_ones(rocket):
    rocket.build("--set", "keyframes.every=30")
    assert list(rocket.keyframes()) == ["000000.png", "000030.png", "000060.png"]
    rocket.build()
    assert len(rocket.keyframes()) == 5


@pytest.mark.parametrize("name", ["keyframes", "generate_keyframes"])
def test_the_step_goes_by_the_names_that_a_user_knows(name, rocket):
    assert rocket.build(until=name) == set()
    assert rocket.build("--only", name, until=None) == set()
    assert i2v3d("explain", rocket.file, name, *rocket.options[:2]).stdout.startswith("keyframes")


def test_a_forced_step_gives_the_same_pictures(rocket):
    before = rocket.keyframes()
    assert rocket.build("--force", "keyframes") == {"keyframes"}
    assert all(np.array_equal(before[name], picture) for name, picture in rocket.keyframes().items())


def test_keyframes_that_see_no_other_are_made_anew_only_where_the_clip_changed(tiny_models, tmp_path):
    spec = copy.deepcopy(SPEC)
    spec["keyframes"] = {"every": 2}
    spec["guidance"] = {"extended_attention": "none"}
    spec["customize"] = "off"
    scene = Scene(tmp_path, tiny_models, spec)
    scene.spec["customize"] = "off"
    write_spec(tmp_path, scene.spec)
    every = {f"keyframes[{frame}]" for frame in (0, 2, 4, 6, 8)}
    ran = scene.build()
    assert every <= ran and "customize" not in ran
    before = scene.keyframes()
    again = scene.build("--set", "camera[2].zoom=1.21")
    # Frame 4 has the key before: it keeps its pose, and its flow to frame 5 is another.
    assert every & again == {f"keyframes[{frame}]" for frame in (4, 6, 8)}
    same = [name for name, picture in scene.keyframes().items() if np.array_equal(before[name], picture)]
    assert same == ["000000.png", "000002.png", "000004.png"]


def test_missing_weights_are_told_before_anything_runs(tiny_models, tmp_path):
    scene = Scene(tmp_path / "scene", tiny_models)
    spec = {**scene.spec, "models": {"precision": "fp32"}}
    file = write_spec(tmp_path / "scene", spec)
    run = subprocess.run(
        [sys.executable, "-m", "i2v3d", "build", str(file), "--until", "keyframes"],
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3, run.stderr
    assert "controlnet_depth" in run.stderr and "needed by keyframes" in run.stderr
    assert not (tmp_path / "scene" / "out").exists()


def test_weights_of_another_model_are_told_by_their_place_in_the_spec(rocket, tiny_models):
    run = i2v3d(
        *("build", rocket.file, "--until", "keyframes", *rocket.options),
        *("--set", f"models.controlnet_depth={tiny_models['sdxl_vae']}"),
        check=False,
    )
    assert run.returncode != 0
    assert "controlnet_depth" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
