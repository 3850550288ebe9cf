"""Nothing runs before everything that the coming steps need is there."""

import importlib.util
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from i2v3d import cli
from i2v3d.backends.device import DEVICE_VARIABLE
from i2v3d.backends.weights import find_model, repository_folder
from i2v3d.errors import MissingBackendError
from i2v3d.execute import requirements
from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.plan.requirements import missing_of
from tests.fake_weights import fill_fake_cache

ROCKET = Path(__file__).resolve().parents[2] / "specs" / "rocket"
TORCH = ("torch", "diffusers", "transformers", "safetensors", "peft")


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """A machine with every library, no weights, and no GPU."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.0" if name in TORCH else real(name))
    return monkeypatch


def project(tmp_path, **options):
    folder = tmp_path / "rocket"
    if not folder.is_dir():
        shutil.copytree(ROCKET, folder, ignore=shutil.ignore_patterns("out", ".i2v3d"))
    return open_project(ProjectOptions(folder, cache=tmp_path / "store", out=tmp_path / "out", **options))


def text_of(told):
    return str(told.value)


def test_a_draft_needs_no_weights(tmp_path):
    opened = project(tmp_path)
    assert opened.weights == ()
    opened.check_requirements()


def test_all_missing_weights_are_told_at_once_and_nothing_runs(tmp_path):
    with pytest.raises(MissingBackendError) as told:
        project(tmp_path, profile="paper").build(lambda event: pytest.fail(f"something ran: {event}"))
    for role in ("sdxl", "sdxl_vae", "controlnet_depth", "svd", "svd_controlnet_depth"):
        assert f"the weights of `{role}`" in text_of(told)
        assert f"hf download {find_model(role).repo}" in text_of(told)
    assert "wan_vace" not in text_of(told)
    assert "needed by customize, keyframes" in text_of(told)
    assert told.value.exit_code == 3
    assert not (tmp_path / "out").exists()


def test_only_what_the_chosen_steps_need_counts(tmp_path):
    fill_fake_cache(roles=("sdxl", "sdxl_vae", "controlnet_depth"))
    opened = project(tmp_path, profile="paper", until="keyframes")
    assert [found.choice.role for found in opened.weights] == ["sdxl", "sdxl_vae", "controlnet_depth"]
    assert missing_of(opened.graph, opened.weights) == ()


def test_the_line_that_names_the_weights_is_told(tmp_path):
    project(tmp_path)
    spec = tmp_path / "rocket" / "scene.yaml"
    spec.write_text(spec.read_text() + "\nmodels:\n  svd: somebody/else\n")
    line = len(spec.read_text().splitlines())
    with pytest.raises(MissingBackendError) as told:
        project(tmp_path, profile="paper").check_requirements()
    assert f"scene.yaml:{line}:" in text_of(told)
    assert "the weights of `svd`, somebody/else, are not on this machine" in text_of(told)


def test_missing_libraries_are_told_with_the_line_that_installs_them(tmp_path, machine):
    def version(name):
        if name in TORCH:
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    machine.setattr(metadata, "version", version)
    find_spec = importlib.util.find_spec
    machine.setattr(importlib.util, "find_spec", lambda name: None if name in TORCH else find_spec(name))
    fill_fake_cache()
    with pytest.raises(MissingBackendError) as told:
        project(tmp_path, profile="paper").check_requirements()
    assert "`torch` is not installed" in text_of(told)
    assert "pip install 'i2v3d[diffusion]'" in text_of(told)


def test_a_device_that_is_not_there_is_told_before_anything_runs(tmp_path, machine):
    pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
    fill_fake_cache()
    project(tmp_path, profile="paper", device="cpu").check_requirements()
    with pytest.raises(MissingBackendError, match="there is no device `cuda:97`"):
        project(tmp_path, profile="paper", device="cuda:97").check_requirements()


def test_without_torch_the_device_is_not_asked_for_twice(tmp_path):
    fill_fake_cache()
    device, why = requirements.device_for_plan(project(tmp_path, profile="paper", device="cuda:97"))
    assert device is None
    assert "cuda:97" in why or "torch" in why


def test_plan_lists_weights_licences_sizes_and_memory(tmp_path):
    fill_fake_cache(roles=("sdxl",))
    project(tmp_path)
    command = ["plan", str(tmp_path / "rocket"), "--profile", "paper", "--cache", str(tmp_path / "store")]
    result = CliRunner().invoke(cli.main, [*command, "--vram", "12GB"])
    assert result.exit_code == 0, result.output
    lines = {line.split()[0]: line for line in result.output.splitlines() if line.strip()}
    assert "here" in lines["sdxl"]
    assert "to download: 0.3 GB" in lines["sdxl_vae"]
    assert "commercial use: NOT for everybody" in lines["svd"]
    assert "to download in all: 10.0 GB" in result.output
    assert "about" in lines["interpolate"]


def test_a_build_says_which_licences_bind_it(tmp_path):
    project(tmp_path)
    command = ["build", str(tmp_path / "rocket"), "--profile", "paper", "--cache", str(tmp_path / "store")]
    result = CliRunner().invoke(cli.main, command)
    assert isinstance(result.exception, MissingBackendError)
    assert "note: stabilityai/stable-video-diffusion-img2vid@9cf024d5bfa8 (svd): Stability AI" in result.output


def test_a_cache_that_is_filled_later_is_found(tmp_path):
    opened = project(tmp_path, profile="paper")
    assert all(found.problem for found in opened.weights)
    fill_fake_cache()
    again = project(tmp_path, profile="paper")
    assert not any(found.problem for found in again.weights)
    assert repository_folder(find_model("svd_controlnet_depth").repo) / "refs" / "main" in again.loaded.files
