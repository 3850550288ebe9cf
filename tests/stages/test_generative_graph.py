"""How scenes of the generative profiles become graphs."""

import dataclasses
from pathlib import Path

import pytest

from i2v3d.backends.catalog import default_backends
from i2v3d.backends.weights import MODELS
from i2v3d.compile.graph import StageGraph
from i2v3d.compile.scene import compile_scene
from i2v3d.spec import load_scene
from i2v3d.spec.resolved import Keyframing
from i2v3d.spec.resolved_generation import (
    ClipFeatures,
    ClipGuidance,
    Generation,
    Guidance,
    KeyframeSampling,
    ModelChoice,
)
from i2v3d.stages import load_stages
from i2v3d.stages.base import OutputRef, SourceFile
from tests.hand_made_scene import scene as hand_made

ROCKET = Path(__file__).resolve().parents[2] / "specs" / "rocket" / "scene.yaml"
CHOICES = tuple(ModelChoice(model.role, model.repo, "0" * 40) for model in MODELS)


def scene_of(profile: str, *, backends=None, photo=None, **generation: object):
    scene = hand_made(9)
    return dataclasses.replace(
        scene,
        profile=profile,
        photo=photo or scene.photo,
        backends=backends or default_backends(profile),
        keyframing=Keyframing((0, 4, 8)),
        generation=Generation(**{"models": CHOICES, **generation}),
    )


def rocket(profile: str) -> StageGraph:
    return compile_scene(load_scene(ROCKET, profile=profile, overrides=("keyframes.every=30",)).scene, load_stages())


def graph(profile: str, *, backends=None, photo=None, **generation: object):
    made = scene_of(profile, backends=backends, photo=photo, **generation)
    return {node.name: node for stage in load_stages().values() for node in stage.nodes(made)}


def test_draft_has_no_generative_step():
    kinds = {node.stage for node in graph("draft").values()}
    assert not kinds & {"customize", "depth_range", "generate_keyframes", "generate_clip"}


@pytest.mark.parametrize(("profile", "backend"), [("paper", "svd"), ("modern", "wan_vace")])
def test_a_generative_profile_takes_the_place_of_refining(profile, backend):
    nodes = graph(profile)
    kinds = {node.stage for node in nodes.values()}
    assert kinds >= {"customize", "depth_range", "generate_keyframes", "generate_clip"}
    assert not kinds & {"keyframes", "interpolate"}
    assert nodes["interpolate[0-4]"].backend == backend
    assert nodes["interpolate[4-8]"].inputs["first"] == OutputRef("keyframes", "frames", 1, 2)


@pytest.mark.parametrize("alone", [{"guidance": Guidance(extended_attention="none")}])
def test_keyframes_that_do_not_see_each_other_have_a_step_each(alone):
    nodes = graph("paper", **alone)
    assert {name for name, node in nodes.items() if node.stage == "generate_keyframes"} == {
        "keyframes[0]",
        "keyframes[4]",
        "keyframes[8]",
    }
    assert nodes["interpolate[4-8]"].inputs["last"] == OutputRef("keyframes[8]", "frames", 0, 1)


def test_windows_that_share_no_keyframe_have_a_step_each():
    nodes = graph("paper", keyframes=KeyframeSampling(window=2, overlap=0))
    assert {name for name, node in nodes.items() if node.stage == "generate_keyframes"} == {
        "keyframes[0-4]",
        "keyframes[8]",
    }
    assert nodes["interpolate[0-4]"].inputs["last"] == OutputRef("keyframes[0-4]", "frames", 1, 2)
    assert nodes["interpolate[4-8]"].inputs["last"] == OutputRef("keyframes[8]", "frames", 0, 1)
    assert "keyframes" in graph("paper", keyframes=KeyframeSampling(window=3, overlap=0))


def test_finished_keyframes_are_delivered_by_their_frame_whatever_makes_them():
    for profile in ("draft", "paper"):
        places = [item.path for item in rocket(profile).deliverables if item.path.startswith("keyframes/")]
        assert places == ["keyframes/000000.png", "keyframes/000030.png", "keyframes/000060.png"]


@pytest.mark.parametrize(
    ("profile", "called", "found"),
    [
        ("paper", "keyframes", ("keyframes",)),
        ("paper", "generate_keyframes", ("keyframes",)),
        ("paper", "interpolate", ("interpolate[0-30]", "interpolate[30-60]")),
        ("paper", "generate_clip", ("interpolate[0-30]", "interpolate[30-60]")),
        ("paper", "interpolate[30-60]", ("interpolate[30-60]",)),
        ("draft", "keyframes", ("keyframes[0]", "keyframes[30]", "keyframes[60]")),
    ],
)
def test_a_step_goes_by_its_name_its_kind_and_the_name_of_its_stage_in_a_spec(profile, called, found):
    assert rocket(profile).match([called]) == found


def test_nothing_is_trained_where_customize_is_off():
    nodes = graph("paper", customization=None)
    assert "customize" not in nodes
    assert nodes["keyframes"].inputs["lora"] is None


def test_each_frame_may_have_its_own_depth_range():
    assert "depth_range" not in graph("paper", guidance=Guidance(depth_range="frame"))


def test_a_folder_of_weights_is_an_input_and_a_repository_a_parameter():
    folder = Path("weights/sdxl")
    own = (dataclasses.replace(CHOICES[0], repo="", revision="", folder=folder), *CHOICES[1:])
    node = graph("paper", models=own)["keyframes"]
    assert node.inputs["sdxl"] == SourceFile(folder, "models.sdxl")
    assert [model.role for model in node.params.models] == ["sdxl_vae", "controlnet_depth"]


def test_a_model_is_keyed_on_what_it_reads_alone():
    """SVD reads no text, Wan VACE injects no features: editing them makes no clip of theirs anew."""
    photo = dataclasses.replace(hand_made(9).photo, prompt="a sks rocket")
    keyframes = KeyframeSampling(negative_prompt="blurry")
    made = {
        profile: graph(profile, photo=photo, keyframes=keyframes)["interpolate[0-4]"] for profile in ("paper", "modern")
    }
    assert (made["paper"].params.prompt, made["paper"].params.negative_prompt) == ("", "")
    assert (made["modern"].params.prompt, made["modern"].params.negative_prompt) == ("a sks rocket", "blurry")
    assert made["paper"].params.features is not None
    assert made["modern"].params.features is None


def test_wan_vace_reads_the_keyframes_of_whatever_made_them():
    nodes = graph("modern", backends={**default_backends("modern"), "keyframes": "embedded"})
    assert "customize" not in nodes
    assert nodes["interpolate[4-8]"].inputs["first"] == OutputRef("keyframes[4]", "colour")
    assert nodes["interpolate[4-8]"].inputs["last"] == OutputRef("keyframes[8]", "colour")


def test_clips_are_guided_by_their_own_lengths_of_features():
    guidance = ClipGuidance(depth=0.5, features=ClipFeatures(0.3, 0.7))
    nodes = graph("paper", clip_guidance=guidance)
    params = nodes["interpolate[0-4]"].params
    assert (params.depth, params.features) == (guidance.depth, guidance.features)
    assert nodes["keyframes"].params.features == Guidance().features
    assert nodes["interpolate[0-4]"].origins["depth"] == "interpolate.depth"
    assert graph("paper")["interpolate[0-4]"].origins["depth"] == "guidance.depth"
