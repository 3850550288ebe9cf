"""Metrics by models: in the graph only when asked for, and what their steps write."""

import dataclasses
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from i2v3d.artifacts.images import Frames
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.catalog import BACKENDS, default_backends
from i2v3d.backends.weights import MODELS
from i2v3d.compile.graph import make_graph
from i2v3d.errors import StageError
from i2v3d.spec import load_scene
from i2v3d.spec.resolved import Keyframing
from i2v3d.spec.resolved_generation import Generation, ModelChoice
from i2v3d.stages import appearance, compare_depth, depth_agreement, embed_frames, load_stages
from i2v3d.stages.base import OutputRef
from i2v3d.stages.finished_frames import FrameGroup
from i2v3d.stages.model_metrics import metrics_not_asked_for, model_metrics, model_metrics_of
from tests.hand_made_scene import scene as hand_made
from tests.moving_clip import MovingClip
from tests.work_folder import WorkFolder

ROCKET = Path(__file__).resolve().parents[2] / "specs" / "rocket" / "scene.yaml"
CHOICES = tuple(ModelChoice(model.role, model.repo, "0" * 40) for model in MODELS)
CLIP, DEPTH = {"appearance": "clip"}, {"depth_agreement": "depth_anything"}
KINDS = {"embed_frames", "appearance", "compare_depth", "depth_agreement"}
COUNT = 5


def scene_of(profile="draft", *, keyframes=(0, 4, 8), **backends):
    return dataclasses.replace(
        hand_made(keyframes[-1] + 1),
        backends=MappingProxyType({**default_backends(profile), **backends}),
        keyframing=Keyframing(keyframes),
        generation=Generation(models=CHOICES),
    )


def nodes_of(scene):
    stages = load_stages()
    return {node.name: node for stage in stages.values() for node in stage.nodes(scene)}


@pytest.mark.parametrize("profile", ["draft", "paper", "modern"])
def test_no_profile_has_them_unasked(profile):
    scene = scene_of(profile)
    assert not KINDS & {node.stage for node in nodes_of(scene).values()}
    assert model_metrics(scene) == ()
    told = dict(metrics_not_asked_for(scene))
    assert set(told) == {"frame_consistency", "clip_i", "d_rmse", "d_rmse_to_scene"}
    assert "`backends: {appearance: clip}`" in told["clip_i"]
    assert "--with depth_anything" in told["d_rmse"]


def test_each_is_asked_for_by_itself():
    scene = scene_of(**CLIP)
    assert {node.stage for node in nodes_of(scene).values()} & KINDS == {"embed_frames", "appearance"}
    assert model_metrics(scene) == (OutputRef("appearance", "metrics"),)
    assert [name for name, _ in metrics_not_asked_for(scene)] == ["d_rmse", "d_rmse_to_scene"]


def test_every_frame_is_measured_once_with_its_own_render():
    nodes = nodes_of(scene_of(**CLIP, **DEPTH))
    assert [name for name in nodes if name.startswith("embed")] == [
        "embed_frames[photo]",
        "embed_frames[0-4]",
        "embed_frames[4-8]",
    ]
    renders = [ref.node for name in ("0-4", "4-8") for ref in nodes[f"compare_depth[{name}]"].inputs["renders"]]
    assert renders == [f"render[{frame}]" for frame in range(9)]
    assert nodes["compare_depth[4-8]"].inputs["clips"] == (OutputRef("interpolate[4-8]", "frames"),)


def test_a_clip_of_one_frame_is_measured_too():
    nodes = nodes_of(scene_of(keyframes=(0,), **CLIP, **DEPTH))
    assert nodes["compare_depth[0]"].inputs["pictures"] == (OutputRef("keyframes[0]", "colour"),)
    assert nodes["appearance"].inputs["frames"] == (OutputRef("embed_frames[0]", "embeddings"),)


def test_the_graph_is_whole_with_them_and_with_another_clip_beside():
    asked = ("backends.appearance=clip", "backends.depth_agreement=depth_anything")
    scene = load_scene(ROCKET, overrides=asked).scene
    count = scene.output.frame_count
    groups = (FrameGroup("other", range(count), (), tuple(OutputRef(f"render[{i}]", "colour") for i in range(count))),)
    own = nodes_of(scene)
    more = {node.name: node for node in model_metrics_of(scene, "other", groups)}
    assert more["embed_frames[photo]"] == own["embed_frames[photo]"]
    graph = make_graph("scene", {**own, **more}.values(), load_stages())
    assert graph.producers("appearance[other]") == ("embed_frames[photo]", "embed_frames[other]")
    assert graph.producers("depth_agreement[other]") == ("compare_depth[other]",)
    assert graph.match(["appearance"])[:2] == ("embed_frames[photo]", "embed_frames[0-15]")


