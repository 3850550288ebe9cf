"""The frames between two keyframes, by Stable Video Diffusion (paper section 3.3).

The render is inverted both ways in time, then one latent is denoised by two trajectories, each from its own keyframe,
held to the render by its depth and by features of its inversion. Colours of the decoded clip are brought to those of
the keyframes at both ends, so that neighbouring intervals meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from i2v3d.backends.base import ClipTask, Progress
from i2v3d.backends.colour_drift import without_colour_drift
from i2v3d.backends.device import memory_gb, open_device
from i2v3d.backends.memory import ClipMemory, FrameSize, plan_clip
from i2v3d.backends.paper.clip_run import ClipInputs, Direction, generate_latents
from i2v3d.backends.paper.frame_tensors import FrameTensors, frame_tensors
from i2v3d.backends.paper.kept_models import KeptModels
from i2v3d.backends.paper.svd_conditions import image_condition, image_latents, with_unconditional
from i2v3d.backends.paper.svd_models import SvdModels, svd_models
from i2v3d.diffusion.latents import decode_clip, encode_pictures
from i2v3d.diffusion.noise_levels import EulerLevels
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.video_model import ClipControl, VideoModel
from i2v3d.diffusion.video_sampling import ClipGuide, VideoSettings
from i2v3d.geometry.frames import Array

MULTIPLE = 64
"""Pixels that both sides must be a multiple of: the autoencoder halves three times, and the UNet three times more."""

_HOST_SHARE = 0.5  # of the machine's memory that features may take
_FEWEST_FRAMES = 3  # of two there is nothing between the keyframes
_ENCODED, _SAMPLED = 0.03, 0.95  # shares of the work that are done by then


class SvdInterpolator:
    """Stable Video Diffusion, both ways in time, guided by the render; a `ClipGenerator`."""

    def __init__(self) -> None:
        self._kept = KeptModels()

    def generate(self, task: ClipTask, progress: Progress) -> Sequence[Array]:
        """Returns one uint8 (height, width, 3) per frame of the task, of its size.

        The ends are the model's own frames in the keyframes' colours, see `backends.colour_drift`. Frames are padded to
        a size that SVD takes and cropped again. An interval without a frame between its keyframes is just these.
        """
        if len(task.frames) < _FEWEST_FRAMES:
            return [task.first, task.last]
        opened = open_device()
        device = opened.torch_device
        progress(0.0, "loading models")
        frames = frame_tensors(task.frames, multiple=MULTIPLE, device=device)
        count, _, height, width = frames.pictures.shape
        memory = plan_clip(
            FrameSize(height, width, count, task.models.precision),
            opened.vram_gb,
            steps=task.sampling.steps,
            host_gb=_HOST_SHARE * memory_gb(torch.device("cpu")) if device.type == "cuda" else 0.0,
        )
        models = svd_models(self._kept, task.models, device, memory.residency)
        clip = clip_inputs(task, frames, models)
        pictures = generate_pictures(models, clip, task, memory, progress)
        return without_colour_drift(
            frames.cropped(pictures),
            first=task.first,
            last=task.last,
            is_foreground=[frame.is_foreground for frame in task.frames],
        )


def clip_inputs(task: ClipTask, frames: FrameTensors, models: SvdModels) -> ClipInputs:
    """The task as tensors on the models' device: latents, noise, and what each direction is conditioned on.

    Everything random comes from one generator on the CPU, so it is the same on every device. All pictures get the same
    noise: the two intervals beside a keyframe are then told exactly the same of it.

    Args:
        task: What to generate; its frames are read from `frames`.
        frames: Those frames, padded.
        models: Image encoder and autoencoder.
    """
    device, generator = models.device, torch.Generator("cpu").manual_seed(task.seed)
    count, _, height, width = frames.pictures.shape
    noise = torch.randn(1, count, 4, height // 8, width // 8, generator=generator).to(device)
    picture_noise = torch.randn(3, height, width, generator=generator).to(device)
    ends = [task.frames[0].colour, task.frames[-1].colour, task.first, task.last]
    embeddings = models.embed(_pictures(ends, device))  # CLIP looks at the whole picture, and at nothing else
    with models.encoding() as vae:
        clean = encode_pictures(vae, frames.pictures)
        latents = image_latents(
            vae,
            _pictures([frames.padding.pad(picture) for picture in ends], device),
            picture_noise,
            noise_augmentation=task.sampling.noise_augmentation,
        )
    first_render, last_render, first, last = (
        image_condition(*pair, frames=count) for pair in zip(embeddings, latents, strict=True)
    )
    return ClipInputs(
        clean=clean[None],
        noise=noise,
        guide=clip_guide(frames, task.depth),
        forward=Direction(first_render, first_render, with_unconditional(first)),
        backward=Direction(last_render, last_render, with_unconditional(last)),
    )


def clip_guide(frames: FrameTensors, depth_scale: float) -> ClipGuide:
    """What the renders say.

    Strength scales the depth residuals and the lengths of the injection alike, pixel by pixel (paper section 5.1).
    """
    return ClipGuide(
        control=ClipControl((2 * frames.depth - 1)[None], depth_scale, frames.strength),
        is_visible=frames.is_visible,
        strength=frames.strength,
    )


def generate_pictures(
    models: SvdModels, clip: ClipInputs, task: ClipTask, memory: ClipMemory, progress: Progress
) -> Tensor:
    """The decoded interval: `frames 3 height width`, 0 to 1, of the padded size.

    Args:
        models: UNet, ControlNet and autoencoder.
        clip: The interval as tensors.
        task: Numbers of the run; its pictures are not read.
        memory: What is kept where.
        progress: Called as the run goes on.
    """
    with models.sampling():
        latents = generate_latents(
            VideoModel(models.unet, models.controlnet, time_ids=time_ids(task)),
            clip,
            levels=EulerLevels.of(models.scheduler, task.sampling.steps),
            settings=video_settings(task),
            storage=memory.storage,
            report=lambda share, message: progress(_ENCODED + (_SAMPLED - _ENCODED) * share, message),
        )
    progress(_SAMPLED, "decoding")
    with models.decoding() as vae:
        return decode_clip(vae, latents[0], chunk=memory.decode_chunk, overlap=memory.decode_overlap)


def time_ids(task: ClipTask) -> tuple[float, float, float]:
    """SVD's micro-conditioning; it was trained on frames per second less one."""
    return task.fps - 1, float(task.sampling.motion_bucket), task.sampling.noise_augmentation


def video_settings(task: ClipTask) -> VideoSettings:
    """Guidance and the lengths of the injection."""
    features, steps = task.features, task.sampling.steps
    schedule = VideoSchedule(steps, 0.0, 0.0)
    if features is not None:
        schedule = VideoSchedule(steps, features.convolution_until, features.attention_until)
    sampling = task.sampling
    return VideoSettings(schedule, sampling.guidance_scale, sampling.backward_every, sampling.control_every)


def _pictures(arrays: Sequence[Array], device: torch.device) -> Tensor:
    """Pictures of one size as `pictures 3 height width`, 0 to 1."""
    return torch.from_numpy(np.stack(arrays)).to(device).permute(0, 3, 1, 2) / 255.0
