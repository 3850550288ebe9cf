"""Eq. 1 equals its direct computation, gradients included."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from copy import deepcopy
from dataclasses import replace

from i2v3d.diffusion.keyframe_model import TextCondition
from i2v3d.diffusion.lora_loss import MicroConditioning, NoiseDraw, TrainingPicture, customization_loss
from tests.diffusion.golden_cases import load_model

ALPHAS = torch.linspace(0.999, 0.005, 1000)


@pytest.fixture
def unet():
    return deepcopy(load_model(diffusers.UNet2DConditionModel, "sdxl-tiny-11", "unet")).requires_grad_(False)


def picture(seed, *, is_learnt=None):
    draw = torch.Generator().manual_seed(seed)
    return TrainingPicture(
        latents=torch.randn(1, 4, 8, 8, generator=draw),
        text=TextCondition(torch.randn(1, 7, 16, generator=draw), torch.randn(1, 16, generator=draw)),
        micro=MicroConditioning(64, 96, 0, 16, 64, 64),
        is_learnt=is_learnt,
    )


def half_mask():
    is_learnt = torch.zeros(1, 64, 64, dtype=torch.bool)
    is_learnt[:, :, 32:] = True
    return is_learnt


def loss_and_gradient(unet, compute):
    weight = unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q.weight.requires_grad_()
    weight.grad = None
    loss = compute()
    loss.backward()
    return float(loss.detach()), weight.grad.clone()


def direct(unet, photo, view, weight, seed):
    """Eq. 1 term by term."""
    draw = torch.Generator().manual_seed(seed)
    total = 0.0
    for one, factor in ((photo, 1.0), (view, weight)):
        timestep = int(torch.randint(1000, (1,), generator=draw))
        noise = torch.randn(1, 4, 8, 8, generator=draw)
        alpha = ALPHAS[timestep]
        predicted = unet(
            alpha.sqrt() * one.latents + (1 - alpha).sqrt() * noise,
            timestep,
            encoder_hidden_states=one.text.embeds,
            added_cond_kwargs={"text_embeds": one.text.pooled, "time_ids": torch.tensor([[64.0, 96, 0, 16, 64, 64]])},
        ).sample
        is_counted = torch.ones(8, 8)
        if one.is_learnt is not None:
            is_counted[:, :4] = 0
        total = total + factor * ((is_counted * (noise - predicted)) ** 2).sum() / noise.numel()
    return total


@pytest.mark.parametrize("weight", [1.0, 0.3, 0.0])
def test_the_loss_is_eq_1_with_its_gradient(weight, unet):
    photo, view = picture(1), picture(2, is_learnt=half_mask())

    def compute():
        draw = torch.Generator().manual_seed(7)
        return customization_loss(unet, photo, view, alphas=ALPHAS, augmentation_weight=weight, generator=draw)

    loss, gradient = loss_and_gradient(unet, compute)
    wanted_loss, wanted_gradient = loss_and_gradient(unet, lambda: direct(unet, photo, view, weight, 7))
    assert loss == pytest.approx(wanted_loss, rel=1e-6)
    torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-4, atol=1e-8)


def test_what_the_mask_leaves_out_does_not_count(unet):
    photo, view = picture(1), picture(2, is_learnt=half_mask())
    nothing = replace(view, is_learnt=torch.zeros(1, 64, 64, dtype=torch.bool))

    def loss(of_view, weight):
        draw = torch.Generator().manual_seed(7)
        with torch.no_grad():
            return float(
                customization_loss(unet, photo, of_view, alphas=ALPHAS, augmentation_weight=weight, generator=draw)
            )

    assert loss(nothing, 1.0) == loss(view, 0.0)
    assert loss(view, 1.0) > loss(view, 0.0)
    assert loss(replace(view, is_learnt=None), 1.0) > loss(view, 1.0)


def test_equal_seeds_draw_equal_numbers():
    latents = torch.zeros(1, 4, 8, 8)
    one, other = (NoiseDraw.of(latents, 1000, torch.Generator().manual_seed(3)) for _ in range(2))
    assert one.timestep == other.timestep
    assert torch.equal(one.noise, other.noise)
