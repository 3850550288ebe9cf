"""Interpolated clips agree with the published method, and each of its ingredients counts."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.inversion import Inversion, Keeping, invert_clip
from i2v3d.diffusion.latents import decode_clip, encode_pictures
from i2v3d.diffusion.noise_levels import EulerLevels
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.svd_controlnet import SvdControlNet
from i2v3d.diffusion.video_model import ClipControl, ImageCondition, VideoModel
from i2v3d.diffusion.video_sampling import (
    ClipGuide,
    Trajectory,
    VideoSettings,
    sample_clip,
    start_clip,
)
from tests.diffusion.golden_cases import ABLATION, TOLERANCE, golden_case, load_model, relative_error

FAMILY = "svd-tiny-21"
DIRECTIONS = ("forward", "backward")


@pytest.fixture(scope="module")
def networks():
    unet = load_model(diffusers.UNetSpatioTemporalConditionModel, FAMILY, "unet")
    return unet, load_model(SvdControlNet, FAMILY, "controlnet")


class Run:
    """A golden case as this package's inputs; every part may be exchanged."""

    def __init__(self, name, networks):
        self.case = case = golden_case("interpolation", name)
        settings, tensors = case.settings, case.tensors
        self.golden = tensors
        time_ids = (settings["fps"] - 1, settings["motion_bucket_id"], settings["noise_aug_strength"])
        self.model = VideoModel(*networks, time_ids=time_ids)
        scheduler = diffusers.EulerDiscreteScheduler.from_config(settings["scheduler"])
        self.levels = EulerLevels.of(scheduler, settings["steps"])
        self.inversion_control = ClipControl(tensors["depth_condition"], settings["controlnet_scale_inversion"])
        visible = case.mask("visibility")
        self.guide = ClipGuide(
            control=ClipControl(tensors["depth_condition"], settings["controlnet_scale"]),
            is_visible=visible if settings["use_visibility"] else torch.ones_like(visible),
        )
        self.settings = VideoSettings(
            schedule=VideoSchedule(
                steps=settings["steps"],
                convolution_until=settings["conv_until"],
                attention_until=settings["attention_until"],
            ),
            guidance_scale=settings["guidance_scale"],
        )
        self.inversions = {
            way: Inversion(tensors[f"inverted_{way}"], self.inversion_image(way), self.inversion_control)
            for way in DIRECTIONS
        }

    def inversion_image(self, way):
        return ImageCondition(self.golden[f"inversion_embedding_{way}"], self.golden[f"inversion_image_latents_{way}"])

    def invert(self, way, clean, **changes):
        control = self.inversion_control
        if way == "backward":
            clean, control = clean.flip(1), control.reversed_in_time()
        return invert_clip(
            self.model,
            clean,
            **{"levels": self.levels, "image": self.inversion_image(way), "control": control} | changes,
        )

    def trajectory(self, way, inversion=None):
        embedding, latents = self.golden[f"embeddings_{way}"], self.golden[f"image_latents_{way}"]
        return Trajectory(
            inversion=inversion or self.inversions[way],
            source=ImageCondition(embedding[:1], latents[:1]),
            target=ImageCondition(embedding[1:], latents[1:]),
        )

    def start(self, inversion=None, is_visible=None):
        is_visible = self.guide.is_visible if is_visible is None else is_visible
        return start_clip(inversion or self.inversions["forward"], self.golden["noise"], is_visible, self.levels)

    def sample(self, **changes):
        inputs = {
            "start": self.start(),
            "levels": self.levels,
            "forward": self.trajectory("forward"),
            "backward": self.trajectory("backward"),
            "guide": self.guide,
            "settings": self.settings,
        } | changes
        return sample_clip(self.model, inputs.pop("start"), **inputs)


@pytest.fixture(scope="module")
def full(networks):
    return Run("full-guidance", networks)


@pytest.mark.parametrize("name", ["full-guidance", "partial-guidance"])
@pytest.mark.slow
def test_the_whole_run_from_frames_to_latents_agrees(name, networks):
    run = Run(name, networks)
    golden = run.golden
    vae = load_model(diffusers.AutoencoderKLTemporalDecoder, FAMILY, "vae")
    clean = encode_pictures(vae, run.case.pictures())[None]
    inversions = {way: run.invert(way, clean) for way in DIRECTIONS}
    start = run.start(inversions["forward"])
    forward, backward = (run.trajectory(way, inversions[way]) for way in DIRECTIONS)
    errors = {
        "inversion_sigmas": relative_error(run.levels.ascending().sigmas, golden["inversion_sigmas"]),
        "video_latents": relative_error(clean, golden["video_latents"]),
        "inverted_forward": relative_error(inversions["forward"].latents, golden["inverted_forward"]),
        "inverted_backward": relative_error(inversions["backward"].latents, golden["inverted_backward"]),
        "start_latents": relative_error(start, golden["start_latents"]),
        "final_latents": relative_error(
            run.sample(start=start, forward=forward, backward=backward), golden["final_latents"]
        ),
    }
    assert max(errors.values()) <= TOLERANCE, errors


