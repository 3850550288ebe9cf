"""The numbers of clip generation follow the model, and what the model can't follow is told with its line."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from project import make_project

from i2v3d.errors import SpecError
from i2v3d.spec import load_scene
from i2v3d.spec.resolved_generation import ClipSampling

MODERN = "source: photo.jpg\nprofile: modern\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("clips") / "project")


@pytest.fixture
def load(project):
    def load_text(text):
        file = project / "scene.yaml"
        file.write_text(text)
        return load_scene(file)

    return load_text


def told(loaded, about):
    """Warnings about a field, by line."""
    return [(problem.line, problem.message) for problem in loaded.warnings if problem.path == about]


@pytest.mark.parametrize(
    ("text", "steps", "guidance_scale"),
    [
        ("profile: paper\n", 25, 1.5),
        ("profile: modern\n", 30, 5.0),
        ("profile: modern\nbackends: {interpolate: svd}\n", 25, 1.5),
        ("profile: paper\nbackends: {interpolate: wan_vace}\n", 30, 5.0),
        ("profile: modern\ninterpolate: {steps: 25, guidance_scale: 1.5}\n", 25, 1.5),
    ],
)
def test_each_model_has_steps_and_guidance_of_its_own_until_the_spec_says_otherwise(load, text, steps, guidance_scale):
    clips = load("source: photo.jpg\n" + text).scene.generation.clips
    assert (clips.steps, clips.guidance_scale) == (steps, guidance_scale)


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("interpolate: {motion_bucket: 60}\n", "interpolate.motion_bucket"),
        ("interpolate: {noise_augmentation: 0.1}\n", "interpolate.noise_augmentation"),
        ("interpolate: {features: {conv_until: 0.2}}\n", "interpolate.features"),
        ("interpolate: {faster: {control_every: 2}}\n", "interpolate.faster"),
        ("guidance: {features: {conv_until: 0.2}}\nbackends: {keyframes: embedded}\n", "guidance.features"),
    ],
)
def test_what_wan_vace_cannot_follow_is_told_at_its_line(load, text, about):
    ((line, message),) = told(load(MODERN + text), about)
    assert line == 3
    assert "no effect" in message
    assert told(load("source: photo.jpg\nprofile: paper\n" + text), about) == []


@pytest.mark.parametrize(
    "text",
    [
        "interpolate: {motion_bucket: 127, noise_augmentation: 0.02, features: {}}\nbackends: {keyframes: embedded}\n",
        "guidance: {features: {conv_until: 0.2}}\n",  # keyframes of SDXL follow it
    ],
)
def test_what_is_usual_or_followed_elsewhere_is_no_reason_to_warn(load, text):
    loaded = load(MODERN + text)
    assert not [problem for problem in loaded.warnings if problem.path.startswith(("interpolate", "guidance"))]


def test_what_the_model_does_not_read_leaves_its_numbers_alone(load):
    clips = load(MODERN + "interpolate: {motion_bucket: 60, noise_augmentation: 0.5}\n").scene.generation.clips
    assert clips == ClipSampling(steps=30, guidance_scale=5.0)


def test_what_makes_generation_faster_reaches_the_samplers_and_is_exact_by_default(load):
    text = """
profile: paper
keyframes: {faster: {source_every: 2, control_every: 3, guided_until: 80%}}
interpolate: {faster: {backward_every: 2, control_every: 4}}
"""
    generation = load("source: photo.jpg\n" + text).scene.generation
    keyframes, clips = generation.keyframes, generation.clips
    assert (keyframes.source_every, keyframes.control_every, keyframes.guided_until) == (2, 3, 0.8)
    assert (clips.backward_every, clips.control_every) == (2, 4)
    usual = load("source: photo.jpg\nprofile: paper\n").scene.generation
    assert (usual.keyframes.source_every, usual.keyframes.control_every, usual.keyframes.guided_until) == (1, 1, 1.0)
    assert (usual.clips.backward_every, usual.clips.control_every) == (1, 1)


def test_the_larger_wan_vace_is_chosen_by_its_repository(load):
    text = MODERN + "models: {wan_vace: Wan-AI/Wan2.1-VACE-14B-diffusers@abc}\n"
    choice = load(text).scene.generation.model("wan_vace")
    assert (choice.repo, choice.revision, choice.folder) == ("Wan-AI/Wan2.1-VACE-14B-diffusers", "abc", None)


def test_a_folder_that_is_not_there_is_told(load):
    with pytest.raises(SpecError) as caught:
        load(MODERN + "models: {wan_vace: ./nowhere}\n")
    assert "there is no folder `./nowhere`" in str(caught.value.problems[0])
