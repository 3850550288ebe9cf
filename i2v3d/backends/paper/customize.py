"""Trains the paper's LoRA on SDXL: encodes what is learnt once, trains, and shows what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from i2v3d.artifacts.lora import Lora
from i2v3d.backends.base import CustomizationTask, ModelFiles, Progress, TrainedLora
from i2v3d.backends.device import Device, open_device
from i2v3d.backends.memory import FrameSize, TrainingMemory, training_choices
from i2v3d.backends.paper.loading import (
    encode_sdxl_prompts,
    load_ddim_scheduler,
    load_sdxl_unet,
    load_sdxl_vae,
)
from i2v3d.backends.paper.lora_samples import SampleRow, sample_latents, sample_sheet
from i2v3d.backends.paper.training_checkpoint import Checkpoint, Checkpoints, task_fingerprint
from i2v3d.backends.paper.training_pictures import PlainPicture, plain_photo, plain_view
from i2v3d.diffusion.latents import decode_pictures, encode_pictures
from i2v3d.diffusion.lora_layers import LoraAdapter
from i2v3d.diffusion.lora_loss import TrainingPicture
from i2v3d.diffusion.lora_training import (
    DivergedError,
    LoraTraining,
    TrainingSet,
    TrainingSettings,
    step_generator,
)
from i2v3d.diffusion.masks import FrameMask
from i2v3d.diffusion.noise_levels import DdimLevels
from i2v3d.errors import StageError

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from i2v3d.diffusion.keyframe_model import TextCondition
    from i2v3d.geometry.frames import Array

_BASE_MODEL = "sdxl_base_v1-0"
_SAMPLE_STEPS = 25
# Shares of the work that are done when training begins and when it ends.
_ENCODED, _TRAINED = 0.05, 0.92
# Losses are read from the device in groups, for each reading waits for it.
_READ_STEPS, _READ_S = 10, 1.0
# Checkpoints may take this share of the time, on a disk that writes so fast.
_CHECKPOINT_SHARE, _DISK_BYTES_PER_S = 0.05, 0.3e9


class SdxlLoraTrainer:
    """A LoRA of SDXL's UNet by Eq. 1."""

    def train(self, task: CustomizationTask, target: Path, *, checkpoints: Path, progress: Progress) -> TrainedLora:
        """Writes the LoRA as safetensors to `target`; see `LoraTrainer`.

        Raises:
            StageError: The loss left the finite numbers, or the device has too little memory.
            MissingBackendError: There is no such device.
        """
        device = open_device()
        progress(0.0, "encoding the pictures and their prompts")
        photo = plain_photo(task)
        objects = _plain_objects(task, photo)
        texts = _texts(task, [photo, *(views[0] for views in objects)], device.torch_device)
        pictures = _encoded(task, photo, objects, texts, device.torch_device)
        unet = load_sdxl_unet(task.models, device.torch_device)
        if device.torch_device.type == "cuda":
            unet.to(memory_format=torch.channels_last)
        generator = step_generator(task.seed, -1)
        with LoraAdapter(unet, rank=task.training.rank, generator=generator) as adapter:
            run = _Run(task, unet, adapter, device, Checkpoints(checkpoints, task_fingerprint(task)), progress)
            losses = run.train(pictures)
            factors = {
                name: (pair.down.cpu().numpy(), pair.up.cpu().numpy()) for name, pair in adapter.factors().items()
            }
            Lora(target).write(factors, base_model=_BASE_MODEL)
            rows = [photo, *(views[0] for views in objects)]
            latents = _samples(task, unet, [row.prompt for row in rows], texts, _size(photo), progress)
        del unet, adapter, run, pictures
        decoded = _decoded(task.models, latents, device.torch_device)
        sheet = sample_sheet(
            [SampleRow(row.prompt, row.pixels, samples) for row, samples in zip(rows, decoded, strict=True)], losses
        )
        return TrainedLora(losses, sheet)


def _size(picture: PlainPicture) -> tuple[int, int]:
    return picture.micro.target_height, picture.micro.target_width


