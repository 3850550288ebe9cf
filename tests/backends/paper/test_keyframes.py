"""Keyframes by SDXL: the published result from pictures to pictures, and knobs that all do something."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("transformers", reason="needs the extra i2v3d[diffusion]")

from safetensors.torch import save_file

from i2v3d.backends.base import GuidedFrame, KeyframeTask, ModelFiles
from i2v3d.backends.device import DEVICE_VARIABLE, VRAM_VARIABLE
from i2v3d.backends.memory import KeyframeMemory
from i2v3d.backends.paper import keyframes
from i2v3d.backends.paper.frame_tensors import frame_tensors
from i2v3d.backends.paper.keyframes import KeyframeModels, SdxlKeyframes, generate_pictures
from i2v3d.diffusion.keyframe_model import TextCondition
from i2v3d.diffusion.keyframe_sampling import KeyframePrompts
from i2v3d.diffusion.noise_levels import DdimLevels
from i2v3d.spec.resolved_generation import FeatureLengths, KeyframeSampling
from tests.diffusion.golden_cases import TOLERANCE, golden_case, load_model, relative_error

CPU = torch.device("cpu")
FAMILY = "sdxl-tiny-11"
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROOMY = KeyframeMemory("all", source_batch=8, target_batch=16, is_vae_on_host=False, needs_gb=0.0)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    monkeypatch.delenv(VRAM_VARIABLE, raising=False)


@pytest.fixture(scope="module")
def backend():
    return SdxlKeyframes()


def guided_frame(index, *, height=64, width=128, seed=5):
    """A ramp of colour and noise, a square thing that travels, and a part that the photo does not show."""
    noise = np.random.default_rng(seed + index)
    rows, columns = np.mgrid[:height, :width]
    is_foreground = (abs(rows - height // 2) < 20) & (abs(columns - 40 - 16 * index) < 20)
    colour = np.stack([rows * 3, columns, np.where(is_foreground, 220, 60)], axis=-1)
    return GuidedFrame(
        colour=np.clip(colour + noise.integers(0, 30, colour.shape), 0, 255).astype(np.uint8),
        depth=np.where(is_foreground, 0.9, rows / height / 2).astype(np.float32),
        is_foreground=is_foreground,
        is_visible=columns < width - 24,
        strength=np.ones((height, width), np.float32),
    )


@pytest.fixture
def task(tiny_models):
    return KeyframeTask(
        frames=tuple(guided_frame(index) for index in range(2)),
        prompt="a photo of a sks rocket at dusk",
        sampling=KeyframeSampling(steps=5, negative_prompt="blurry"),
        depth=1.0,
        features=FeatureLengths(0.6, 1.0, 0.8),
        extended_attention="background",
        lora=None,
        models=ModelFiles(tiny_models, "fp32"),
        seed=1,
    )


def pictures(backend, task):
    return np.stack(backend.generate(task, lambda share, message: None)).astype(float)


def with_strength(task, strength_of):
    """The task with a strength per frame: a number or a map, from the frame's index and the frame."""
    frames = (
        replace(frame, strength=np.broadcast_to(strength_of(index, frame), frame.depth.shape).astype(np.float32))
        for index, frame in enumerate(task.frames)
    )
    return replace(task, frames=tuple(frames))


def distance(one, other, is_counted=None):
    """Root mean square over pictures, in 8-bit levels."""
    squares = ((one - other) ** 2).mean(axis=-1)
    return float(np.sqrt(squares.mean() if is_counted is None else squares[is_counted].mean()))


def write_lora(path, seed):
    noise = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in ("to_q", "to_v"):
        name = f"lora_unet_up_blocks_0_attentions_0_transformer_blocks_0_attn1_{layer}"
        tensors[f"{name}.lora_down.weight"] = torch.randn(4, 32, generator=noise)
        tensors[f"{name}.lora_up.weight"] = torch.randn(32, 4, generator=noise)
        tensors[f"{name}.alpha"] = torch.tensor(4.0)
    save_file(tensors, path)
    return path