def test_every_level_of_both_inversions_agrees(full):
    # The levels differ in spread by three orders of magnitude, so each is compared on its own.
    for way in DIRECTIONS:
        latents = full.invert(way, full.golden["video_latents"]).latents
        errors = [relative_error(*pair) for pair in zip(latents, full.golden[f"inverted_{way}"], strict=True)]
        assert max(errors) <= TOLERANCE, (way, errors)


def test_sampling_agrees_from_the_golden_inversion(full):
    assert relative_error(full.sample(), full.golden["final_latents"]) <= TOLERANCE


def _with_schedule(run, **changes):
    return {"settings": replace(run.settings, schedule=replace(run.settings.schedule, **changes))}


def _normalised_first_source(run):
    changed = {}
    for way in DIRECTIONS:
        inversion = run.inversions[way]
        latents = inversion.latents.clone()
        latents[-1] /= run.levels.start_scale
        changed[way] = run.trajectory(way, replace(inversion, latents=latents))
    return changed


ABLATIONS = {
    "attention features": lambda run: _with_schedule(run, attention_until=0.0),
    "convolution features": lambda run: _with_schedule(run, convolution_until=0.0),
    "visibility of attention features": lambda run: {
        "guide": replace(run.guide, is_visible=torch.ones_like(run.guide.is_visible))
    },
    "noise where invisible": lambda run: {"start": run.start(is_visible=torch.ones_like(run.guide.is_visible))},
    "depth control": lambda run: {"guide": replace(run.guide, control=replace(run.guide.control, scale=0.0))},
    "image guidance": lambda run: {"settings": replace(run.settings, guidance_scale=1.0)},
    "backward trajectory": lambda run: {"backward": None},
    "source latents of each direction": lambda run: {
        "backward": replace(run.trajectory("backward"), inversion=run.inversions["forward"])
    },
}


@pytest.mark.parametrize("ingredient", ABLATIONS)
def test_without_one_ingredient_the_clip_is_another(ingredient, full):
    change = relative_error(full.sample(**ABLATIONS[ingredient](full)), full.golden["final_latents"])
    assert change >= ABLATION, f"without {ingredient} the result moves by {change:.1e} only"


@pytest.mark.slow
def test_the_first_source_latent_keeps_its_spread(full):
    change = relative_error(full.sample(**_normalised_first_source(full)), full.golden["final_latents"])
    assert change >= 10 * TOLERANCE, f"a normalised first source moves the result by {change:.1e} only"


def test_the_reversed_guide_reverses_every_channel(full):
    strength = torch.arange(4.0)[:, None, None].expand(full.guide.is_visible.shape) / 4
    control = replace(full.guide.control, strength=strength)
    guide = replace(full.guide, control=control, strength=strength)
    backwards = guide.reversed_in_time()
    assert torch.equal(backwards.control.depth, control.depth.flip(1))
    assert torch.equal(backwards.control.strength, strength.flip(0))
    assert torch.equal(backwards.strength, strength.flip(0))
    assert torch.equal(backwards.is_visible, guide.is_visible.flip(0))
    assert not torch.equal(backwards.control.depth, control.depth)


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["device", "host"])
def test_features_kept_at_inversion_give_the_same_clip_as_features_made_again(storage, full):
    # In the golden case the two image latents have other noise; here the source is what was inverted.
    schedule = replace(full.settings.schedule, attention_until=0.6)
    keeping = Keeping(schedule=schedule, storage=storage)
    clean = full.golden["video_latents"]
    settings = replace(full.settings, schedule=schedule)
    kept = full.invert("forward", clean, keeping=keeping)
    assert sorted(kept.features) == [1, 2, 3, 4]
    assert "up_blocks.1.attentions.1.transformer_blocks.0.attn1.to_q" in kept.features[2]
    assert list(kept.features[4]) == ["up_blocks.1.resnets.1"]
    forward = replace(full.trajectory("forward"), source=full.inversion_image("forward"))
    replayed = full.sample(forward=replace(forward, inversion=kept), backward=None, settings=settings)
    made_again = full.sample(
        forward=replace(forward, inversion=replace(kept, features={})), backward=None, settings=settings
    )
    assert relative_error(replayed, made_again) <= TOLERANCE / 10


def test_features_kept_under_another_condition_are_not_used(full):
    wrong = {step: {"up_blocks.1.resnets.1": torch.full((1,), float("nan"))} for step in range(1, 5)}
    forward = full.trajectory("forward", replace(full.inversions["forward"], features=wrong))
    assert relative_error(full.sample(forward=forward), full.golden["final_latents"]) <= TOLERANCE


def test_a_decoded_clip_is_a_picture_per_frame():
    vae = load_model(diffusers.AutoencoderKLTemporalDecoder, FAMILY, "vae")
    decoded = decode_clip(vae, torch.randn(3, 4, 8, 16, generator=torch.Generator().manual_seed(0)), chunk=2)
    assert decoded.shape == (3, 3, 64, 128)
    assert 0 <= float(decoded.min()) < float(decoded.max()) <= 1