def _plain_objects(task: CustomizationTask, photo: PlainPicture) -> tuple[tuple[PlainPicture, ...], ...]:
    """Returns the views of each object that shows in any; none where they do not count."""
    if not task.training.augmentation_weight or task.training.views == "single":
        return ()
    height, width = _size(photo)
    by_object = []
    for thing in task.objects:
        views = (plain_view(picture, thing.class_name, height, width) for picture in thing.pictures)
        by_object.append(tuple(view for view in views if view is not None))
    return tuple(views for views in by_object if views)


def _texts(task: CustomizationTask, rows: list[PlainPicture], device: torch.device) -> dict[str, TextCondition]:
    """Returns every prompt of the training as the UNet reads it, the empty one too."""
    prompts = tuple(dict.fromkeys((*(row.prompt for row in rows), "")))
    return dict(zip(prompts, encode_sdxl_prompts(task.models, prompts, device), strict=True))


def _encoded(
    task: CustomizationTask,
    photo: PlainPicture,
    objects: tuple[tuple[PlainPicture, ...], ...],
    texts: dict[str, TextCondition],
    device: torch.device,
) -> TrainingSet:
    """Returns all pictures as latents, the mirrored ones too; the autoencoder is gone afterwards."""
    vae = load_sdxl_vae(task.models, device)

    def variants(picture: PlainPicture) -> tuple[TrainingPicture, ...]:
        both = (picture, picture.mirrored()) if task.training.is_flipped else (picture,)
        return tuple(_training_picture(vae, one, texts[one.prompt], device) for one in both)

    return TrainingSet(variants(photo), tuple(tuple(variants(view) for view in views) for views in objects))


def _training_picture(
    vae: AutoencoderKL, picture: PlainPicture, text: TextCondition, device: torch.device
) -> TrainingPicture:
    pixels = torch.from_numpy(np.ascontiguousarray(picture.pixels)).to(device)
    latents = encode_pictures(vae, pixels.permute(2, 0, 1)[None].float() / 255)
    is_learnt = None
    if picture.is_learnt is not None:
        whole = FrameMask(torch.from_numpy(np.ascontiguousarray(picture.is_learnt))[None])
        is_learnt = whole.at(latents.shape[-2], latents.shape[-1])
    return TrainingPicture(latents, text, picture.micro, is_learnt)


