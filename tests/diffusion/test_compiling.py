"""Compiled blocks give the eager result, injection included."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.compiling import compile_blocks
from i2v3d.diffusion.keyframe_model import KeyframeModel
from tests.diffusion.golden_cases import load_model, relative_error
from tests.diffusion.test_keyframes_golden import FAMILY, Run

pytestmark = pytest.mark.slow


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
