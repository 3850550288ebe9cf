import dataclasses
from fractions import Fraction

import av
import numpy as np
import pytest

from i2v3d.artifacts.scene import FrameState
from i2v3d.backends.embedded.render_gl import GlRenderer
from i2v3d.compile.scene import compile_preview, compile_scene
from i2v3d.geometry.frames import Resolution
from i2v3d.spec import load_scene
from i2v3d.spec.resolved_physics import DepthOfField
from i2v3d.stages import load_stages, preview
from tests import hand_made_scene as hand
from tests.work_folder import WorkFolder

LARGE = Resolution(1024, 576)


def scene_of(size, **fields):
    made = hand.scene(10)
    return dataclasses.replace(made, output=dataclasses.replace(made.output, size=Resolution(*size)), **fields)


def enlarged(folder, made):
    """The hand-made scene's cache as of an output four times as large."""
    cache = hand.cached(folder, made)
    scale = LARGE.width / hand.SIZE.width
    for state in cache.states:
        arrays = state.read_arrays()
        arrays["image_from_camera"] = np.diag([scale, scale, 1.0]) @ arrays["image_from_camera"]
        state.path.unlink()
        state.write_arrays(arrays)
    return cache


def made_preview(folder, frame_count=10, size=LARGE, renderer=None):
    folder.mkdir()
    made = hand.scene(frame_count)
    cache = enlarged(folder / "cache", made) if size == LARGE else hand.cached(folder / "cache", made)
    frames = preview.previewed(frame_count)
    inputs = preview.Inputs(cache.static, tuple(FrameState(cache.states.item_path(frame)) for frame in frames))
    work = folder / "work"
    work.mkdir()
    outputs = preview.run(
        inputs,
        preview.Params(frames, 24.0, size, preview.small_size(scene_of((size.width, size.height)))),
        renderer or GlRenderer(),
        WorkFolder(work, preview.Outputs),
    )
    assert {file.name for file in work.iterdir()} == {"video.mp4", "sheet.png"}
    return outputs


def decoded(outputs):
    with av.open(str(outputs.video.path)) as container:
        stream = container.streams.video[0]
        return [
            (Fraction(frame.pts) * stream.time_base, frame.to_ndarray(format="rgb24")) for frame in container.decode(0)
        ], Fraction(stream.duration) * stream.time_base


@pytest.mark.parametrize(
    ("count", "frames"), [(1, (0,)), (4, (0, 3)), (9, (0, 4, 8)), (10, (0, 4, 8, 9)), (61, tuple(range(0, 61, 4)))]
)
def test_every_fourth_frame_is_drawn_and_the_last(count, frames):
    assert preview.previewed(count) == frames


@pytest.mark.parametrize(
    ("size", "small"),
    [
        ((1024, 576), (512, 288)),
        ((640, 640), (512, 512)),
        ((540, 960), (288, 512)),
        ((768, 510), (512, 340)),
        ((192, 108), (192, 108)),
    ],
)
def test_a_preview_is_small_and_of_even_size(size, small):
    assert preview.small_size(scene_of(size)) == Resolution(*small)


def test_with_depth_of_field_it_is_smaller_and_blurred_as_the_render_is(tmp_path):
    lens = DepthOfField(aperture_m=0.5, focus=())
    assert preview.small_size(scene_of((1024, 576), depth_of_field=lens)) == Resolution(256, 144)
    cache = hand.cached(tmp_path / "cache", hand.scene(1))
    sharpness = []
    for lens in ({}, {"depth_of_field": np.array([1.0, 0.5])}):
        state = FrameState(tmp_path / f"lens_{len(lens)}.npz")
        state.write_arrays({**cache.states.item(0).read_arrays(), **lens})
        work = tmp_path / f"work_{len(lens)}"
        work.mkdir()
        params = preview.Params((0,), 24.0, hand.SIZE, hand.SIZE)
        inputs = preview.Inputs(cache.static, (state,))
        ((_, pixels),) = decoded(preview.run(inputs, params, GlRenderer(), WorkFolder(work, preview.Outputs)))[0]
        sharpness.append(np.abs(np.diff(pixels.astype(int), axis=1)).mean())
    assert sharpness[1] < 0.5 * sharpness[0]