def golden_models(case):
    tensors = case.tensors
    return KeyframeModels(
        unet=load_model(diffusers.UNet2DConditionModel, FAMILY, "unet"),
        controlnet=load_model(diffusers.ControlNetModel, FAMILY, "controlnet"),
        vae=load_model(diffusers.AutoencoderKL, FAMILY, "vae"),
        prompts=KeyframePrompts(
            **{
                branch: TextCondition(tensors[f"{branch}_embeds"], tensors[f"{branch}_pooled"])
                for branch in ("inversion", "negative", "prompt")
            }
        ),
        levels=DdimLevels.of(diffusers.DDIMScheduler.from_config(case.settings["scheduler"]), case.settings["steps"]),
    )


def golden_task(case, tiny_models):
    settings, tensors = case.settings, case.tensors
    frames = (
        GuidedFrame(
            colour=tensors["frames"][index].numpy(),
            depth=(tensors["depth"][index] / 255.0).numpy(),
            is_foreground=case.mask("foreground")[index].numpy(),
            is_visible=case.mask("visibility")[index].numpy(),
            strength=np.ones((settings["height"], settings["width"]), np.float32),
        )
        for index in range(settings["frames"])
    )
    return KeyframeTask(
        frames=tuple(frames),
        prompt="",
        sampling=KeyframeSampling(
            settings["steps"], settings["guidance_scale"], settings["window"], settings["overlap"]
        ),
        depth=settings["controlnet_scale"],
        features=FeatureLengths(
            settings["conv_until"], settings["attention_until_foreground"], settings["attention_until_background"]
        ),
        extended_attention="background",
        lora=None,
        models=ModelFiles(tiny_models, "fp32"),
        seed=1,
    )


@pytest.mark.parametrize(
    "memory",
    [
        ROOMY,
        pytest.param(
            KeyframeMemory("one network", source_batch=2, target_batch=4, is_vae_on_host=False, needs_gb=0.0),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            KeyframeMemory("taking turns", source_batch=1, target_batch=1, is_vae_on_host=True, needs_gb=0.0),
            marks=pytest.mark.slow,
        ),
    ],
    ids=("all", "one network", "taking turns"),
)
def test_rendered_pictures_become_the_published_ones_whatever_the_memory(memory, tiny_models):
    case = golden_case("keyframes", "single-window")
    task = golden_task(case, tiny_models)
    frames = frame_tensors(task.frames, multiple=32, device=CPU)
    made = generate_pictures(
        golden_models(case), frames, case.tensors["noise"], task=task, memory=memory, progress=lambda *_: None
    )
    assert relative_error(made, case.tensors["decoded"]) <= TOLERANCE
    published = (case.tensors["decoded"] * 255).round().permute(0, 2, 3, 1).numpy()
    assert np.abs(np.stack(frames.cropped(made)) - published).max() <= 1


@pytest.mark.slow
def test_equal_tasks_give_equal_bytes_and_another_seed_shows_where_nothing_was_seen(task, backend):
    first = pictures(backend, task)
    assert np.array_equal(pictures(SdxlKeyframes(), task), first)
    moved = np.abs(pictures(backend, replace(task, seed=2)) - first).mean(axis=(0, 3))
    assert moved[:, -24:].mean() > 4 * moved[:, :64].mean() > 0


def test_pictures_have_the_size_of_their_frames_whatever_it_is(task, backend):
    frames = tuple(guided_frame(index, height=70, width=131) for index in range(2))
    made = backend.generate(replace(task, frames=frames), lambda *_: None)
    assert [(picture.shape, picture.dtype) for picture in made] == [((70, 131, 3), np.uint8)] * 2
    assert all(picture.std() > 5 for picture in made)


@pytest.mark.slow
def test_a_padded_frame_is_the_same_picture_as_one_that_was_that_large(task, backend):
    wide = [guided_frame(index, height=64, width=160) for index in range(2)]
    narrow = [
        GuidedFrame(*(getattr(frame, name)[:, :144] for name in GuidedFrame.__dataclass_fields__)) for frame in wide
    ]
    mirrored = [
        GuidedFrame(
            *(
                np.concatenate([array := getattr(frame, name), array[:, :-17:-1]], axis=1)
                for name in GuidedFrame.__dataclass_fields__
            )
        )
        for frame in narrow
    ]
    made, whole = (pictures(backend, replace(task, frames=tuple(frames))) for frames in (narrow, mirrored))
    assert np.array_equal(made, whole[:, :, :144])


