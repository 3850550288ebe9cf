"""Wan VACE, tiny and random: any interval comes out whole, meets its keyframes and follows its controls."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.backends.base import ClipTask, GuidedFrame, ModelFiles
from i2v3d.backends.catalog import find_backend, load_backend
from i2v3d.backends.modern.vace_conditions import Grid, conditions
from i2v3d.backends.modern.wan_loading import encode_texts, load_scheduler, load_wan_vace
from i2v3d.backends.modern.wan_vace import WanVaceInterpolator, sample_clip
from i2v3d.errors import StageError
from i2v3d.spec.resolved_generation import ClipSampling
from tests.tiny_models_wan import PARTS, write_wan_vace


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_wan_vace(tmp_path_factory.mktemp("models") / "wan_vace")


@pytest.fixture(scope="module")
def interpolator():
    """One for all tests: what it keeps may not show in its results."""
    return WanVaceInterpolator()


@pytest.fixture
def task(folder):
    return make_task(folder, 6)


def make_task(folder, count, height=32, width=48, **changes):
    draw = np.random.default_rng(0)
    nothing = np.zeros((height, width), bool)
    frames = tuple(
        GuidedFrame(
            colour=draw.integers(0, 256, (height, width, 3), dtype=np.uint8),
            depth=draw.random((height, width), np.float32),
            is_foreground=nothing,
            is_visible=~nothing,
            strength=np.ones((height, width), np.float32),
        )
        for _ in range(count)
    )
    task = ClipTask(
        first=frames[0].colour,
        last=frames[-1].colour,
        frames=frames,
        fps=24,
        prompt="a sks rocket",
        sampling=ClipSampling(steps=2, guidance_scale=3.0),
        depth=1.0,
        features=None,
        models=ModelFiles({"wan_vace": folder}, "fp32"),
        seed=1,
    )
    return replace(task, **changes)


def run(interpolator, task):
    return np.stack(interpolator.generate(task, lambda share, message: None))


def distance(one, other):
    """Mean change of the frames between the ends, in grey levels."""
    return np.abs(one[1:-1].astype(float) - other[1:-1]).mean()


def with_strength(task, strength):
    frames = tuple(replace(frame, strength=np.full_like(frame.strength, strength)) for frame in task.frames)
    return replace(task, frames=frames)


@pytest.mark.parametrize(
    ("count", "height", "width"), [(2, 32, 32), (3, 32, 48), (5, 33, 47), (6, 17, 90), (16, 32, 32), (17, 48, 32)]
)
def test_every_interval_has_as_many_frames_of_the_size_that_were_asked_for(interpolator, folder, count, height, width):
    clip = run(interpolator, make_task(folder, count, height, width, sampling=ClipSampling(steps=1)))
    assert clip.shape == (count, height, width, 3)
    assert clip.dtype == np.uint8


@pytest.mark.slow
@pytest.mark.parametrize("count", range(2, 41))
def test_every_length_comes_out(interpolator, folder, count):
    clip = run(interpolator, make_task(folder, count, 16, 32, sampling=ClipSampling(steps=1)))
    assert clip.shape == (count, 16, 32, 3)


def test_keyframes_with_nothing_between_are_given_back(interpolator, folder):
    task = make_task(folder, 2, models=ModelFiles({}, "fp32"))
    assert np.array_equal(run(interpolator, task), np.stack([task.first, task.last]))


def test_the_ends_have_the_keyframes_colours(interpolator, task):
    bright = replace(task, first=np.full_like(task.first, 200), last=np.full_like(task.last, 60))
    clip = run(interpolator, bright).astype(float)
    assert np.allclose(clip[0].mean(axis=(0, 1)), 200, atol=3)
    assert np.allclose(clip[-1].mean(axis=(0, 1)), 60, atol=3)


@pytest.mark.parametrize("end", [0, 5])
def test_each_keyframe_moves_the_frames_between(task, end):
    """Before the correction of colours, which would hide it."""
    pipeline = load_wan_vace(task.models)
    texts = encode_texts(task.models, ["a sks rocket", ""], torch.device("cpu"))

    def sampled(keyframes):
        asked = conditions(task.frames, keyframes, depth_scale=1.0, grid=Grid())
        draw = torch.Generator().manual_seed(1)
        return sample_clip(pipeline, asked, task.sampling, texts=tuple(texts), draw=draw, report=lambda share: None)

    keyframes = {0: task.first, 5: task.last}
    assert distance(sampled(keyframes)[:6], sampled({**keyframes, end: 255 - keyframes[end]})[:6]) > 0.005


def test_the_clip_follows_the_depth(interpolator, task):
    turned = tuple(replace(frame, depth=1 - frame.depth) for frame in task.frames)
    assert distance(run(interpolator, task), run(interpolator, replace(task, frames=turned))) > 0.02


@pytest.mark.parametrize("name", ["depth", "strength"])
def test_a_lower_scale_leads_further_away_from_the_full_one(interpolator, task, name):
    full = run(interpolator, task)
    away = []
    for value in (0.75, 0.5, 0.25, 0.0):
        changed = replace(task, depth=value) if name == "depth" else with_strength(task, value)
        away.append(distance(full, run(interpolator, changed)))
    assert away == sorted(away)
    assert away[0] > 0


def test_a_higher_scale_leads_further_away_too(interpolator, task):
    full = run(interpolator, task)
    away = [distance(full, run(interpolator, replace(task, depth=value))) for value in (1.0, 1.5, 2.0, 4.0)]
    assert away[0] == 0
    assert away == sorted(away)
    assert away[1] > 0.02


def test_depth_times_strength_is_what_counts(interpolator, task):
    both = run(interpolator, with_strength(replace(task, depth=2.0), 0.25))
    assert np.array_equal(both, run(interpolator, replace(task, depth=0.5)))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a cup at dusk"},
        {"negative_prompt": "blurry low quality"},
        {"seed": 2},
        {"sampling": ClipSampling(steps=3, guidance_scale=3.0)},
        {"sampling": ClipSampling(steps=2, guidance_scale=1.0)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_setting_changes_the_clip(interpolator, task, change):
    assert distance(run(interpolator, task), run(interpolator, replace(task, **change))) > 0


@pytest.mark.parametrize(
    "change",
    [{"sampling": ClipSampling(2, 3.0, motion_bucket=1, noise_augmentation=1.0)}, {"fps": 8}, {"features": None}],
)
def test_what_the_model_has_no_input_for_changes_nothing(interpolator, task, change):
    assert np.array_equal(run(interpolator, task), run(interpolator, replace(task, **change)))


def test_equal_tasks_give_equal_bytes_whatever_ran_before(interpolator, task):
    before = run(interpolator, task)
    run(interpolator, replace(task, prompt="a cup", seed=5, depth=0.3))
    assert np.array_equal(before, run(interpolator, task))
    assert np.array_equal(before, run(WanVaceInterpolator(), task))


def test_progress_rises_to_the_end(interpolator, task):
    told = []
    interpolator.generate(task, lambda share, message: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_long_interval_is_made_in_calls_that_go_on_from_each_other(folder):
    """Of 13 frames the first call makes 9, the second goes on from the last 5 of them to the keyframe at the end."""
    backend, task = WanVaceInterpolator(most_frames=9), make_task(folder, 13)
    clip = run(backend, task)
    assert clip.shape == (13, 32, 48, 3)
    other_end = run(backend, replace(task, last=255 - task.last))
    assert np.array_equal(clip[:9], other_end[:9])
    assert distance(clip[8:], other_end[8:]) > 0
    frames = list(task.frames)
    frames[2] = replace(frames[2], depth=1 - frames[2].depth)
    other_past = run(backend, replace(task, frames=tuple(frames)))
    assert distance(clip[8:], other_past[8:]) > 0


def test_the_tokenizer_and_the_encoder_read_the_prompt(folder):
    files = ModelFiles({"wan_vace": folder}, "fp32")
    rocket, cup, empty, spaced = encode_texts(
        files, ["a sks rocket", "a cup", "", "  a sks \n rocket "], torch.device("cpu")
    )
    assert rocket.shape == (1, 512, 32)
    assert rocket[0, :4].abs().sum(dim=1).all()
    assert not rocket[0, 4:].any()  # three words and the end
    assert not empty[0, 1:].any()
    assert not torch.equal(rocket, cup)
    assert torch.allclose(rocket, spaced, atol=1e-6)


def test_a_prompt_is_encoded_once_in_a_worker(folder, task, tmp_path):
    own = shutil.copytree(folder, tmp_path / "wan")
    backend, task = WanVaceInterpolator(), replace(task, models=ModelFiles({"wan_vace": own}, "fp32"))
    run(backend, task)
    shutil.rmtree(own / "text_encoder")
    run(backend, replace(task, seed=9))
    with pytest.raises(StageError, match="text_encoder"):
        run(backend, replace(task, prompt="a cup on a pad"))


def test_larger_frames_shift_the_noise_as_the_makers_advise(folder):
    files = ModelFiles({"wan_vace": folder}, "fp32")
    shifts = [load_scheduler(files, pixels).config.flow_shift for pixels in (64 * 64, 832 * 480, 1280 * 720, 4000**2)]
    assert shifts == [3, 3, 5, 5]
    assert 3 < load_scheduler(files, 1024 * 576).config.flow_shift < 5


@pytest.mark.parametrize("part", PARTS)
def test_a_folder_without_a_part_is_told_with_the_part(folder, task, tmp_path, part):
    broken = shutil.copytree(folder, tmp_path / "wan")
    shutil.rmtree(broken / part)
    with pytest.raises(StageError, match=part) as told:
        run(WanVaceInterpolator(), replace(task, models=ModelFiles({"wan_vace": broken}, "fp32")))
    assert "wan_vace" in str(told.value)


def test_a_wan_without_vace_is_told(folder, task, tmp_path):
    other = shutil.copytree(folder, tmp_path / "wan")
    config = other / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "_class_name": "WanTransformer3DModel"}))
    with pytest.raises(StageError, match=r"WanTransformer3DModel.*WanVACETransformer3DModel"):
        run(WanVaceInterpolator(), replace(task, models=ModelFiles({"wan_vace": other}, "fp32")))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_comes_close(interpolator, task, precision):
    half = run(interpolator, replace(task, models=replace(task.models, precision=precision)))
    assert distance(run(interpolator, task), half) < 2


def test_the_catalog_names_it():
    assert isinstance(load_backend(find_backend("generate_clip", "wan_vace")), WanVaceInterpolator)


def test_tiny_models_are_the_same_bytes_each_time(folder, tmp_path):
    again = write_wan_vace(tmp_path)
    files = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
    assert files == {file.relative_to(again) for file in again.rglob("*") if file.is_file()}
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in files)