def test_frames_are_shown_when_they_are_in_the_clip_and_the_video_is_as_long(tmp_path):
    frames, duration_s = decoded(made_preview(tmp_path / "made"))
    assert [time for time, _ in frames] == [Fraction(frame, 24) for frame in (0, 4, 8, 9)]
    assert duration_s == Fraction(10, 24)


def test_the_pictures_are_those_of_the_render_made_smaller(tmp_path):
    frames, _ = decoded(made_preview(tmp_path / "made"))
    made, renderer = hand.scene(10), GlRenderer()
    cache = enlarged(tmp_path / "large", made)
    for (_, pixels), frame in zip(frames, (0, 4, 8, 9), strict=True):
        assert pixels.shape == (288, 512, 3)
        states = (cache.states.item_path(frame),)
        large = renderer.render(cache.static.path, states, 0, LARGE).colour.reshape(288, 2, 512, 2, 3).mean((1, 3))
        difference = np.abs(pixels - large).mean()
        assert difference < 9, f"frame {frame}: {difference:.1f} levels"
        other = renderer.render(cache.static.path, (cache.states.item_path(9 - frame),), 0, LARGE).colour
        assert np.abs(pixels - other.reshape(288, 2, 512, 2, 3).mean((1, 3))).mean() > difference


def test_two_runs_give_the_same_bytes_also_after_another_scene(tmp_path):
    renderer = GlRenderer()
    first = made_preview(tmp_path / "first", renderer=renderer)
    made_preview(tmp_path / "other", 5, hand.SIZE, renderer)
    second = made_preview(tmp_path / "second", renderer=renderer)
    assert first.video.path.read_bytes() == second.video.path.read_bytes()
    assert first.sheet.path.read_bytes() == second.sheet.path.read_bytes()


def test_the_sheet_shows_up_to_twelve_frames_from_the_first_to_the_last(tmp_path):
    few = made_preview(tmp_path / "few").sheet.read()
    assert few.shape == (144 + 8, 4 * (256 + 4) + 4, 3)
    many = made_preview(tmp_path / "many", 101).sheet.read()
    assert many.shape == (3 * (144 + 4) + 4, 4 * (256 + 4) + 4, 3)
    frames, _ = decoded(made_preview(tmp_path / "again", 101))
    last = frames[-1][1].reshape(144, 2, 256, 2, 3).mean((1, 3))
    assert np.abs(many[-148:-4, -260:-4] - last).mean() < 6


def loaded(profile="draft", *overrides):
    return load_scene(hand.Path(__file__).parents[2] / "specs" / "rocket", profile=profile, overrides=overrides).scene


def test_a_whole_build_has_no_preview_and_a_preview_shares_the_steps_up_to_the_scene():
    scene, stages = loaded(), load_stages()
    whole, small = compile_scene(scene, stages), compile_preview(scene, stages)
    assert not [name for name in whole.nodes if "preview" in name]
    assert [item.path for item in small.deliverables] == ["preview.mp4", "preview.png"]
    shared = set(small.nodes) - {"preview"}
    assert {"assemble", "check"} < shared
    assert all(small.nodes[name] == whole.nodes[name] for name in shared)
    assert not {"render", "keyframes", "interpolate", "encode"} & {node.stage for node in small.nodes.values()}


def test_previews_of_profiles_with_models_need_no_model():
    for profile in ("paper", "modern"):
        graph = compile_preview(loaded(profile, "keyframes.every=30"), load_stages())
        assert {node.backend for node in graph.nodes.values()} <= {None, "embedded", "gl"}


def test_it_is_drawn_as_the_render_is_unless_the_spec_says_otherwise():
    (node,) = preview.nodes(loaded("draft", "backends.render=cycles"))
    assert node.backend == "cycles"
    (node,) = preview.nodes(loaded("draft", "backends.render=cycles", "backends.preview=gl"))
    assert node.backend == "gl"
    (node,) = preview.nodes(dataclasses.replace(hand.scene(4), backends={"render": "cycles"}))
    assert node.backend == "cycles"
