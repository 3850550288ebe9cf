"""The frames between keyframes by SVD: faithful to the published run, and each of the spec's controls counts."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.backends.base import GuidedFrame
from i2v3d.backends.memory import FrameSize, plan_clip
from i2v3d.backends.paper.clip_run import ClipInputs, Direction, generate_latents
from i2v3d.backends.paper.frame_tensors import frame_tensors
from i2v3d.backends.paper.interpolate import SvdInterpolator, clip_guide, clip_inputs, time_ids, video_settings
from i2v3d.backends.paper.kept_models import KeptModels
from i2v3d.backends.paper.svd_conditions import image_latents, with_unconditional
from i2v3d.backends.paper.svd_models import svd_models
from i2v3d.diffusion.latents import encode_pictures
from i2v3d.diffusion.noise_levels import EulerLevels
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.svd_controlnet import SvdControlNet
from i2v3d.diffusion.video_model import ImageCondition, VideoModel
from i2v3d.diffusion.video_sampling import VideoSettings
from i2v3d.spec.resolved_generation import ClipFeatures, ClipSampling
from tests.backends.paper.guided_clips import clip_task, moving_square
from tests.diffusion.golden_cases import TOLERANCE, golden_case, load_model, relative_error

CPU = torch.device("cpu")


def quiet(share, message):
    pass


def networks(tiny_models):
    return svd_models(KeptModels(), clip_task(tiny_models).models, CPU)


class Prepared:
    """A task as tensors, sampled with whatever is changed."""

    def __init__(self, tiny_models, **changes):
        self.task = clip_task(tiny_models, **changes)
        self.models = networks(tiny_models)
        frames = frame_tensors(self.task.frames, multiple=64, device=CPU)
        self.clip = clip_inputs(self.task, frames, self.models)
        self.model = VideoModel(self.models.unet, self.models.controlnet, time_ids=time_ids(self.task))
        self.levels = EulerLevels.of(self.models.scheduler, self.task.sampling.steps)

    def latents(self, storage=None, **changes):
        task = replace(self.task, **changes)
        guide = replace(self.clip.guide, control=replace(self.clip.guide.control, scale=task.depth))
        return generate_latents(
            self.model,
            replace(self.clip, guide=guide),
            levels=self.levels,
            settings=video_settings(task),
            storage=storage,
            report=quiet,
        )


@pytest.fixture(scope="module")
def prepared(tiny_models):
    return Prepared(tiny_models)


@pytest.fixture(scope="module")
def usual(prepared):
    return prepared.latents()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full-guidance", "partial-guidance"])
def test_from_pictures_to_latents_the_run_agrees_with_the_published_one(name, tiny_models):
    case = golden_case("interpolation", name)
    settings, golden = case.settings, case.tensors
    family = "svd-tiny-21"
    visible = case.mask("visibility").numpy() if settings["use_visibility"] else np.ones(golden["depth"].shape, bool)
    guided = [
        GuidedFrame(
            colour=golden["frames"][index].numpy(),
            depth=golden["depth"][index].numpy().astype(np.float32) / 255,
            is_foreground=np.zeros(visible.shape[1:], bool),
            is_visible=visible[index],
            strength=np.ones(visible.shape[1:], np.float32),
        )
        for index in range(settings["frames"])
    ]
    frames = frame_tensors(guided, multiple=64, device=CPU)
    guide = clip_guide(frames, settings["controlnet_scale"])
    assert relative_error(guide.control.depth, golden["depth_condition"]) <= TOLERANCE

    def direction(way):
        embeddings, latents = golden[f"embeddings_{way}"], golden[f"image_latents_{way}"]
        return Direction(
            inversion=ImageCondition(golden[f"inversion_embedding_{way}"], golden[f"inversion_image_latents_{way}"]),
            source=ImageCondition(embeddings[:1], latents[:1]),
            target=with_unconditional(ImageCondition(embeddings[2:], latents[2:])),
        )

    vae = load_model(diffusers.AutoencoderKLTemporalDecoder, family, "vae")
    model = VideoModel(
        load_model(diffusers.UNetSpatioTemporalConditionModel, family, "unet"),
        load_model(SvdControlNet, family, "controlnet"),
        time_ids=(settings["fps"] - 1, settings["motion_bucket_id"], settings["noise_aug_strength"]),
    )
    clip = ClipInputs(
        clean=encode_pictures(vae, frames.pictures)[None],
        noise=golden["noise"],
        guide=guide,
        forward=direction("forward"),
        backward=direction("backward"),
    )
    latents = generate_latents(
        model,
        clip,
        levels=EulerLevels.of(diffusers.EulerDiscreteScheduler.from_config(settings["scheduler"]), settings["steps"]),
        settings=VideoSettings(
            VideoSchedule(settings["steps"], settings["conv_until"], settings["attention_until"]),
            settings["guidance_scale"],
        ),
        storage="device",
        report=quiet,
    )
    assert relative_error(latents, golden["final_latents"]) <= TOLERANCE


@pytest.mark.parametrize(("way", "keyframe"), [("forward", "keyframe_first"), ("backward", "keyframe_last")])
def test_golden_image_latents_are_those_of_the_keyframe_with_noise_of_that_strength(way, keyframe):
    # The noise itself was not kept; so it is its size that has to agree.
    case = golden_case("interpolation", "full-guidance")
    vae = load_model(diffusers.AutoencoderKLTemporalDecoder, "svd-tiny-21", "vae")
    picture = case.tensors[keyframe].permute(2, 0, 1)[None] / 255.0
    noise = torch.randn(3, 128, 256, generator=torch.Generator().manual_seed(0))
    clean, noisy = (image_latents(vae, picture, noise, noise_augmentation=strength) for strength in (0.0, 0.02))
    golden = case.tensors[f"image_latents_{way}"][2]
    assert float((golden - clean).std() / (noisy - clean).std()) == pytest.approx(1, abs=0.15)
    assert not case.tensors[f"image_latents_{way}"][1].any()


def test_image_latents_are_those_of_the_published_pipeline(tiny_models):
    models = networks(tiny_models)
    generator = torch.Generator().manual_seed(3)
    picture, noise = torch.rand(1, 3, 64, 128, generator=generator), torch.randn(1, 3, 64, 128, generator=generator)
    pipeline = diffusers.StableVideoDiffusionPipeline(models.vae, None, models.unet, models.scheduler, None)
    wanted = pipeline._encode_vae_image(2 * picture - 1 + 0.5 * noise, CPU, 1, False)
    mine = image_latents(models.vae, picture, noise[0], noise_augmentation=0.5)
    assert relative_error(mine, wanted) <= 1e-5


def test_both_trajectories_are_told_of_their_own_end(prepared):
    models, clip = prepared.models, prepared.clip
    for direction, render, keyframe in (
        (clip.forward, prepared.task.frames[0].colour, prepared.task.first),
        (clip.backward, prepared.task.frames[-1].colour, prepared.task.last),
    ):
        pictures = torch.from_numpy(np.stack([render, keyframe])).permute(0, 3, 1, 2) / 255.0
        embeddings = models.embed(pictures)
        assert torch.allclose(direction.source.embedding[0], embeddings[0], atol=1e-6)
        assert torch.allclose(direction.target.embedding[1], embeddings[1], atol=1e-6)
        assert not direction.target.embedding[0].any() and not direction.target.latents[0].any()
        assert torch.equal(direction.inversion.latents, direction.source.latents)


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["device", "host"])
def test_features_kept_or_made_again_give_the_same_clip(storage, prepared, usual):
    calls = []
    hook = prepared.models.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        kept = prepared.latents(storage)
        evaluations = len(calls)
        prepared.latents(None)
    finally:
        hook.remove()
    steps = prepared.task.sampling.steps
    assert evaluations == 2 * steps + 2 * (steps + 1)  # inversions, targets, and the source of the first step
    assert len(calls) - evaluations == 2 * steps + 4 * steps
    assert relative_error(kept, usual) <= TOLERANCE / 10


@pytest.mark.slow
def test_features_are_made_again_where_the_depth_differs_from_the_inversions(prepared):
    made_again = prepared.latents(None, depth=0.5)
    assert relative_error(prepared.latents("device", depth=0.5), made_again) <= TOLERANCE / 10


ABLATIONS = {  # the paper's Fig. 6
    "depth": {"depth": 0.0},
    "features": {"features": None},
    "both": {"depth": 0.0, "features": None},
    "attention features": {"features": ClipFeatures(1.0, 0.0)},
    "residual features": {"features": ClipFeatures(0.0, 1.0)},
}


@pytest.mark.slow
def test_each_ablation_gives_another_clip(prepared, usual):
    results = {"none": usual, **{name: prepared.latents(**changes) for name, changes in ABLATIONS.items()}}
    for name, latents in results.items():
        for other in results:
            if other != name:
                change = relative_error(latents, results[other])
                assert change >= 100 * TOLERANCE, f"without {name} and without {other} differ by {change:.1e} only"


def test_without_features_the_reversed_clip_is_not_inverted(prepared):
    calls = []
    hook = prepared.models.unet.register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        prepared.latents(features=None)
    finally:
        hook.remove()
    assert len(calls) == 3 * prepared.task.sampling.steps


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"fps": 12.0},
        {"sampling": ClipSampling(steps=3, motion_bucket=20)},
        {"sampling": ClipSampling(steps=3, noise_augmentation=0.2)},
        {"sampling": ClipSampling(steps=3, guidance_scale=3.0)},
        {"sampling": ClipSampling(steps=4)},
        {"sampling": ClipSampling(steps=3, backward_every=2)},
        {"sampling": ClipSampling(steps=3, control_every=2)},
    ],
    ids=lambda changes: str(changes),
)
def test_each_number_of_the_sampling_counts(changes, tiny_models, usual):
    change = relative_error(Prepared(tiny_models, **changes).latents(), usual)
    # Equal inputs give equal bytes, so a number that is not read would change nothing at all.
    assert change >= TOLERANCE / 10, f"moves the result by {change:.1e} only"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_runs_and_gives_a_finite_clip(precision, tiny_models):
    task = clip_task(tiny_models, sampling=ClipSampling(steps=2))
    task = replace(task, models=replace(task.models, precision=precision))
    pictures = SvdInterpolator().generate(task, quiet)
    assert [picture.shape for picture in pictures] == [(64, 128, 3)] * 3
    for picture, keyframe in ((pictures[0], task.first), (pictures[-1], task.last)):
        assert np.abs(picture.mean(axis=(0, 1)) - keyframe.mean(axis=(0, 1))).max() < 4


def with_strength(frames, value):
    return tuple(replace(frame, strength=np.full(frame.depth.shape, value, np.float32)) for frame in frames)


@pytest.mark.slow
def test_the_weaker_the_guidance_the_further_the_clip_goes_from_the_guided_one(tiny_models, usual):
    frames = moving_square(3)
    distances = []
    for strength in (0.8, 0.4, 0.0):
        latents = Prepared(tiny_models, frames=with_strength(frames, strength)).latents()
        distances.append(float((latents - usual).abs().mean()))
    assert 0 < distances[0] < distances[1] < distances[2], distances


def test_strength_of_one_object_acts_where_it_is(tiny_models):
    frames = tuple(
        replace(frame, strength=np.where(frame.is_foreground, 0.3, 1).astype(np.float32)) for frame in moving_square(3)
    )
    guide = Prepared(tiny_models, frames=frames).clip.guide
    assert torch.equal(guide.strength < 1, torch.from_numpy(np.stack([frame.is_foreground for frame in frames])))
    assert torch.equal(guide.control.strength, guide.strength)


@pytest.mark.slow
def test_any_size_gives_frames_of_that_size_the_same_each_time(tiny_models):
    task = clip_task(tiny_models, frames=moving_square(3, height=70, width=120), sampling=ClipSampling(steps=2))
    backend = SvdInterpolator()
    shares = []
    first = backend.generate(task, lambda share, _: shares.append(share))
    assert [picture.shape for picture in first] == [(70, 120, 3)] * 3
    assert all(picture.dtype == np.uint8 for picture in first)
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] > 0.9
    again, other = backend.generate(task, quiet), backend.generate(replace(task, seed=2), quiet)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_ends_have_the_colours_of_the_keyframes(tiny_models):
    task = clip_task(tiny_models, sampling=ClipSampling(steps=2))
    pictures = SvdInterpolator().generate(task, quiet)
    for picture, keyframe in ((pictures[0], task.first), (pictures[-1], task.last)):
        assert np.abs(picture.mean(axis=(0, 1)) - keyframe.mean(axis=(0, 1))).max() < 4


def test_an_interval_with_nothing_between_is_its_keyframes(tiny_models):
    task = clip_task(tiny_models, count=2)
    pictures = SvdInterpolator().generate(task, quiet)
    assert [np.array_equal(*pair) for pair in zip(pictures, (task.first, task.last), strict=True)] == [True, True]


@pytest.mark.slow
def test_networks_that_take_turns_on_the_device_make_the_same_clip(tiny_models, monkeypatch):
    task = clip_task(tiny_models, sampling=ClipSampling(steps=2))
    usual = SvdInterpolator().generate(task, quiet)
    monkeypatch.setenv("I2V3D_VRAM_GB", "5.5")  # too little for all of SVD at once, enough to decode the clip whole
    sizes = FrameSize(64, 128, 3, "fp32")
    assert plan_clip(sizes, 5.5).residency != "all" and plan_clip(sizes, 5.5).decode_chunk is None
    assert all(np.array_equal(*pair) for pair in zip(usual, SvdInterpolator().generate(task, quiet), strict=True))
