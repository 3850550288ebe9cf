"""The frames between two keyframes, by Stable Video Diffusion (paper section 3.3).

The render is inverted both ways in time, then one latent is denoised by two trajectories, each from its own keyframe,
held to the render by its depth and by features of its inversion. Colours of the decoded clip are brought to those of
the keyframes at both ends, so that neighbouring intervals meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from i2v3d.backends.base import ClipTask, GuidedFrame, Progress
from i2v3d.backends.colour_drift import without_colour_drift
from i2v3d.backends.device import Device, open_device
from i2v3d.backends.paper.clip_memory import ClipMemory, plan_clip_memory
from i2v3d.backends.paper.clip_run import ClipInputs, Direction, Report, generate_latents
from i2v3d.backends.paper.padding import Padding
from i2v3d.backends.paper.svd_conditions import image_condition, image_latents, with_unconditional
from i2v3d.backends.paper.svd_models import SvdModels
from i2v3d.diffusion.latents import decode_clip, encode_pictures
from i2v3d.diffusion.noise_levels import EulerLevels
from i2v3d.diffusion.schedule import VideoSchedule
from i2v3d.diffusion.video_model import ClipControl, VideoModel
from i2v3d.diffusion.video_sampling import ClipGuide, VideoSettings

if TYPE_CHECKING:
    from i2v3d.geometry.frames import Array

_FEWEST_FRAMES = 3  # of two there is nothing between the keyframes


class SvdInterpolator:
    """Stable Video Diffusion; models stay loaded between the intervals of a clip."""

    def __init__(self) -> None:
        self._models: SvdModels | None = None

    def generate(self, task: ClipTask, progress: Progress) -> Sequence[Array]:
        """Returns one uint8 (height, width, 3) per frame of the task.

        The ends are the model's own frames in the keyframes' colours: see `backends.colour_drift`.
        """
        if len(task.frames) < _FEWEST_FRAMES:
            return [task.first, task.last][: len(task.frames)]
        device = open_device()
        if self._models is None or not self._models.are_of(task.models, device):
            self._models = SvdModels(task.models, device)
        return generate_clip(task, self._models, device, progress)


def generate_clip(task: ClipTask, models: SvdModels, device: Device, progress: Progress) -> list[Array]:
    """Returns the frames of a task with models that are at hand."""
    height, width = task.first.shape[:2]
    padding = Padding(height, width)
    frames = tuple(padding.pad_frame(frame) for frame in task.frames)
    settings = video_settings(task)
    memory = plan_clip_memory(device, frames=len(frames), height=padding.padded_height, width=padding.padded_width)
    clip = clip_inputs(task, frames, models, padding)
    progress(0.03, "conditions")
    with models.unet_and_controlnet() as networks:
        latents = generate_latents(
            VideoModel(*networks, time_ids=time_ids(task)),
            clip,
            levels=EulerLevels.of(models.scheduler(), task.sampling.steps),
            settings=settings,
            storage=memory.storage,
            report=_scaled(progress, 0.03, 0.95),
        )
    decoded = _decoded(models, latents[0], memory)
    progress(1.0, "decoded")
    return without_colour_drift(
        [padding.crop(picture) for picture in decoded],
        first=task.first,
        last=task.last,
        is_foreground=[frame.is_foreground for frame in task.frames],
    )


def video_settings(task: ClipTask) -> VideoSettings:
    """Guidance and lengths of the injection."""
    features = task.features
    schedule = VideoSchedule(
        steps=task.sampling.steps,
        convolution_until=features.convolution_until if features else 0.0,
        attention_until=features.attention_until if features else 0.0,
    )
    return VideoSettings(schedule=schedule, guidance_scale=task.sampling.guidance_scale)


def time_ids(task: ClipTask) -> tuple[float, float, float]:
    """SVD's micro-conditioning: it counts frames per second from 0."""
    return (task.fps - 1, float(task.sampling.motion_bucket), task.sampling.noise_augmentation)


def clip_guide(frames: Sequence[GuidedFrame], depth_scale: float, device: torch.device) -> ClipGuide:
    """What the renders say, on a device.

    Strength scales depth residuals and the lengths of the injection alike, pixel by pixel (paper section 5.1). Where
    it is 1 everywhere there is no map of it: that is the published schedule to the bit.
    """
    depth = torch.from_numpy(np.stack([frame.depth for frame in frames])).to(device)
    strength = torch.from_numpy(np.stack([frame.strength for frame in frames])).to(device)
    map_of_strength = None if bool((strength == 1).all()) else strength
    return ClipGuide(
        control=ClipControl((2 * depth - 1)[None, :, None].repeat(1, 1, 3, 1, 1), depth_scale, map_of_strength),
        is_visible=torch.from_numpy(np.stack([frame.is_visible for frame in frames])).to(device),
        strength=map_of_strength,
    )


def clip_inputs(
    task: ClipTask, frames: Sequence[GuidedFrame], models: SvdModels, padding: Padding
) -> ClipInputs:
    """The task as tensors on the models' device: latents, noise, and what each direction is conditioned on.

    Everything random comes from one generator on the CPU, so it is the same on every device. All pictures get the same
    noise: the two intervals beside a keyframe are then told exactly the same of it.

    Args:
        task: What to generate.
        frames: Its frames, padded.
        models: Image encoder and autoencoder.
        padding: From the task's size to that of `frames`.
    """
    device = models.device
    generator = torch.Generator().manual_seed(task.seed)
    count, height, width = len(frames), padding.padded_height, padding.padded_width
    noise = torch.randn(1, count, 4, height // 8, width // 8, generator=generator).to(device)
    picture_noise = torch.randn(3, height, width, generator=generator).to(device)
    ends = (task.frames[0].colour, task.frames[-1].colour, task.first, task.last)
    embeddings = models.embed(torch.cat([_tensor([picture], device) for picture in ends]))
    with models.encoder() as vae:
        clean = encode_pictures(vae, _tensor([frame.colour for frame in frames], device))
        told = image_latents(
            vae,
            _tensor([padding.pad(picture) for picture in ends], device),
            picture_noise,
            noise_augmentation=task.sampling.noise_augmentation,
        )
    first_render, last_render, first, last = (
        image_condition(*pair, frames=count) for pair in zip(embeddings, told, strict=True)
    )
    return ClipInputs(
        clean=clean[None],
        noise=noise,
        guide=clip_guide(frames, task.depth, device),
        forward=Direction(first_render, first_render, with_unconditional(first)),
        backward=Direction(last_render, last_render, with_unconditional(last)),
    )


def _decoded(models: SvdModels, latents: Tensor, memory: ClipMemory) -> Array:
    """Pictures of latents, uint8 (frames, height, width, 3)."""
    with models.decoder() as vae:
        pictures = decode_clip(vae, latents, chunk=memory.decode_chunk, overlap=memory.decode_overlap)
    return (pictures * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def _tensor(pictures: Sequence[Array], device: torch.device) -> Tensor:
    """Pictures as `pictures 3 height width`, 0 to 1."""
    stacked = torch.from_numpy(np.stack(pictures)).to(device)
    return stacked.permute(0, 3, 1, 2).float() / 255


def _scaled(progress: Progress, start: float, end: float) -> Report:
    return lambda share, message: progress(start + (end - start) * share, message)