@dataclass
class _Run:
    """The loop of a training, and what is said and kept on the way."""

    task: CustomizationTask
    unet: UNet2DConditionModel
    adapter: LoraAdapter
    device: Device
    checkpoints: Checkpoints
    progress: Progress
    losses: list[float] = field(default_factory=list)
    unread: list[torch.Tensor] = field(default_factory=list)

    def train(self, pictures: TrainingSet) -> tuple[float, ...]:
        """Trains to the end; returns the loss of each step."""
        training, steps = self._begin(pictures), self.task.training.steps
        plans = self._plans(pictures)
        self._follow(plans.pop(0), training)
        read_s = saved_s = time.monotonic()
        first_step, first_s = training.step, read_s
        while training.step < steps:
            if not self._advance(training):
                if not plans:
                    raise _out_of_memory(self.device)
                self._follow(plans.pop(0), training)
                continue
            now_s = time.monotonic()
            if len(self.unread) < _READ_STEPS and now_s - read_s < _READ_S and training.step < steps:
                continue
            self._read_losses()
            read_s = time.monotonic()
            share = _ENCODED + (_TRAINED - _ENCODED) * training.step / steps
            pace = (read_s - first_s) / (training.step - first_step)
            loss = float(np.mean(self.losses[-_READ_STEPS:]))
            self.progress(share, f"step {training.step} of {steps}, loss {loss:.4f}, {pace:.2f} s a step")
            if read_s - saved_s >= self._checkpoint_interval_s() and training.step < steps:
                self.checkpoints.save(Checkpoint(training.state(), tuple(self.losses)))
                saved_s = time.monotonic()
        return tuple(self.losses)

    def _begin(self, pictures: TrainingSet) -> LoraTraining:
        """Returns the training at its beginning, or where a killed run left it."""
        given = self.task.training
        training = LoraTraining(
            self.unet,
            self.adapter,
            pictures,
            alphas=load_ddim_scheduler(self.task.models).alphas_cumprod,
            settings=TrainingSettings(given.learning_rate, given.augmentation_weight, self.task.seed),
        )
        found = self.checkpoints.find(self.adapter.weights.numel())
        if isinstance(found, Checkpoint):
            training.go_on_from(found.state)
            self.losses = list(found.losses)
            self.progress(_ENCODED, f"goes on after step {found.state.step}, where an earlier run was stopped")
        elif found is not None:
            self.progress(_ENCODED, f"warning: begins anew, an earlier run's checkpoint can't be used: {found}")
        return training

    def _plans(self, pictures: TrainingSet) -> list[TrainingMemory]:
        """Returns ways to do a step, the first that should fit the budget first; each further one takes less memory."""
        height, width = (8 * side for side in pictures.photo[0].latents.shape[-2:])
        size = FrameSize(height, width, 2 if pictures.objects else 1, self.task.models.precision)
        choices = list(training_choices(size, rank=self.task.training.rank))
        if self.device.torch_device.type == "cpu":  # so that bytes do not depend on the memory of the machine
            choices = [replace(choice, is_joint=False) for choice in choices]
        while len(choices) > 1 and choices[0].needs_gb > self.device.vram_gb:
            del choices[0]
        return choices

    def _follow(self, plan: TrainingMemory, training: LoraTraining) -> None:
        training.evaluate(is_joint=plan.is_joint)
        if plan.is_checkpointed:
            self.unet.enable_gradient_checkpointing()
        if self.device.torch_device.type == "cuda":
            torch.cuda.empty_cache()

    def _advance(self, training: LoraTraining) -> bool:
        """Does a step; returns False when the device ran out of memory, which leaves the training as it was."""
        try:
            self.unread.append(training.advance())
        except torch.cuda.OutOfMemoryError:
            return False
        except DivergedError as error:
            raise self._diverged(error.step) from error
        return True

    def _read_losses(self) -> None:
        values = torch.stack(self.unread).tolist()
        self.unread.clear()
        for value in values:
            if not np.isfinite(value):
                raise self._diverged(len(self.losses))
            self.losses.append(value)

    def _diverged(self, step: int) -> StageError:
        precision = self.task.models.precision
        if precision == "fp16":
            hint, blamed = "half precision overflowed: set `models.precision: bf16` (or fp32)", "precision"
        else:
            hint, blamed = "lower `customize.lr`", "training"
        return StageError(f"the loss of step {step} is not a number ({precision})", hint=hint, field=blamed)

    def _checkpoint_interval_s(self) -> float:
        return 3 * self.adapter.weights.nbytes / _DISK_BYTES_PER_S / _CHECKPOINT_SHARE


def _out_of_memory(device: Device) -> StageError:
    return StageError(
        f"{device.torch_device} has too little memory for a training step, even the most frugal one",
        hint="end what else runs on it, make `output.size` smaller, or train elsewhere and build there",
        field="training",
    )


def _samples(
    task: CustomizationTask,
    unet: UNet2DConditionModel,
    prompts: list[str],
    texts: dict[str, TextCondition],
    size: tuple[int, int],
    progress: Progress,
) -> list[torch.Tensor]:
    """Returns latents of the samples of each prompt."""
    unet.disable_gradient_checkpointing()
    # A training of few steps is a trial; its sheet need not take longer than itself.
    steps = min(_SAMPLE_STEPS, task.training.steps)
    levels = DdimLevels.of(load_ddim_scheduler(task.models), steps)
    done = 0

    def on_step() -> None:
        nonlocal done
        done += 1
        progress(_TRAINED + (0.98 - _TRAINED) * done / (steps * len(prompts)), "samples for the sheet")

    return [
        sample_latents(unet, texts[prompt], texts[""], size=size, levels=levels, seed=task.seed, on_step=on_step)
        for prompt in prompts
    ]


def _decoded(files: ModelFiles, latents: list[torch.Tensor], device: torch.device) -> list[tuple[Array, ...]]:
    vae = load_sdxl_vae(files, device)
    decoded = []
    for group in latents:
        pictures = (decode_pictures(vae, group) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        decoded.append(tuple(pictures))
    return decoded
