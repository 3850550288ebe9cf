"""Keyframes agree with the published method, and each of its ingredients counts."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.diffusion.inversion import invert_keyframes
from i2v3d.diffusion.inversion_features import InversionFeatures
from i2v3d.diffusion.keyframe_model import DepthControl, KeyframeModel, TextCondition
from i2v3d.diffusion.keyframe_sampling import (
    KeyframeGuide,
    KeyframePrompts,
    KeyframeSettings,
    sample_keyframes,
    start_latents,
)
from i2v3d.diffusion.latents import decode_pictures, encode_pictures
from i2v3d.diffusion.noise_levels import DdimLevels
from i2v3d.diffusion.schedule import KeyframeSchedule
from tests.diffusion.golden_cases import ABLATION, TOLERANCE, golden_case, load_model, relative_error

CASES = ("single-window", "two-windows", "no-injection-late")
FAMILY = "sdxl-tiny-11"


@pytest.fixture(scope="module")
def model():
    return KeyframeModel(
        unet=load_model(diffusers.UNet2DConditionModel, FAMILY, "unet"),
        controlnet=load_model(diffusers.ControlNetModel, FAMILY, "controlnet"),
    )


@pytest.fixture(scope="module")
def vae():
    return load_model(diffusers.AutoencoderKL, FAMILY, "vae")


class Run:
    """A golden case as this package's inputs; every part may be exchanged."""

    def __init__(self, name):
        self.case = case = golden_case("keyframes", name)
        settings, tensors = case.settings, case.tensors
        self.golden = tensors
        self.levels = DdimLevels.of(diffusers.DDIMScheduler.from_config(settings["scheduler"]), settings["steps"])
        self.prompts = KeyframePrompts(
            **{
                branch: TextCondition(tensors[f"{branch}_embeds"], tensors[f"{branch}_pooled"])
                for branch in ("inversion", "negative", "prompt")
            }
        )
        depth = (tensors["depth"] / 255.0)[:, None].repeat(1, 3, 1, 1)
        self.inversion_control = DepthControl(depth)
        self.control = DepthControl(depth, scale=settings["controlnet_scale"])
        self.guide = KeyframeGuide(tensors["inverted_latents"], case.mask("foreground"), case.mask("visibility"))
        self.settings = KeyframeSettings(
            schedule=KeyframeSchedule(
                steps=settings["steps"],
                convolution_until=settings["conv_until"],
                attention_until_foreground=settings["attention_until_foreground"],
                attention_until_background=settings["attention_until_background"],
            ),
            guidance_scale=settings["guidance_scale"],
            window=settings["window"],
            overlap=settings["overlap"],
        )

    def invert(self, model, clean, **changes):
        return invert_keyframes(
            model, clean, levels=self.levels, text=self.prompts.inversion, control=self.inversion_control, **changes
        )

    def start(self, inverted, is_visible=None):
        # A case in which all is visible has no noise.
        noise = self.golden.get("noise", torch.zeros_like(inverted[-1]))
        return start_latents(inverted[-1], noise, self.guide.is_visible if is_visible is None else is_visible)

    def sample(self, model, **changes):
        inputs = {
            "start": self.start(self.guide.inverted),
            "levels": self.levels,
            "prompts": self.prompts,
            "control": self.control,
            "guide": self.guide,
            "settings": self.settings,
        } | changes
        return sample_keyframes(model, inputs.pop("start"), **inputs)


@pytest.mark.parametrize("name", CASES)
def test_each_stage_agrees_from_the_golden_input_to_the_golden_output(name, model, vae):
    run = Run(name)
    golden = run.golden
    errors = {
        "clean_latents": relative_error(encode_pictures(vae, run.case.pictures()), golden["clean_latents"]),
        "inverted_latents": relative_error(run.invert(model, golden["clean_latents"]), golden["inverted_latents"]),
        "final_latents": relative_error(run.sample(model), golden["final_latents"]),
        "decoded": relative_error(decode_pictures(vae, golden["final_latents"]), golden["decoded"]),
    }
    assert max(errors.values()) <= TOLERANCE / 2, errors