@pytest.mark.parametrize(
    ("metric", "stage", "backend"),
    [("clip_i", "appearance", "clip"), ("d_rmse", "depth_agreement", "depth_anything"), ("flicker", None, None)],
)
def test_a_bound_on_a_metric_asks_for_its_model(metric, stage, backend):
    plain = load_scene(ROCKET).scene.backends
    asked = load_scene(ROCKET, overrides=(f"expect.{metric}='>= 0.5'",)).scene.backends
    assert dict(asked) == {**plain, **({stage: backend} if stage else {})}


def test_their_weights_are_a_parameter_and_nothing_of_how_the_clip_was_made_is():
    node = nodes_of(scene_of(**CLIP))["embed_frames[0-4]"]
    assert [model.role for model in node.params.models] == ["clip"]
    assert {field.name for field in dataclasses.fields(node.params)} == {"window", "models"}


def test_every_metric_of_the_table_is_one_that_a_spec_may_bound():
    from i2v3d.spec.model.generation import METRICS

    assert {metric for backend in BACKENDS for metric in backend.measures} <= set(METRICS)


class Brightness:
    """Embeds a picture by its mean colours, and takes its green for its inverse depth."""

    def embed(self, pictures, models):
        for picture in pictures:
            colour = picture.mean(axis=(0, 1)) + 1
            yield (colour / np.linalg.norm(colour)).astype(np.float32)

    def estimate(self, pictures, models):
        for picture in pictures:
            yield picture[..., 1].astype(np.float32)


@pytest.fixture
def clip(tmp_path):
    """A rendered clip: frames, and passes of each, on the disk."""
    frames = MovingClip(height=64, width=128, square_px=(30, 20, 24), steps=COUNT - 1).frames()
    folder = Frames(tmp_path / "frames")
    folder.path.mkdir()
    passes = tuple(Passes(tmp_path / f"{index}.npz") for index in range(COUNT))
    for index, (frame, file) in enumerate(zip(frames, passes, strict=True)):
        folder.item(index).write(frame.colour)
        file.write(frame.passes)
    return folder, passes


def changed(clip, folder, change):
    """The clip with each frame changed."""
    made = Frames(folder)
    made.path.mkdir()
    for index, picture in enumerate(clip):
        made.item(index).write(change(picture.read()))
    return made


def ran(stage, inputs, params, backend, folder):
    folder.mkdir()
    return stage.run(inputs, params, backend, WorkFolder(folder, stage.Outputs))


def depth_errors(frames, clip, backend, folder, weights=None):
    renders, passes = clip
    inputs = compare_depth.Inputs((frames,), (), tuple(renders), passes, weights)
    errors = ran(compare_depth, inputs, compare_depth.Params(()), backend, folder).errors
    joined = ran(
        depth_agreement,
        depth_agreement.Inputs((errors,)),
        depth_agreement.Params(12.0, "depth_anything"),
        None,
        folder / "joined",
    )
    return joined.metrics.read()


def likenesses(photo, parts, backend, folder, weights=None):
    folder.mkdir()
    embeddings = []
    for index, (clips, pictures) in enumerate([((), (photo,)), *((part, ()) for part in parts)]):
        inputs = embed_frames.Inputs(clips, pictures, weights)
        embeddings.append(
            ran(embed_frames, inputs, embed_frames.Params(None, ()), backend, folder / str(index)).embeddings
        )
    inputs = appearance.Inputs(embeddings[0], tuple(embeddings[1:]))
    return ran(appearance, inputs, appearance.Params(12.0, "clip"), None, folder / "joined").metrics.read()


def test_a_clip_that_is_its_render_has_no_error_of_depth(clip, tmp_path):
    metrics = depth_errors(clip[0], clip, Brightness(), tmp_path / "work")
    assert metrics.measured["d_rmse"].value == 0
    assert metrics.measured["d_rmse"].frames == (0.0,) * COUNT
    assert (metrics.frame_count, metrics.fps) == (COUNT, 12.0)
    to_scene = metrics.measured["d_rmse_to_scene"]
    assert to_scene.better == "lower"
    assert 0 < to_scene.value <= 0.5


