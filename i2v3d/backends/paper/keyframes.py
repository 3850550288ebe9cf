"""Keyframes by SDXL: inversion of the renders, and generation guided by what it saw (paper section 3.2).

The LoRA serves inversion and generation alike, as in the published code: features that are replayed into a model should
come from that model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from i2v3d.backends.base import KeyframeTask, Progress
from i2v3d.backends.device import open_device
from i2v3d.backends.memory import FrameSize, KeyframeMemory, plan_keyframes
from i2v3d.backends.paper.frame_tensors import FrameTensors, frame_tensors
from i2v3d.backends.paper.kept_models import KeptModels, identity_of
from i2v3d.backends.paper.loading import (
    encode_sdxl_prompts,
    load_controlnet_depth,
    load_ddim_scheduler,
    load_sdxl_unet,
    load_sdxl_vae,
)
from i2v3d.backends.paper.lora import apply_lora
from i2v3d.backends.paper.residency import on_device, taking_turns
from i2v3d.diffusion.compiling import tuned_for_gpu
from i2v3d.diffusion.graphs import recording_off
from i2v3d.diffusion.inversion import invert_keyframes
from i2v3d.diffusion.keyframe_model import DepthControl, KeyframeModel
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
from i2v3d.diffusion.strength import weakened_start
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

# Both sides in pixels are a multiple of it: the autoencoder halves three times, SDXL's UNet twice more. A side that the
# UNet can't halve is stretched on its way up, where features and masks no longer lie on each other.
_MULTIPLE = 32
# Shares of the work that are done by then; a step of inversion costs a third of one of sampling.
_ENCODED, _INVERTED, _SAMPLED = 0.05, 0.3, 0.95
_GPU_S = 8.5e-6  # seconds of an H200 for each frame, step and pixel of the latent, roughly


@dataclass(frozen=True)
class KeyframeModels:
    """What a run evaluates.

    Attributes:
        unet: SDXL's, with the LoRA if there is one.
        controlnet: Of depth.
        vae: Pictures to latents and back.
        prompts: Of the three branches.
        levels: Noise levels of the run.
    """

    unet: UNet2DConditionModel
    controlnet: ControlNetModel
    vae: AutoencoderKL
    prompts: KeyframePrompts
    levels: DdimLevels


class SdxlKeyframes:
    """SDXL with depth ControlNet, injected features and extended attention; a `KeyframeGenerator`."""

    def __init__(self) -> None:
        self._kept = KeptModels()

    def generate(self, task: KeyframeTask, progress: Progress) -> Sequence[Array]:
        """Returns one uint8 (height, width, 3) per frame of the task, of its size.

        Frames are padded to a size that every level of SDXL halves exactly, and cropped again.
        """
        device = open_device()
        frames = frame_tensors(task.frames, multiple=_MULTIPLE, device=device.torch_device)
        count, _, height, width = frames.pictures.shape
        size = FrameSize(height, width, count, task.models.precision)
        memory = plan_keyframes(size, device.vram_gb, window=task.sampling.window)
        progress(0.0, "loading models")
        models = self._models(task, device.torch_device, memory)
        noise = start_noise(frames, seed=task.seed)
        return frames.cropped(generate_pictures(models, frames, noise, task=task, memory=memory, progress=progress))

    def _models(self, task: KeyframeTask, device: torch.device, memory: KeyframeMemory) -> KeyframeModels:
        files, kept = task.models, self._kept
        home = device if memory.residency == "all" else torch.device("cpu")
        sdxl, vae, controlnet = (
            (*identity_of(files, role), str(home)) for role in ("sdxl", "sdxl_vae", "controlnet_depth")
        )
        texts = ("", task.sampling.negative_prompt, task.prompt)
        conditions = kept.get("texts", (sdxl, texts), lambda: encode_sdxl_prompts(files, texts, device))

        def unet_with_lora() -> UNet2DConditionModel:
            unet = load_sdxl_unet(files, home)
            if task.lora is not None:
                apply_lora(unet, task.lora)
            return unet

        return KeyframeModels(
            # Loaded anew for another LoRA, since taking one out again may leave rounding behind.
            unet=kept.get("unet", (sdxl, _content(task.lora)), unet_with_lora),
            controlnet=kept.get("controlnet", controlnet, lambda: load_controlnet_depth(files, home)),
            vae=kept.get("vae", vae, lambda: load_sdxl_vae(files, home)),
            prompts=KeyframePrompts(inversion=conditions[0], negative=conditions[1], prompt=conditions[2]),
            levels=DdimLevels.of(load_ddim_scheduler(files), task.sampling.steps),
        )


def generate_pictures(
    models: KeyframeModels,
    frames: FrameTensors,
    noise: Tensor,
    *,
    task: KeyframeTask,
    memory: KeyframeMemory,
    progress: Progress,
) -> Tensor:
    """Pictures of the keyframes: `frames 3 height width`, 0 to 1, of the padded size.

    Strength scales the depth condition, the lengths of injection and how much of the start is noise, each by place.
    The inversion follows the whole depth whatever the strength: it describes the render.

    Args:
        models: What is evaluated.
        frames: The renders.
        noise: As `start_noise` makes it.
        task: Numbers of the run; its frames, prompts and model files are not read.
        memory: What is on the device when, and how much is evaluated at once.
        progress: Called as the run goes on.
    """
    model = KeyframeModel(models.unet, models.controlnet)
    device = frames.pictures.device
    vae_device = torch.device("cpu") if memory.is_vae_on_host else device
    progress(0.0, "encoding")
    with on_device(models.vae, vae_device):
        clean = encode_pictures(models.vae, frames.pictures.to(vae_device), batch=1).to(device)
    progress(_ENCODED, "inverting")
    work_s = len(clean) * models.levels.steps * clean[0, 0].numel() * _GPU_S
    with _sampling_on(device, model, memory, work_s=work_s):
        inverted = invert_keyframes(
            model,
            clean,
            levels=models.levels,
            text=models.prompts.inversion,
            control=DepthControl(frames.depth),
            batch=memory.source_batch,
            control_every=task.sampling.control_every,
            on_share=lambda share: progress(_ENCODED + (_INVERTED - _ENCODED) * share, "inverting"),
        )
        progress(_INVERTED, "generating")
        latents = sample_keyframes(
            model,
            start_latents(weakened_start(inverted[-1], noise, frames.strength), noise, frames.is_visible),
            levels=models.levels,
            prompts=models.prompts,
            control=DepthControl(frames.depth, scale=task.depth, strength=frames.strength),
            guide=_guide(frames, inverted),
            settings=_settings(task, memory),
            on_step=lambda done: progress(_share_sampled(done, models.levels.steps), "generating"),
        )
    progress(_SAMPLED, "decoding")
    with on_device(models.vae, vae_device):
        return decode_pictures(models.vae, latents.to(vae_device))


@contextmanager
def _sampling_on(
    device: torch.device, model: KeyframeModel, memory: KeyframeMemory, *, work_s: float
) -> Iterator[None]:
    """Inside, the UNet and the ControlNet can be evaluated on the device."""
    if memory.residency == "taking turns":
        # A recorded evaluation would look for the weights where they were when it was recorded.
        with taking_turns((model.unet, model.controlnet), device), recording_off():
            yield
    else:
        with (
            on_device(model.unet, device),
            on_device(model.controlnet, device),
            tuned_for_gpu(model.unet, model.controlnet, work_s=work_s),
        ):
            yield


def _guide(frames: FrameTensors, inverted: Tensor) -> KeyframeGuide:
    return KeyframeGuide(
        inverted=inverted,
        is_foreground=frames.is_foreground,
        is_visible=frames.is_visible,
        # Counting steps takes float64, which not every device has.
        strength=None if frames.strength is None else frames.strength.cpu(),
    )


def _settings(task: KeyframeTask, memory: KeyframeMemory) -> KeyframeSettings:
    steps, features = task.sampling.steps, task.features
    return KeyframeSettings(
        schedule=KeyframeSchedule(steps, 0.0, 0.0, 0.0)
        if features is None
        else KeyframeSchedule(
            steps=steps,
            convolution_until=features.convolution_until,
            attention_until_foreground=features.attention_until_foreground,
            attention_until_background=features.attention_until_background,
        ),
        guidance_scale=task.sampling.guidance_scale,
        extension=task.extended_attention,
        window=task.sampling.window,
        overlap=task.sampling.overlap,
        source_batch=memory.source_batch,
        target_batch=memory.target_batch,
        source_every=task.sampling.source_every,
        control_every=task.sampling.control_every,
        guided_until=task.sampling.guided_until,
    )


def _share_sampled(done: int, steps: int) -> float:
    return _INVERTED + (_SAMPLED - _INVERTED) * done / steps


def start_noise(frames: FrameTensors, *, seed: int) -> Tensor:
    """Unit noise where nothing of the render is kept: `frames 4 height/8 width/8`, the same on every device.

    All frames start from one noise, so that what they show where nothing was seen is alike, and so that a keyframe
    does not depend on how many come before it. The published code draws one for each.
    """
    count, _, height, width = frames.pictures.shape
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(1, 4, height // 8, width // 8, generator=generator)
    return noise.to(frames.pictures.device).repeat(count, 1, 1, 1)


def _content(lora: Path | None) -> str:
    """The digest of a LoRA's file: each step has it at another place."""
    if lora is None:
        return ""
    with lora.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
