"""The samplers run at sizes, lengths and precisions other than those of the golden cases."""

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from dataclasses import replace
from functools import partial

from i2v3d.diffusion.inversion import invert_clip, invert_keyframes
from i2v3d.diffusion.keyframe_model import DepthControl, KeyframeModel, TextCondition
from i2v3d.diffusion.keyframe_sampling import (
    KeyframeGuide,
    KeyframePrompts,
    KeyframeSettings,
    sample_keyframes,
)
from i2v3d.diffusion.noise_levels import DdimLevels, EulerLevels
from i2v3d.diffusion.schedule import KeyframeSchedule, VideoSchedule
from i2v3d.diffusion.svd_controlnet import SvdControlNet
from i2v3d.diffusion.video_model import ClipControl, ImageCondition, VideoModel
from i2v3d.diffusion.video_sampling import ClipGuide, Trajectory, VideoSettings, sample_clip, start_clip
from tests.diffusion.golden_cases import ABLATION, golden_case, load_model, relative_error

STEPS = 3


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def keyframes(*, frames, height, width, dtype=torch.float32, strength=None, on_step=None, **settings):
    """Keyframes of a moving box, from inversion to clean latents."""
    scheduler = golden_case("keyframes", "single-window").settings["scheduler"]
    levels = DdimLevels.of(diffusers.DDIMScheduler.from_config(scheduler), STEPS)
    model = KeyframeModel(
        unet=load_model(diffusers.UNet2DConditionModel, "sdxl-tiny-11", "unet", dtype),
        controlnet=load_model(diffusers.ControlNetModel, "sdxl-tiny-11", "controlnet", dtype),
    )
    texts = [TextCondition(draw(1, 7, 16, seed=seed), draw(1, 16, seed=seed)) for seed in range(3)]
    control = DepthControl(torch.linspace(0, 1, width).expand(frames, 3, height, width), strength=strength)
    clean = draw(frames, 4, height // 8, width // 8, seed=5) / 4
    inverted = invert_keyframes(model, clean, levels=levels, text=texts[0], control=control)
    is_foreground = torch.zeros(frames, height, width, dtype=torch.bool)
    for frame in range(frames):
        is_foreground[frame, height // 4 :, 8 * frame : 8 * frame + width // 3] = True
    return sample_keyframes(
        model,
        inverted[-1],
        levels=levels,
        prompts=KeyframePrompts(*texts),
        control=control,
        guide=KeyframeGuide(inverted, is_foreground, torch.ones_like(is_foreground), strength),
        settings=KeyframeSettings(schedule=KeyframeSchedule(STEPS), **settings),
        on_step=on_step,
    )


@pytest.mark.parametrize("extension", ["all", "background", "none"])
def test_keyframes_of_an_odd_size_in_three_windows(extension):
    done = []
    result = keyframes(frames=4, height=72, width=104, window=2, overlap=1, extension=extension, on_step=done.append)
    assert result.shape == (4, 4, 9, 13)
    assert bool(result.isfinite().all())
    assert done == [1, 2, 3]


def test_keyframes_in_half_precision_stay_near_those_in_full():
    full = keyframes(frames=2, height=64, width=64)
    half = keyframes(frames=2, height=64, width=64, dtype=torch.bfloat16)
    assert half.dtype == torch.float32
    assert relative_error(half, full) < 0.2


def test_equal_inputs_give_equal_keyframes_to_the_bit():
    assert torch.equal(keyframes(frames=2, height=64, width=64), keyframes(frames=2, height=64, width=64))


def clip(*, frames, height, width, dtype=torch.float32, settings=None, **changes):
    """A clip between two pictures, from inversion to clean latents."""
    scheduler = golden_case("interpolation", "full-guidance").settings["scheduler"]
    levels = EulerLevels.of(diffusers.EulerDiscreteScheduler.from_config(scheduler), STEPS)
    unet = load_model(diffusers.UNetSpatioTemporalConditionModel, "svd-tiny-21", "unet", dtype)
    model = VideoModel(unet, load_model(SvdControlNet, "svd-tiny-21", "controlnet", dtype), (6.0, 127.0, 0.02))
    size = (height // 8, width // 8)
    depth = torch.linspace(-1, 1, width).expand(1, frames, 3, height, width)
    is_visible = torch.ones(frames, height, width, dtype=torch.bool)
    is_visible[:, :, width // 2 :] = False
    guide = replace(ClipGuide(ClipControl(depth), is_visible), **changes)
    clean = draw(1, frames, 4, *size, seed=3) / 5
    trajectories = []
    for seed, way in enumerate((guide, guide.reversed_in_time())):
        image = ImageCondition(draw(1, 1, 32, seed=seed), draw(1, 1, 4, *size, seed=seed).repeat(1, frames, 1, 1, 1))
        inverted = invert_clip(model, clean.flip(1) if seed else clean, levels=levels, image=image, control=way.control)
        nothing = ImageCondition(torch.zeros_like(image.embedding), torch.zeros_like(image.latents))
        trajectories.append(Trajectory(inverted, image, ImageCondition.stacked((nothing, image))))
    return sample_clip(
        model,
        start_clip(trajectories[0].inversion, draw(*clean.shape, seed=4), is_visible, levels),
        levels=levels,
        forward=trajectories[0],
        backward=trajectories[1],
        guide=guide,
        settings=settings or VideoSettings(VideoSchedule(STEPS)),
    )


def test_a_clip_of_an_odd_size_and_length():
    result = clip(frames=3, height=72, width=104)
    assert result.shape == (1, 3, 4, 9, 13)
    assert bool(result.isfinite().all())


def test_a_clip_in_half_precision_stays_near_one_in_full():
    full = clip(frames=2, height=64, width=64)
    half = clip(frames=2, height=64, width=64, dtype=torch.bfloat16)
    assert half.dtype == torch.float32
    assert relative_error(half, full) < 0.2


def test_less_strength_follows_the_render_less():
    distances = []
    published = clip(frames=2, height=64, width=64)
    for strength in (1.0, 0.5, 0.0):
        strengths = torch.full((2, 64, 64), strength)
        depth = torch.linspace(-1, 1, 64).expand(1, 2, 3, 64, 64)
        guided = clip(frames=2, height=64, width=64, strength=strengths, control=ClipControl(depth, strength=strengths))
        distances.append(relative_error(guided, published))
    assert distances[0] == 0.0
    assert ABLATION <= distances[1] < distances[2], distances


def _count(calls, model, *_):
    calls.append(model)


def test_a_clip_asks_the_controlnet_and_the_backward_trajectory_as_often_as_it_is_told():
    unet = load_model(diffusers.UNetSpatioTemporalConditionModel, "svd-tiny-21", "unet", torch.float32)
    controlnet = load_model(SvdControlNet, "svd-tiny-21", "controlnet", torch.float32)
    published = clip(frames=2, height=64, width=64)
    counts = {}
    for options in ({}, {"control_every": 2}, {"backward_every": 3}):
        calls = []
        count = partial(_count, calls)
        hooks = [model.register_forward_hook(count) for model in (unet, controlnet)]
        settings = VideoSettings(VideoSchedule(STEPS, 0.0, 0.0), **options)  # the source isn't evaluated
        result = clip(frames=2, height=64, width=64, settings=settings)
        counts[tuple(options)] = calls.count(unet), calls.count(controlnet)
        for hook in hooks:
            hook.remove()
        assert relative_error(result, published) > 0
    inversions = 2 * STEPS
    assert counts[()] == (inversions + 2 * STEPS, inversions + 2 * STEPS)
    assert counts[("control_every",)] == (inversions + 2 * STEPS, inversions + 2 * 2)
    assert counts[("backward_every",)] == (inversions + STEPS + 1, inversions + STEPS + 1)