@pytest.mark.parametrize("name", CASES)
def test_the_whole_run_from_pictures_to_pictures_agrees(name, model, vae):
    run = Run(name)
    golden = run.golden
    clean = encode_pictures(vae, run.case.pictures())
    inverted = run.invert(model, clean)
    final = run.sample(model, start=run.start(inverted), guide=replace(run.guide, inverted=inverted))
    errors = {
        "clean_latents": relative_error(clean, golden["clean_latents"]),
        "inverted_latents": relative_error(inverted, golden["inverted_latents"]),
        "final_latents": relative_error(final, golden["final_latents"]),
        "decoded": relative_error(decode_pictures(vae, final), golden["decoded"]),
    }
    assert max(errors.values()) <= TOLERANCE, errors


def _with_schedule(run, **changes):
    return {"settings": replace(run.settings, schedule=replace(run.settings.schedule, **changes))}


def _all_set(run):
    return torch.ones_like(run.guide.is_visible)


ABLATIONS = {
    "attention features": lambda run: _with_schedule(
        run, attention_until_foreground=0.0, attention_until_background=0.0
    ),
    "convolution features": lambda run: _with_schedule(run, convolution_until=0.0),
    "extended attention": lambda run: {"settings": replace(run.settings, extension="none")},
    "foreground apart in extended attention": lambda run: {"settings": replace(run.settings, extension="all")},
    "noise where invisible": lambda run: {"start": run.start(run.guide.inverted, _all_set(run))},
    "visibility of attention features": lambda run: {"guide": replace(run.guide, is_visible=_all_set(run))},
    "foreground mask": lambda run: {"guide": replace(run.guide, is_foreground=_all_set(run))},
    "depth control": lambda run: {"control": replace(run.control, scale=0.0)},
    "text guidance": lambda run: {"settings": replace(run.settings, guidance_scale=1.0)},
    "source latents of each step": lambda run: {
        "guide": replace(run.guide, inverted=run.guide.inverted[-1:].expand_as(run.guide.inverted)),
        "start": run.start(run.guide.inverted),
    },
}


@pytest.mark.parametrize("ingredient", ABLATIONS)
def test_without_one_ingredient_the_keyframes_are_others(ingredient, model):
    run = Run("single-window")
    change = relative_error(run.sample(model, **ABLATIONS[ingredient](run)), run.golden["final_latents"])
    assert change >= ABLATION, f"without {ingredient} the result moves by {change:.1e} only"


def test_windows_are_blended_where_they_overlap(model):
    run = Run("two-windows")
    apart = run.sample(model, settings=replace(run.settings, overlap=0))
    assert relative_error(apart, run.golden["final_latents"]) >= ABLATION


def test_batches_of_the_source_do_not_show_in_the_result(model):
    run = Run("single-window")
    clean = run.golden["clean_latents"]
    assert relative_error(run.invert(model, clean, batch=1), run.invert(model, clean, batch=3)) <= TOLERANCE / 10
    one_by_one = run.sample(model, settings=replace(run.settings, source_batch=1))
    assert relative_error(one_by_one, run.sample(model)) <= TOLERANCE / 10


def test_strength_one_is_the_published_schedule_and_less_follows_the_render_less(model):
    run = Run("single-window")
    ones = torch.ones(run.guide.is_visible.shape)
    distances = []
    published = run.sample(model)
    for strength in (1.0, 0.5, 0.0):
        guided = run.sample(
            model,
            guide=replace(run.guide, strength=strength * ones),
            control=replace(run.control, strength=strength * ones),
        )
        distances.append(relative_error(guided, published))
    assert distances[0] == 0.0
    assert ABLATION <= distances[1] < distances[2], distances


@pytest.mark.parametrize("storage", ["device", "host"])
def test_features_of_the_inversion_are_those_of_the_latents_one_level_before(storage, model):
    run = Run("single-window")
    clean = run.golden["clean_latents"]
    features = InversionFeatures(run.settings.schedule, len(clean), storage)
    inverted = run.invert(model, clean, features=features, batch=2)
    start = run.start(inverted)
    same = {"start": start, "control": run.inversion_control}
    kept = run.sample(model, guide=replace(run.guide, inverted=inverted, features=features), **same)
    before = torch.cat([clean[None], inverted[:-1]])
    evaluated = run.sample(model, guide=replace(run.guide, inverted=before), **same)
    exact = run.sample(model, guide=replace(run.guide, inverted=inverted), **same)
    assert relative_error(kept, evaluated) <= TOLERANCE
    assert relative_error(kept, exact) >= TOLERANCE
    assert features.size_bytes > 0