@pytest.mark.slow
def test_a_lora_shows_and_leaves_nothing_behind(task, backend, tmp_path):
    plain = pictures(backend, task)
    customized = replace(task, lora=write_lora(tmp_path / "lora.safetensors", seed=1))
    shown = pictures(backend, customized)
    assert distance(shown, plain) > 1
    assert np.array_equal(pictures(backend, task), plain)
    # The engine puts every step's LoRA at the same name in another folder.
    (tmp_path / "lora.safetensors").unlink()
    other = replace(task, lora=write_lora(tmp_path / "lora.safetensors", seed=2))
    assert distance(pictures(backend, other), shown) > 1
    write_lora(tmp_path / "lora.safetensors", seed=1)
    assert np.array_equal(pictures(SdxlKeyframes(), customized), shown)


def test_models_are_loaded_once_for_many_steps(task, monkeypatch):
    loaded = []
    for name in ("load_sdxl_unet", "load_sdxl_vae", "load_controlnet_depth", "encode_sdxl_prompts"):
        load = getattr(keyframes, name)

        def counted(*arguments, name=name, load=load):
            loaded.append(name)
            return load(*arguments)

        monkeypatch.setattr(keyframes, name, counted)
    backend = SdxlKeyframes()
    short = replace(task, sampling=replace(task.sampling, steps=1))
    for seed in (1, 2):
        pictures(backend, replace(short, seed=seed))
    assert sorted(loaded) == ["encode_sdxl_prompts", "load_controlnet_depth", "load_sdxl_unet", "load_sdxl_vae"]
    pictures(backend, replace(short, prompt="a cup"))
    assert loaded[4:] == ["encode_sdxl_prompts"]


@pytest.mark.slow
def test_a_small_budget_gives_the_same_pictures(task, monkeypatch):
    roomy = pictures(SdxlKeyframes(), task)
    monkeypatch.setenv(VRAM_VARIABLE, "0.5")
    assert np.abs(pictures(SdxlKeyframes(), task) - roomy).max() <= 1


def test_a_single_keyframe_needs_no_other(task, backend):
    alone = replace(task, frames=task.frames[:1], sampling=replace(task.sampling, window=8, overlap=3))
    assert pictures(backend, alone).shape == (1, 64, 128, 3)


@pytest.mark.slow
def test_at_strength_zero_nothing_of_the_render_is_left(task, backend):
    other = tuple(
        replace(guided_frame(index, seed=50), colour=frame.colour[::-1], depth=frame.depth[::-1])
        for index, frame in enumerate(task.frames)
    )
    free = pictures(backend, with_strength(task, lambda index, frame: 0))
    assert np.array_equal(pictures(backend, with_strength(replace(task, frames=other), lambda index, frame: 0)), free)
    assert distance(pictures(backend, replace(task, frames=other)), pictures(backend, task)) > 5


KNOBS = {
    "strength": lambda task, share: with_strength(task, lambda index, frame: share),
    "depth": lambda task, share: replace(task, depth=share),
    "features": lambda task, share: replace(task, features=FeatureLengths(0.6 * share, share, 0.8 * share)),
    "conv_until": lambda task, share: replace(task, features=FeatureLengths(share, 1.0, 0.8)),
    "attention_until": lambda task, share: replace(task, features=FeatureLengths(0.6, share, share)),
}


@pytest.mark.slow
@pytest.mark.parametrize("knob", KNOBS)
def test_turning_a_knob_up_comes_closer_to_its_full_effect_all_the_way(knob, task, backend):
    made = [pictures(backend, KNOBS[knob](task, share)) for share in STRENGTHS]
    to_full = [distance(picture, made[-1]) for picture in made]
    to_none = [distance(picture, made[0]) for picture in made]
    assert to_full[0] > 0.5, to_full
    assert to_full == sorted(to_full, reverse=True) and len(set(to_full)) == len(STRENGTHS), to_full
    assert to_none == sorted(to_none), to_none


