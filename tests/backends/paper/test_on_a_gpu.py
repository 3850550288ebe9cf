"""Every model backend gives on a GPU what it gives on the CPU, whatever the memory plan; tiny random models."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("transformers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.backends.base import GuidedFrame, KeyframeTask, ModelFiles
from i2v3d.backends.device import DEVICE_VARIABLE, VRAM_VARIABLE
from i2v3d.backends.modern.wan_vace import WanVaceInterpolator
from i2v3d.backends.paper.clip_embeddings import ClipEmbedder
from i2v3d.backends.paper.customize import SdxlLoraTrainer
from i2v3d.backends.paper.depth_anything import DepthAnything
from i2v3d.backends.paper.interpolate import SvdInterpolator
from i2v3d.backends.paper.keyframes import SdxlKeyframes
from i2v3d.metrics.depth_error import aligned_rmse
from i2v3d.spec.resolved_generation import ClipSampling, FeatureLengths, KeyframeSampling
from tests.backends.paper.customization_task import small_models
from tests.backends.paper.customization_task import task as customization_task
from tests.backends.paper.guided_clips import clip_task

__all__ = ["small_models"]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
MOST_LEVELS = 2.0  # of 255, on average: rounding that a random model has blown up
HEIGHT, WIDTH = 64, 128


@pytest.fixture(autouse=True)
def exact_products(monkeypatch):
    """TF32 would be another precision than the CPU's."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)


def on(monkeypatch, device, vram_gb=None):
    monkeypatch.setenv(DEVICE_VARIABLE, device)
    if vram_gb is None:
        monkeypatch.delenv(VRAM_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VRAM_VARIABLE, str(vram_gb))


def frame(index):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    is_foreground = (abs(rows - 32) < 20) & (abs(columns - 40 - 8 * index) < 20)
    colour = np.stack([rows * 3, columns, np.where(is_foreground, 220, 60)], axis=-1)
    return GuidedFrame(
        colour=colour.astype(np.uint8),
        depth=np.where(is_foreground, 0.9, rows / HEIGHT / 2).astype(np.float32),
        is_foreground=is_foreground,
        is_visible=columns < WIDTH - 24,
        strength=np.ones((HEIGHT, WIDTH), np.float32),
    )


def keyframe_task(tiny_models, **changes):
    task = KeyframeTask(
        frames=tuple(frame(index) for index in range(5)),
        prompt="a photo of a sks rocket at dusk",
        sampling=KeyframeSampling(steps=8, window=4, overlap=1),
        depth=1.0,
        features=FeatureLengths(0.6, 1.0, 0.8),
        extended_attention="background",
        lora=None,
        models=ModelFiles(tiny_models, "fp32"),
        seed=1,
    )
    return replace(task, **changes)


def generated(backend, task):
    return np.stack(backend.generate(task, lambda share, message: None)).astype(float)


def assert_alike(one, other):
    assert one.std() > 1, "a flat picture shows nothing"
    assert np.abs(one - other).mean() <= MOST_LEVELS


@pytest.mark.parametrize("vram_gb", [None, 0.5])
def test_keyframes(tiny_models, monkeypatch, vram_gb):
    task = keyframe_task(tiny_models)
    on(monkeypatch, "cpu")
    exact = generated(SdxlKeyframes(), task)
    on(monkeypatch, "cuda", vram_gb)
    backend = SdxlKeyframes()
    first = generated(backend, task)
    assert_alike(exact, first)
    assert_alike(first, generated(backend, task))  # a second run, whose models are warm


def test_keyframes_with_a_strength_of_each_place(tiny_models, monkeypatch):
    frames = (
        replace(item, strength=np.where(item.is_foreground, 0.5, 1.0).astype(np.float32))
        for item in keyframe_task(tiny_models).frames
    )
    task = keyframe_task(tiny_models, frames=tuple(frames))
    on(monkeypatch, "cpu")
    exact = generated(SdxlKeyframes(), task)
    on(monkeypatch, "cuda")
    assert_alike(exact, generated(SdxlKeyframes(), task))


@pytest.mark.parametrize("vram_gb", [None, 0.5])
def test_frames_between_keyframes_by_svd(tiny_models, monkeypatch, vram_gb):
    task = clip_task(tiny_models, 5)
    on(monkeypatch, "cpu")
    exact = generated(SvdInterpolator(), task)
    on(monkeypatch, "cuda", vram_gb)
    assert_alike(exact, generated(SvdInterpolator(), task))


def test_frames_between_keyframes_by_wan(tiny_models, monkeypatch):
    task = clip_task(
        tiny_models,
        5,
        sampling=ClipSampling(steps=3, guidance_scale=3.0),
        features=None,
        models=ModelFiles({"wan_vace": tiny_models["wan_vace"]}, "fp32"),
    )
    on(monkeypatch, "cpu")
    exact = generated(WanVaceInterpolator(), task)
    on(monkeypatch, "cuda")
    assert_alike(exact, generated(WanVaceInterpolator(), task))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_training_of_few_steps(small_models, monkeypatch, tmp_path, precision):
    losses = {}
    for device, own in (("cpu", "fp32"), ("cuda", precision)):
        on(monkeypatch, device)
        checkpoints = tmp_path / device
        checkpoints.mkdir()
        target = tmp_path / f"{device}.safetensors"
        result = SdxlLoraTrainer().train(
            customization_task(small_models, precision=own),
            target,
            checkpoints=checkpoints,
            progress=lambda share, message: None,
        )
        assert target.stat().st_size > 1000
        losses[device] = np.array(result.losses)
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-3 if precision == "fp32" else 5e-2)


@pytest.mark.parametrize("vram_gb", [None, 1.0])
def test_what_models_measure(tiny_models, monkeypatch, vram_gb):
    pictures = [frame(index).colour for index in range(6)]
    files = ModelFiles(tiny_models, "fp32")
    found = {}
    for device in ("cpu", "cuda"):
        on(monkeypatch, device, vram_gb)
        found[device] = (
            np.stack(list(ClipEmbedder().embed(pictures, files))),
            list(DepthAnything().estimate(pictures, files)),
        )
    np.testing.assert_allclose(found["cuda"][0], found["cpu"][0], atol=1e-4)
    for ours, exact in zip(found["cuda"][1], found["cpu"][1], strict=True):
        assert aligned_rmse(ours, exact) < 1e-4
