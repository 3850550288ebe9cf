"""Compiled blocks give the eager result, injection included."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.compiling import compile_blocks, is_worth_compiling, put_channels_last, tuned_for_gpu
from i2v3d.diffusion.keyframe_model import KeyframeModel
from tests.diffusion.golden_cases import load_model, relative_error
from tests.diffusion.test_keyframes_golden import FAMILY, Run


@pytest.mark.slow
def test_a_compiled_model_inverts_and_samples_as_an_eager_one():
    run = Run("single-window")
    model = KeyframeModel(
        unet=load_model(diffusers.UNet2DConditionModel, FAMILY, "unet"),
        controlnet=load_model(diffusers.ControlNetModel, FAMILY, "controlnet"),
    )
    # `aot_eager` traces and guards as `inductor` does, without a compiler; wrong guards would leave injection out.
    assert compile_blocks(model.unet, model.controlnet, backend="aot_eager") > 50
    inverted = run.invert(model, run.golden["clean_latents"])  # first without hooks, then with them
    assert relative_error(inverted, run.golden["inverted_latents"]) <= 1e-4
    assert relative_error(run.sample(model), run.golden["final_latents"]) <= 1e-4


@torch.no_grad()
def test_the_layout_of_weights_does_not_show_in_the_result():
    layers = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3), torch.nn.Unflatten(1, (8, 1)), torch.nn.Conv3d(8, 8, 1))
    picture = torch.randn(2, 4, 8, 8)
    before = layers(picture)
    put_channels_last(layers)
    assert layers[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert relative_error(layers(picture), before) <= 1e-5


def test_nothing_is_tuned_on_a_cpu():
    layer = torch.nn.Conv2d(4, 8, 3)
    with tuned_for_gpu(layer, work_s=1e6):
        assert not torch.backends.cudnn.benchmark
    assert layer.weight.is_contiguous()


def test_compiling_pays_for_much_work_only_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("I2V3D_COMPILE", raising=False)
    assert not is_worth_compiling(30.0)
    assert is_worth_compiling(1000.0)
    monkeypatch.setenv("I2V3D_COMPILE", "0")
    assert not is_worth_compiling(1000.0)
    monkeypatch.setenv("I2V3D_COMPILE", "1")
    assert is_worth_compiling(0.0)
