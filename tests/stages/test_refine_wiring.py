"""Which nodes refining, interpolating and encoding add to a scene, and what they ask for."""

import math
from dataclasses import fields
from pathlib import Path

import pytest

from i2v3d.geometry.frames import Resolution
from i2v3d.spec.resolved import Background, Keyframing, Output, Photo, Scene, SourceCamera
from i2v3d.stages import encode, interpolate, keyframes


def scene(keys: tuple[int, ...]) -> Scene:
    background = Background("backdrop", None, None, None, None, None, "metric", 1.0, 100.0, 0.2, 4, 20, ())
    return Scene(
        name="test",
        photo=Photo(Path("photo.png"), Resolution(64, 48), 0, 12, ""),
        output=Output(Resolution(64, 36), 24.0, keys[-1] + 1),
        camera=SourceCamera(math.radians(50), 1.6),
        objects=(),
        background=background,
        motion={},
        camera_path=(),
        keyframing=Keyframing(keys),
        profile="draft",
        backends={"keyframes": "embedded", "interpolate": "embedded"},
        seed=5,
    )


def by_name(stage, keys):
    return {node.name: node for node in stage.nodes(scene(keys))}


@pytest.mark.parametrize("stage", [keyframes, interpolate, encode])
def test_every_input_of_the_stage_is_wired(stage):
    for node in stage.nodes(scene((0, 4, 9))):
        assert set(node.inputs) == {field.name for field in fields(stage.Inputs)}
        assert set(node.origins) <= {field.name for field in (*fields(stage.Params), *fields(stage.Inputs))}


def test_keyframes_form_a_chain_over_the_frames_between():
    nodes = by_name(keyframes, (0, 4, 9))
    assert list(nodes) == ["keyframes[0]", "keyframes[4]", "keyframes[9]"]
    assert nodes["keyframes[0]"].inputs["previous"] is None
    assert nodes["keyframes[0]"].inputs["passes_since"] == ()
    last = nodes["keyframes[9]"].inputs
    assert (last["previous"].node, last["previous_trace"].output) == ("keyframes[4]", "trace")
    assert [ref.node for ref in last["passes_since"]] == [f"render[{index}]" for index in range(4, 10)]
    assert nodes["keyframes[9]"].params == keyframes.Params(0, 12, 5)


def test_intervals_share_their_keyframes():
    nodes = by_name(interpolate, (0, 4, 9))
    assert list(nodes) == ["interpolate[0-4]", "interpolate[4-9]"]
    assert [ref.node for ref in nodes["interpolate[4-9]"].inputs["passes"]] == [f"render[{i}]" for i in range(4, 10)]
    assert [node.params.is_final for node in nodes.values()] == [False, True]


def test_two_videos_are_made_from_intervals_and_from_renders():
    nodes = by_name(encode, (0, 4, 9))
    assert [ref.node for ref in nodes["encode"].inputs["clips"]] == ["interpolate[0-4]", "interpolate[4-9]"]
    assert nodes["encode"].inputs["pictures"] == ()
    assert [ref.node for ref in nodes["encode[render]"].inputs["pictures"]] == [f"render[{i}]" for i in range(10)]


def test_a_clip_of_one_frame_is_its_keyframe():
    assert by_name(interpolate, (0,)) == {}
    nodes = by_name(encode, (0,))
    assert nodes["encode"].inputs["clips"] == ()
    assert [ref.node for ref in nodes["encode"].inputs["pictures"]] == ["keyframes[0]"]
