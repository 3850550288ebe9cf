"""Wan VACE between two keyframes: one call of the model per interval, guided by the render's depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from i2v3d.backends.colour_drift import without_colour_drift
from i2v3d.backends.device import open_device
from i2v3d.backends.modern.vace_conditions import MAX_FRAMES, Conditions, Grid, conditions, windows
from i2v3d.backends.modern.wan_loading import ROLE, encode_texts, load_scheduler, load_wan_vace
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from diffusers import WanVACEPipeline

    from i2v3d.backends.base import ClipTask, ModelFiles, Progress
    from i2v3d.backends.device import Device
    from i2v3d.spec.resolved_generation import ClipSampling

_CALL_GB = 8.0  # reckoned, not measured: what a call at 1024 x 576 takes beside the transformer's weights
_GIB = 2**30


@dataclass(frozen=True)
class _Opened:
    """The models of a folder and precision."""

    folder: Path
    precision: str
    pipeline: WanVACEPipeline


class WanVaceInterpolator:
    """Makes the frames of an interval with Wan VACE: the keyframes at its ends, the render's depth between them.

    How the language's controls come to this model, see `vace_conditions.conditions`:

    - `interpolate.depth`, or `guidance.depth`, times `guidance.strength`, over time and by object: below 1 depth fades
      to grey, above 1 the control branch is scaled by place.
    - `interpolate.steps` and `guidance_scale`, the prompt of the photo, and `keyframes.negative_prompt`.
    - The render's colours are not shown to the model, its features are not injected and no noise is put where the photo
      saw nothing: those are means of the paper's models, and the prompt and the keyframes do their work here.
    - The model has no input for frames per second; it was trained on 16.

    Pictures are widened at the right and the bottom, clips by repeating the last frame, and both are cut off again.
    An interval of more than 81 frames is made in several calls, each going on from the last five frames of the one
    before. The ends are the model's own frames, with the keyframes' colours: see `colour_drift`.
    """

    def __init__(self, *, most_frames: int = MAX_FRAMES) -> None:
        self._most_frames = most_frames
        self._open: _Opened | None = None
        self._embeddings: dict[tuple[Path, str, str], torch.Tensor] = {}

    def generate(self, task: ClipTask, progress: Progress) -> Sequence[Array]:
        """Returns the frames of the interval; see `ClipGenerator`.

        Raises:
            StageError: The folder of weights holds no Wan VACE.
        """
        last = len(task.frames) - 1
        if last < 2:  # nothing lies between
            return [task.first, task.last][: last + 1]
        device = open_device()
        texts = self._encoded(task, device)
        pipeline = self._opened(task.models, device)
        height, width = task.first.shape[:2]
        pipeline.scheduler = load_scheduler(task.models, height * width)
        grid = Grid(
            frames=pipeline.vae_scale_factor_temporal,
            pixels=pipeline.vae_scale_factor_spatial * pipeline.transformer.config.patch_size[1],
        )
        draw = torch.Generator("cpu").manual_seed(task.seed)
        finished: list[Array] = []
        calls = windows(len(task.frames), most=self._most_frames)
        for number, window in enumerate(calls):
            frames = [task.frames[at] for at in window]
            kept = dict(enumerate(finished[window.start :] or [task.first]))
            ends = {**kept, last - window.start: task.last} if last in window else kept
            asked = conditions(frames, ends, depth_scale=task.depth, grid=grid)
            report = _part_of(progress, number, len(calls))
            clip = sample_clip(pipeline, asked, task.sampling, texts=texts, draw=draw, report=report)
            made = without_colour_drift(
                list(clip[len(kept) - 1 : len(window), :height, :width]),
                first=kept[len(kept) - 1],
                last=ends.get(len(window) - 1, clip[len(window) - 1, :height, :width]),
                is_foreground=[frame.is_foreground for frame in frames[len(kept) - 1 :]],
            )
            finished += made[1:] if finished else made
        return finished

    def _encoded(self, task: ClipTask, device: Device) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the prompt and the negative prompt as embeddings, from earlier calls where they are known."""
        folder, precision = task.models.folders[ROLE], task.models.precision
        texts = (task.prompt, task.negative_prompt)
        new = [text for text in dict.fromkeys(texts) if (folder, precision, text) not in self._embeddings]
        if new:
            self._open = None  # the text encoder is the larger model: both need not fit
            encoder_gb = sum(file.stat().st_size for file in (folder / "text_encoder").glob("*.safetensors")) / _GIB
            place = device.torch_device if encoder_gb < device.vram_gb else torch.device("cpu")
            for text, embedding in zip(new, encode_texts(task.models, new, place), strict=True):
                self._embeddings[folder, precision, text] = embedding
        prompt, negative = (self._embeddings[folder, precision, text].to(device.torch_device) for text in texts)
        return prompt, negative

    def _opened(self, files: ModelFiles, device: Device) -> WanVACEPipeline:
        """Returns the pipeline, from earlier calls where it is of the same weights, placed within the budget."""
        if self._open is None or (self._open.folder, self._open.precision) != (files.folders[ROLE], files.precision):
            self._open = None  # so that two are never held at once
            self._open = _Opened(files.folders[ROLE], files.precision, _placed(load_wan_vace(files), device))
        return self._open.pipeline


def _placed(pipeline: WanVACEPipeline, device: Device) -> WanVACEPipeline:
    """Returns the pipeline on the device, with its models taking turns there where memory is short.

    The autoencoder is never tiled: tiles show in the result, and it needs less than the transformer anyway.
    """
    if device.torch_device.type == "cpu":
        return pipeline
    if pipeline.transformer.get_memory_footprint() / _GIB + _CALL_GB > device.vram_gb:
        pipeline.enable_model_cpu_offload(device=device.torch_device)
        return pipeline
    return pipeline.to(device.torch_device)


def sample_clip(
    pipeline: WanVACEPipeline,
    asked: Conditions,
    sampling: ClipSampling,
    *,
    texts: tuple[torch.Tensor, torch.Tensor],
    draw: torch.Generator,
    report: Callable[[float], None],
) -> Array:
    """Returns one call's frames: uint8 (frames, height, width, 3), of the conditions' padded size.

    Args:
        pipeline: Placed where it runs.
        asked: What is kept and what is made.
        sampling: Steps and guidance.
        texts: Embeddings of the prompt and of the negative prompt, on the pipeline's device.
        draw: Of the noise, on the CPU so that every device has the same.
        report: Called with the share that is done, 0 to 1.
    """
    layers = len(pipeline.transformer.config.vace_layers)
    # One scale per layer is what diffusers documents; it multiplies a layer's tokens, so one per token serves as well.
    scale = torch.from_numpy(asked.token_scale)[None, None, :, None].expand(layers, -1, -1, -1)

    def on_step(_: object, step: int, _time: object, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        report((step + 1) / sampling.steps)
        return tensors

    count, height, width = asked.video.shape[:3]
    made = pipeline(
        video=asked.video[None],
        mask=asked.mask[None],
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        conditioning_scale=scale,
        height=height,
        width=width,
        num_frames=count,
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance_scale,
        generator=draw,
        callback_on_step_end=on_step,
        output_type="np",
    )
    return np.rint(made.frames[0] * 255).astype(np.uint8)


def _part_of(progress: Progress, number: int, count: int) -> Callable[[float], None]:
    """Returns what reports the share that is done of one call of `count`."""
    return lambda share: progress((number + share) / count, "denoising")
