"""A training is the loop one would write by hand, goes on to the same bits, and does not mind how it is evaluated."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from copy import deepcopy
from dataclasses import replace

from i2v3d.diffusion.lora_layers import LoraAdapter, lora_targets
from i2v3d.diffusion.lora_loss import noise_losses
from i2v3d.diffusion.lora_training import (
    DivergedError,
    LoraTraining,
    TrainingSet,
    TrainingSettings,
    step_generator,
    step_terms,
)
from tests.diffusion.golden_cases import load_model
from tests.diffusion.test_lora_loss import ALPHAS, direct, half_mask, picture

SETTINGS = TrainingSettings(learning_rate=1e-3, augmentation_weight=0.7, seed=5)
ONE_VIEW = TrainingSet((picture(1),), (((picture(2, is_learnt=half_mask()),),),))
RANK = 3


@pytest.fixture
def unet():
    return deepcopy(load_model(diffusers.UNet2DConditionModel, "sdxl-tiny-11", "unet")).requires_grad_(False)


def trained(unet, steps, *, pictures=ONE_VIEW, settings=SETTINGS, state=None):
    """Weights, losses and state after training up to `steps`."""
    with LoraAdapter(unet, rank=RANK, generator=step_generator(settings.seed, -1)) as adapter:
        training = LoraTraining(unet, adapter, pictures, alphas=ALPHAS, settings=settings)
        if state is not None:
            training.go_on_from(state)
        losses = []
        while training.step < steps:
            losses.append(float(training.advance()))
        return adapter.weights.clone(), losses, training.state()


def by_hand(unet, steps):
    """The same with peft, torch's AdamW and Eq. 1 written out; returns weights in the adapter's order, and losses."""
    peft = pytest.importorskip("peft")
    names = list(lora_targets(unet))
    start = LoraAdapter(unet, rank=RANK, generator=step_generator(5, -1)).factors()
    unet.add_adapter(peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules=names, init_lora_weights=False))
    parameters = []
    for name in names:
        layer = unet.get_submodule(name)
        layer.lora_A["default"].weight.data.copy_(start[name].down)
        layer.lora_B["default"].weight.data.copy_(start[name].up)
        parameters += [layer.lora_A["default"].weight, layer.lora_B["default"].weight]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3)
    losses = []
    for step in range(steps):
        photo, view = step_terms(ONE_VIEW, SETTINGS, step=step, timesteps=1000)
        loss = direct(unet, photo.picture, view.picture, 0.7, step_seed(5, step))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
    return torch.cat([parameter.detach().flatten() for parameter in parameters]), losses


def step_seed(seed, step):
    return step_generator(seed, step).initial_seed()


def test_two_steps_are_those_of_a_loop_written_by_hand(unet):
    start = LoraAdapter(unet, rank=RANK, generator=step_generator(5, -1)).weights
    weights, losses, _ = trained(unet, 2)
    wanted, wanted_losses = by_hand(unet, 2)
    assert losses == pytest.approx(wanted_losses, rel=1e-5)
    # The first steps of AdamW only ask for the sign of a gradient, so where it is all noise they may differ.
    is_same = (weights - wanted).abs() < 1e-2 * SETTINGS.learning_rate
    assert is_same.float().mean() > 0.999
    assert (weights - start).abs().max() > SETTINGS.learning_rate


def test_terms_together_are_terms_one_by_one_within_float_noise(unet):
    together, losses, _ = trained(unet, 3)
    apart, losses_apart, _ = trained(unet, 3, settings=replace(SETTINGS, is_joint=False))
    assert losses == pytest.approx(losses_apart, rel=1e-5)
    assert ((together - apart).abs() < 1e-2 * SETTINGS.learning_rate).float().mean() > 0.999


def test_recomputing_activations_changes_no_bit(unet):
    kept, losses, _ = trained(unet, 2)
    unet.enable_gradient_checkpointing()
    recomputed, losses_recomputed, _ = trained(unet, 2)
    assert torch.equal(kept, recomputed)
    assert losses == losses_recomputed


@pytest.mark.parametrize("stopped_after", [0, 1, 3])
def test_a_training_goes_on_to_the_same_bits(stopped_after, unet):
    whole, losses, _ = trained(unet, 4)
    _, first_losses, state = trained(unet, stopped_after)
    assert state.step == stopped_after
    rest, rest_losses, _ = trained(unet, 4, state=state)
    assert torch.equal(whole, rest)
    assert losses == first_losses + rest_losses


def test_each_step_takes_one_view_of_one_object_and_all_come_in_turn():
    views = [
        [(picture(10 * thing + view), picture(100 + 10 * thing + view)) for view in range(3)] for thing in range(2)
    ]
    photo = (picture(1), picture(2))
    pictures = TrainingSet(photo, tuple(map(tuple, views)))
    seen, photos = [], []
    for step in range(150):
        terms = step_terms(pictures, SETTINGS, step=step, timesteps=1000)
        assert [term.weight for term in terms] == [1.0, 0.7]
        photos.append(terms[0].picture is photo[1])
        seen.append(terms[1].picture)
    every = [variant for thing in views for view in thing for variant in view]
    counts = [sum(one is variant for one in seen) for variant in every]
    assert min(counts) >= 4
    assert 50 < sum(photos) < 100
    again = [step_terms(pictures, SETTINGS, step=step, timesteps=1000)[1].picture for step in range(150)]
    assert all(one is other for one, other in zip(seen, again, strict=True))


def test_without_views_the_photo_is_seen_under_the_same_noise():
    alone = TrainingSet(ONE_VIEW.photo)
    (only,) = step_terms(alone, SETTINGS, step=7, timesteps=1000)
    photo, _ = step_terms(ONE_VIEW, SETTINGS, step=7, timesteps=1000)
    assert only.draw.timestep == photo.draw.timestep
    assert torch.equal(only.draw.noise, photo.draw.noise)
    assert len(step_terms(ONE_VIEW, replace(SETTINGS, augmentation_weight=0.0), step=7, timesteps=1000)) == 1


def test_another_seed_gives_other_weights(unet):
    assert not torch.equal(trained(unet, 1)[0], trained(unet, 1, settings=replace(SETTINGS, seed=6))[0])


def test_training_lowers_the_loss_of_what_it_saw(unet):
    settings = replace(SETTINGS, learning_rate=1e-2)
    seen = [term for step in range(4) for term in step_terms(ONE_VIEW, settings, step=step, timesteps=1000)]
    with LoraAdapter(unet, rank=RANK, generator=step_generator(settings.seed, -1)) as adapter:
        training = LoraTraining(unet, adapter, ONE_VIEW, alphas=ALPHAS, settings=settings)
        with torch.no_grad():
            before = float(noise_losses(unet, seen, ALPHAS).mean())
            for _ in range(8):
                with torch.enable_grad():
                    training.advance()
            after = float(noise_losses(unet, seen, ALPHAS).mean())
    assert after < 0.99 * before


def test_half_precision_scales_its_loss_and_learns_the_same(unet):
    exact, losses, _ = trained(unet, 2)
    start = LoraAdapter(unet, rank=RANK, generator=step_generator(5, -1)).weights
    half, half_losses, state = trained(unet.half(), 2)
    assert state.loss_scale > 1
    assert half_losses == pytest.approx(losses, rel=0.02)
    step, half_step = exact - start, half - start
    assert torch.nn.functional.cosine_similarity(step, half_step, dim=0) > 0.9


def test_half_precision_that_overflows_at_every_scale_is_told(unet):
    unet.conv_out.weight.mul_(1e6)
    with pytest.raises(DivergedError):
        trained(unet.half(), 1)
