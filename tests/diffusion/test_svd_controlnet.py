"""The SVD ControlNet has the public checkpoint's layout, and its residuals reach diffusers' UNet."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from safetensors import safe_open

from i2v3d.diffusion.svd_controlnet import Residuals, SvdControlNet, residuals_added
from tests.diffusion.golden_cases import IN_REPO, load_model

FAMILY = "svd-tiny-21"


@pytest.fixture(scope="module")
def unet():
    return load_model(diffusers.UNetSpatioTemporalConditionModel, FAMILY, "unet")


@pytest.fixture(scope="module")
def controlnet():
    return load_model(SvdControlNet, FAMILY, "controlnet")


def inputs(frames=2, height=8, width=8):
    draw = torch.Generator().manual_seed(0)
    sample = torch.randn(1, frames, 8, height, width, generator=draw)
    conditions = {
        "encoder_hidden_states": torch.randn(1, 1, 32, generator=draw),
        "added_time_ids": torch.tensor([[6.0, 127.0, 0.02]]),
    }
    return sample, torch.tensor(0.3), conditions


@torch.no_grad()
def evaluate(unet):
    sample, timestep, conditions = inputs()
    return unet(sample, timestep, return_dict=False, **conditions)[0]


def test_parameters_are_named_and_shaped_as_in_the_public_layout(controlnet):
    path = IN_REPO / "models" / FAMILY / "controlnet" / "diffusion_pytorch_model.safetensors"
    with safe_open(path, "pt") as file:
        wanted = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # no dict
    assert {name: tuple(value.shape) for name, value in controlnet.state_dict().items()} == wanted


def test_the_full_size_network_has_the_encoder_of_svd():
    with torch.device("meta"):
        full = SvdControlNet()
        svd = diffusers.UNetSpatioTemporalConditionModel()
    shapes = {name: value.shape for name, value in full.state_dict().items()}
    shared = {name: value.shape for name, value in svd.state_dict().items() if name in shapes}
    assert shared.items() <= shapes.items()
    assert {name.split(".")[0] for name in shapes.keys() - shared.keys()} == {
        "controlnet_cond_embedding",
        "controlnet_down_blocks",
        "controlnet_mid_block",
    }


def test_an_untrained_controlnet_adds_nothing(unet):
    fresh = SvdControlNet.from_config(load_model(SvdControlNet, FAMILY, "controlnet").config).eval()
    sample, timestep, conditions = inputs()
    with torch.no_grad():
        residuals = fresh(sample, timestep, condition=torch.ones(1, 2, 3, 64, 64), **conditions)
    assert not any(skip.any() for skip in (*residuals.skips, residuals.middle))


def test_the_depth_and_its_scale_reach_every_residual(controlnet):
    sample, timestep, conditions = inputs()
    with torch.no_grad():
        flat = controlnet(sample, timestep, condition=torch.zeros(1, 2, 3, 64, 64), **conditions)
        ramp = torch.linspace(-1, 1, 64).expand(1, 2, 3, 64, 64)
        sloped = controlnet(sample, timestep, condition=ramp, **conditions)
        half = controlnet(sample, timestep, condition=ramp, scale=0.5, **conditions)
    for one, other, scaled in zip(
        (*flat.skips, flat.middle), (*sloped.skips, sloped.middle), (*half.skips, half.middle), strict=True
    ):
        assert not torch.equal(one, other)
        torch.testing.assert_close(scaled, other / 2)


def test_residuals_are_added_inside_the_block_only(unet, controlnet):
    before = evaluate(unet)
    sample, timestep, conditions = inputs()
    with torch.no_grad():
        residuals = controlnet(sample, timestep, condition=torch.ones(1, 2, 3, 64, 64), **conditions)
    with residuals_added(unet, residuals):
        assert not torch.equal(evaluate(unet), before)
    assert torch.equal(evaluate(unet), before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in unet.modules())
    with residuals_added(unet, None):
        assert torch.equal(evaluate(unet), before)


def test_each_skip_is_added_once_per_block_from_its_own_to_the_last(unet, controlnet):
    sample, timestep, conditions = inputs()
    with torch.no_grad():
        shaped = controlnet(sample, timestep, condition=torch.ones(1, 2, 3, 64, 64), **conditions)
    ones = Residuals(tuple(torch.ones_like(skip) for skip in shaped.skips), torch.ones_like(shaped.middle))
    seen = []
    handles = [
        block.register_forward_pre_hook(
            lambda _module, _arguments, named: seen.append(named["res_hidden_states_tuple"]), with_kwargs=True
        )
        for block in unet.up_blocks
    ]
    try:
        evaluate(unet)
        plain = [skip for skips in reversed(seen) for skip in skips]
        for handle in handles:
            handle.remove()
        seen.clear()
        with residuals_added(unet, ones):
            handles = [
                block.register_forward_pre_hook(
                    lambda _module, _arguments, named: seen.append(named["res_hidden_states_tuple"]), with_kwargs=True
                )
                for block in unet.up_blocks
            ]
            evaluate(unet)
        added = [skip for skips in reversed(seen) for skip in skips]
    finally:
        for handle in handles:
            handle.remove()
    times = [round(float((one - other).mean())) for one, other in zip(added, plain, strict=True)]
    assert times == [4, 4, 4, 4, 3, 3, 3, 2, 2, 2, 1, 1]


def test_residuals_of_another_network_are_refused(unet):
    wrong = Residuals(skips=(torch.zeros(1),), middle=torch.zeros(1))
    with pytest.raises(ValueError, match="12 skips, the ControlNet 1"), residuals_added(unet, wrong):
        pass


def test_it_saves_and_loads_as_diffusers_models_do(controlnet, tmp_path):
    controlnet.save_pretrained(tmp_path)
    loaded = SvdControlNet.from_pretrained(tmp_path)
    for name, value in controlnet.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
