"""What a killed training goes on from: one safetensors file, replaced whole, and trusted only if it is whole."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from i2v3d.diffusion.lora_training import TrainingState

if TYPE_CHECKING:
    from i2v3d.backends.base import CustomizationTask

_NAME = "training.safetensors"
_TENSORS = ("weights", "first_moment", "second_moment")


@dataclass(frozen=True)
class Checkpoint:
    """Where a training was, and the loss of each step until there."""

    state: TrainingState
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Checkpoints:
    """The one checkpoint of a training.

    Attributes:
        folder: Outlives a killed run.
        fingerprint: Of what is trained (`task_fingerprint`); a checkpoint of anything else is not gone on from.
    """

    folder: Path
    fingerprint: str

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes it in place of the one before; being killed meanwhile leaves that one."""
        from safetensors.torch import save_file

        state = checkpoint.state
        tensors = {name: getattr(state, name) for name in _TENSORS}
        tensors["losses"] = torch.tensor(checkpoint.losses, dtype=torch.float64)
        facts = {
            "fingerprint": self.fingerprint,
            "step": state.step,
            "loss_scale": state.loss_scale,
            "digest": _digest(tensors),
        }
        unfinished = self.folder / f".{_NAME}"
        save_file(tensors, unfinished, metadata={"i2v3d": json.dumps(facts)})
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(self.folder / _NAME)

    def find(self, weight_count: int) -> Checkpoint | str | None:
        """Returns the checkpoint, why the one that is there can't be used, or None where there is none.

        Args:
            weight_count: How many weights the training has.
        """
        path = self.folder / _NAME
        if not path.is_file():
            return None
        try:
            tensors, facts = _read(path)
            found = facts["digest"], facts["fingerprint"], int(facts["step"]), float(facts["loss_scale"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"it is damaged ({error})"
        digest, fingerprint, step, loss_scale = found
        if fingerprint != self.fingerprint:
            return "it is of another training"
        sizes = {tensors[name].numel() for name in _TENSORS if name in tensors}
        if digest != _digest(tensors) or sizes != {weight_count} or len(tensors["losses"]) != step:
            return "it is damaged"
        weights, first_moment, second_moment = (tensors[name] for name in _TENSORS)
        state = TrainingState(weights, first_moment, second_moment, step, loss_scale)
        return Checkpoint(state, tuple(tensors["losses"].tolist()))


def task_fingerprint(task: CustomizationTask) -> str:
    """Returns a digest of everything that a training depends on but the weights of the models."""
    digest = hashlib.blake2b(digest_size=16)
    facts = (
        task.prompt,
        (task.original_height, task.original_width, task.crop_top, task.crop_left),
        [thing.class_name for thing in task.objects],
        task.training,
        task.models.precision,
        task.seed,
    )
    digest.update(repr(facts).encode())
    for pixels in (task.photo, *(picture for thing in task.objects for picture in thing.pictures)):
        digest.update(repr(pixels.shape).encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Returns tensors and facts.

    Raises:
        ValueError: It is no safetensors file of ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["i2v3d"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().data)
    return digest.hexdigest()