@pytest.mark.slow
def test_strength_above_one_follows_the_render_more_than_the_paper(task, backend):
    short = replace(task, features=FeatureLengths(0.4, 0.4, 0.4))
    made = [pictures(backend, with_strength(short, lambda index, frame, s=s: s)) for s in (0.5, 1.0, 1.5, 2.0)]
    steps = [distance(picture, made[-1]) for picture in made]
    assert steps == sorted(steps, reverse=True) and steps[-2] > 0.5, steps


@pytest.mark.slow
def test_an_objects_strength_moves_that_object_more_than_the_rest(task, backend):
    made = [
        pictures(backend, with_strength(task, lambda index, frame, s=s: np.where(frame.is_foreground, s, 1)))
        for s in STRENGTHS
    ]
    is_object = np.stack([frame.is_foreground for frame in task.frames])
    inside = [distance(picture, made[-1], is_object) for picture in made]
    outside = [distance(picture, made[-1], ~is_object) for picture in made]
    assert inside == sorted(inside, reverse=True) and inside[0] > 1, inside
    assert all(a > 2 * b for a, b in zip(inside[:-1], outside[:-1], strict=True)), (inside, outside)


@pytest.mark.slow
def test_a_strength_that_falls_over_time_moves_later_keyframes_more(task, backend):
    three = replace(task, frames=tuple(guided_frame(index) for index in range(3)))
    full = pictures(backend, three)
    falling = pictures(backend, with_strength(three, lambda index, frame: 1 - 0.4 * index))
    moved = [distance(one[None], other[None]) for one, other in zip(falling, full, strict=True)]
    assert moved[0] < moved[1] / 4 and moved[1] < moved[2], moved


@pytest.mark.slow
def test_each_way_of_seeing_other_keyframes_is_another_result(task, backend):
    made = {mode: pictures(backend, replace(task, extended_attention=mode)) for mode in ("all", "background", "none")}
    assert distance(made["all"], made["none"]) > 0.5
    assert distance(made["background"], made["none"]) > 0.5
    assert distance(made["all"], made["background"]) > 0.1
    # Where no keyframe sees another, each is what it is alone.
    alone = replace(task, extended_attention="none", frames=task.frames[1:])
    assert np.abs(pictures(backend, alone)[0] - made["none"][1]).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faster", "spared"),
    [({"source_every": 2}, "unet"), ({"control_every": 2}, "controlnet"), ({"guided_until": 0.4}, "unet")],
)
def test_what_makes_keyframes_faster_spares_evaluations_and_shows(faster, spared, task):
    evaluated, made = [], []
    for sampling in (task.sampling, replace(task.sampling, **faster)):
        backend = SdxlKeyframes()
        models = backend._models(task, CPU, ROOMY)
        pictures_seen = []
        hook = getattr(models, spared).register_forward_pre_hook(
            lambda module, arguments, keywords, seen=pictures_seen: seen.append(
                len(keywords.get("sample", arguments[:1] and arguments[0]))
            ),
            with_kwargs=True,
        )
        made.append(pictures(backend, replace(task, sampling=sampling)))
        hook.remove()
        evaluated.append(sum(pictures_seen))
    assert evaluated[1] <= 0.9 * evaluated[0], evaluated
    assert distance(made[1], made[0]) > 0.1


@pytest.mark.slow
def test_windows_wider_than_the_clip_are_one_window(task, backend):
    sampling = replace(task.sampling, window=2, overlap=0)
    wide = replace(task, sampling=replace(sampling, window=9))
    assert np.array_equal(pictures(backend, wide), pictures(backend, replace(task, sampling=sampling)))


def test_progress_goes_up_to_its_end(task, backend):
    told = []
    backend.generate(task, lambda share, message: told.append((share, message)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] >= 0.9
    steps = task.sampling.steps
    assert [message for _, message in told].count("inverting") >= steps
    assert [message for _, message in told].count("generating") >= steps
