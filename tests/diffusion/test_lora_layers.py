"""Low-rank weights do what peft's do, learn in every block, and leave the model as it was."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from copy import deepcopy

from i2v3d.diffusion.lora_layers import LoraAdapter, lora_targets
from tests.diffusion.golden_cases import load_model

RANK = 3


@pytest.fixture
def unet():
    return deepcopy(load_model(diffusers.UNet2DConditionModel, "sdxl-tiny-11", "unet")).requires_grad_(False)


def adapter_of(unet, *, is_random=True):
    adapter = LoraAdapter(unet, rank=RANK, generator=torch.Generator().manual_seed(3))
    if is_random:
        adapter.weights.copy_(0.2 * torch.randn(adapter.weights.shape, generator=torch.Generator().manual_seed(4)))
        adapter.publish()
    return adapter


def evaluate(unet):
    draw = torch.Generator().manual_seed(5)
    return unet(
        torch.randn(2, 4, 8, 8, generator=draw),
        torch.tensor([500, 20]),
        encoder_hidden_states=torch.randn(2, 7, 16, generator=draw),
        added_cond_kwargs={
            "text_embeds": torch.randn(2, 16, generator=draw),
            "time_ids": torch.tensor([[64.0, 96, 0, 16, 64, 64], [32, 32, 0, 0, 64, 64]]),
        },
    ).sample


def test_every_block_learns_in_both_attentions_and_its_feed_forward(unet):
    names = list(lora_targets(unet))
    blocks = {name.split(".attn")[0].split(".ff")[0] for name in names}
    wanted = {name for name, _ in unet.named_modules() if name.split(".")[-2:-1] == ["transformer_blocks"]}
    assert blocks == wanted
    assert len(names) == 10 * len(blocks)
    assert {name.removeprefix("mid_block.attentions.0.transformer_blocks.0.") for name in names} >= {
        *(f"attn{number}.{layer}" for number in (1, 2) for layer in ("to_q", "to_k", "to_v", "to_out.0")),
        "ff.net.0.proj",
        "ff.net.2",
    }


def test_at_first_nothing_changes_and_afterwards_the_model_is_as_before(unet):
    modules = dict(unet.named_modules())
    with torch.no_grad():
        before = evaluate(unet)
        with adapter_of(unet, is_random=False):
            assert torch.equal(evaluate(unet), before)
        with adapter_of(unet):
            assert (evaluate(unet) - before).abs().max() > 0.01 * before.abs().max()
        assert torch.equal(evaluate(unet), before)
    after = dict(unet.named_modules())
    assert list(after) == list(modules)
    assert all(after[name] is module for name, module in modules.items())


def test_an_error_inside_leaves_the_model_as_before(unet):
    modules = list(unet.named_modules())
    with pytest.raises(ZeroDivisionError), adapter_of(unet):
        _ = 1 / 0
    assert list(unet.named_modules()) == modules


def test_results_and_gradients_are_those_of_peft(unet):
    peft = pytest.importorskip("peft")
    adapter = adapter_of(unet)
    with adapter:
        wanted_output = evaluate(unet)
        wanted_output.square().mean().backward()
        flat = adapter.take_gradient()
    unet.add_adapter(
        peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules=[*lora_targets(unet)], init_lora_weights=False)
    )
    for name, factors in adapter.factors().items():
        layer = unet.get_submodule(name)
        layer.lora_A["default"].weight.data.copy_(factors.down)
        layer.lora_B["default"].weight.data.copy_(factors.up)
    output = evaluate(unet)
    output.square().mean().backward()
    torch.testing.assert_close(output, wanted_output, rtol=1e-4, atol=1e-6)
    layers = [unet.get_submodule(name) for name in adapter.factors()]
    gradient = torch.cat(
        [part["default"].weight.grad.flatten() for layer in layers for part in (layer.lora_A, layer.lora_B)]
    )
    assert (gradient - flat).norm() < 1e-4 * flat.norm()


def test_in_half_precision_the_weights_that_are_learnt_stay_float32(unet):
    unet.to(torch.bfloat16)
    with adapter_of(unet) as adapter:
        assert adapter.weights.dtype == torch.float32
        assert {parameter.dtype for parameter in unet.parameters()} == {torch.bfloat16}