def test_a_frame_that_looks_deep_in_another_way_is_the_worst(clip, tmp_path):
    rng = np.random.default_rng(0)
    frames = changed(clip[0], tmp_path / "noisy", lambda picture: picture)
    noisy = frames.item(3).read().copy()
    noisy[...] = rng.integers(0, 256, noisy.shape)
    frames.item(3).write(noisy)
    metrics = depth_errors(frames, clip, Brightness(), tmp_path / "work")
    assert metrics.measured["d_rmse"].worst_frame == 3
    assert metrics.measured["d_rmse"].value == pytest.approx(np.mean(metrics.measured["d_rmse"].frames), rel=1e-6)


def test_frames_of_another_size_than_the_render_are_told(clip, tmp_path):
    small = changed(clip[0], tmp_path / "small", lambda picture: picture[::2, ::2])
    with pytest.raises(StageError, match="5 frames of 64 x 32 pixels can't be compared with 5 renders of 128 x 64"):
        depth_errors(small, clip, Brightness(), tmp_path / "work")


def test_a_still_of_the_photo_is_perfectly_alike(clip, tmp_path):
    photo = clip[0].item(0)
    still = changed(clip[0], tmp_path / "still", lambda _: photo.read())
    metrics = likenesses(photo, [(still,)], Brightness(), tmp_path / "work")
    assert metrics.measured["clip_i"].value == pytest.approx(1)
    assert metrics.measured["frame_consistency"].frames[0] is None
    assert metrics.measured["frame_consistency"].value == pytest.approx(1)


def test_neighbours_of_two_intervals_are_compared_like_those_within_one(clip, tmp_path):
    frames = list(clip[0])
    parts = [Frames(tmp_path / name) for name in ("first", "second")]
    for part, own in zip(parts, (frames[:2], frames[2:]), strict=True):
        part.path.mkdir()
        for index, picture in enumerate(own):
            part.item(index).write(picture.read())
    whole = likenesses(frames[0], [(clip[0],)], Brightness(), tmp_path / "whole")
    cut = likenesses(frames[0], [(part,) for part in parts], Brightness(), tmp_path / "cut")
    assert cut == whole
    assert len(whole.measured["frame_consistency"].frames) == COUNT


def test_one_frame_has_no_neighbour(clip, tmp_path):
    only = Frames(tmp_path / "only")
    only.path.mkdir()
    only.item(0).write(clip[0].item(0).read())
    metrics = likenesses(clip[0].item(0), [(only,)], Brightness(), tmp_path / "work")
    assert metrics.missing == {"frame_consistency": "the clip has one frame"}
    assert metrics.measured["clip_i"].value == pytest.approx(1)


def test_only_the_window_of_the_photo_is_embedded(clip, tmp_path):
    photo = clip[0].item(0)
    seen = []

    class Watching(Brightness):
        def embed(self, pictures, models):
            seen.extend(pictures)
            assert models.precision == "fp32"
            return super().embed(pictures, models)

    inputs = embed_frames.Inputs((), (photo,), None)
    ran(embed_frames, inputs, embed_frames.Params((10, 20, 32, 16), ()), Watching(), tmp_path / "work")
    assert np.array_equal(seen[0], photo.read()[20:36, 10:42])


def test_tiny_models_tell_a_clip_from_noise(clip, tmp_path, tiny_models):
    from i2v3d.backends.paper.clip_embeddings import ClipEmbedder
    from i2v3d.backends.paper.depth_anything import DepthAnything

    rng = np.random.default_rng(0)
    noise = changed(clip[0], tmp_path / "noise", lambda picture: rng.integers(0, 256, picture.shape).astype(np.uint8))
    photo = clip[0].item(0)
    same = likenesses(photo, [(clip[0],)], ClipEmbedder(), tmp_path / "a", tiny_models["clip"])
    other = likenesses(photo, [(noise,)], ClipEmbedder(), tmp_path / "b", tiny_models["clip"])
    assert same.measured["clip_i"].frames[0] == pytest.approx(1)
    assert other.measured["clip_i"].value < same.measured["clip_i"].value
    exact = depth_errors(clip[0], clip, DepthAnything(), tmp_path / "c", tiny_models["depth_anything"])
    wrong = depth_errors(noise, clip, DepthAnything(), tmp_path / "d", tiny_models["depth_anything"])
    assert exact.measured["d_rmse"].value == 0
    assert wrong.measured["d_rmse"].value > 0.05
