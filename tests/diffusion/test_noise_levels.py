"""Maps between noise levels agree with diffusers' schedulers, and go back where they came from."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.noise_levels import DdimLevels, EulerLevels, ddim_move, euler_move, scaled_model_input

DDIM = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
EULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
}


def pair(seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(1, 4, 8, 8, generator=draw), torch.randn(1, 4, 8, 8, generator=draw)


@pytest.mark.parametrize("set_alpha_to_one", [True, False])
def test_ddim_moves_as_the_scheduler_steps(set_alpha_to_one):
    scheduler = diffusers.DDIMScheduler(**DDIM, clip_sample=False, set_alpha_to_one=set_alpha_to_one)
    levels = DdimLevels.of(scheduler, 7)
    assert levels.steps == 7
    sample, noise = pair()
    for index in reversed(range(7)):
        stepped = scheduler.step(noise, levels.timesteps[index], sample).prev_sample
        moved = ddim_move(sample, noise, alpha=levels.alphas[index], to_alpha=levels.alpha_before(index))
        torch.testing.assert_close(moved, stepped, rtol=1e-5, atol=1e-5)


def test_ddim_there_and_back_is_the_same_sample():
    sample, noise = pair()
    there = ddim_move(sample, noise, alpha=0.9, to_alpha=0.1)
    torch.testing.assert_close(ddim_move(there, noise, alpha=0.1, to_alpha=0.9), sample, rtol=1e-4, atol=1e-4)


def test_euler_moves_as_the_scheduler_steps():
    scheduler = diffusers.EulerDiscreteScheduler(**EULER)
    levels = EulerLevels.of(scheduler, 6)
    assert levels.steps == 6
    assert float(scheduler.init_noise_sigma) == pytest.approx(levels.start_scale)
    sample, velocity = pair()
    sample = sample * levels.start_scale
    for index, timestep in enumerate(scheduler.timesteps):
        sigma, to_sigma = float(levels.sigmas[index]), float(levels.sigmas[index + 1])
        torch.testing.assert_close(scaled_model_input(sample, sigma), scheduler.scale_model_input(sample, timestep))
        moved = euler_move(sample, velocity, sigma=sigma, to_sigma=to_sigma)
        sample = scheduler.step(velocity, timestep, sample).prev_sample
        torch.testing.assert_close(moved, sample, rtol=1e-4, atol=1e-4)


def test_ascending_sigmas_begin_one_geometric_step_below_the_first():
    levels = EulerLevels.of(diffusers.EulerDiscreteScheduler(**EULER), 6)
    ascending = levels.ascending()
    assert ascending.sigmas.shape == (7,)
    assert bool((ascending.sigmas[1:] > ascending.sigmas[:-1]).all())
    ratio = ascending.sigmas[2] / ascending.sigmas[1]
    assert float(ascending.sigmas[1] / ascending.sigmas[0]) == pytest.approx(float(ratio), rel=1e-5)
    torch.testing.assert_close(ascending.timesteps, 0.25 * ascending.sigmas[:-1].log(), rtol=1e-4, atol=1e-5)
    assert torch.equal(ascending.timesteps[1:].flip(0), levels.timesteps[1:])


def test_schedulers_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="predicts noise"):
        DdimLevels.of(diffusers.DDIMScheduler(prediction_type="v_prediction"), 4)
    with pytest.raises(ValueError, match="v-prediction"):
        EulerLevels.of(diffusers.EulerDiscreteScheduler(), 4)
