"""Training a LoRA by Eq. 1, step by step (paper sections 3.2.1 and 4.1).

Everything random of a step follows from the seed and the step's number, so a training that stopped goes on from its
weights, the optimiser's state and that number alone, to the same bits. How a step is evaluated (terms together or one
by one, activations kept or recomputed) is a matter of memory and shows in the result as float noise at most.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from i2v3d.diffusion.lora_loss import LossTerm, NoiseDraw, TrainingPicture, noise_losses

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

    from i2v3d.diffusion.lora_layers import LoraAdapter

# Gradients of a mean over a picture are too small for half precision, so the loss is scaled up for the backward pass.
_HALF_PRECISION_SCALE = 2.0**16

ChoiceT = TypeVar("ChoiceT")
Variants = tuple[TrainingPicture, ...]
"""A picture, and its mirror image where that may be learnt too."""


class DivergedError(Exception):
    """The loss is not a finite number; `step` is the zero-based step at which it was seen."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss of step {step} is not a finite number")
        self.step = step


@dataclass(frozen=True)
class TrainingSet:
    """What is learnt, encoded once.

    Attributes:
        photo: The source photo with its full prompt.
        objects: By object and view; empty where the photo alone is learnt.
    """

    photo: Variants
    objects: tuple[tuple[Variants, ...], ...] = ()


@dataclass(frozen=True)
class TrainingSettings:
    """How it is learnt.

    Attributes:
        learning_rate: Of AdamW.
        augmentation_weight: Lambda of Eq. 1.
        seed: Of everything random.
        is_joint: Whether the terms of a step are evaluated together; faster, for twice the memory.
    """

    learning_rate: float
    augmentation_weight: float
    seed: int
    is_joint: bool = True


@dataclass(frozen=True)
class TrainingState:
    """What a training goes on from: `LoraAdapter.weights`, AdamW's two averages of the same shape, and two numbers.

    Attributes:
        step: Steps done.
        loss_scale: Factor of the loss in the backward pass.
    """

    weights: Tensor
    first_moment: Tensor
    second_moment: Tensor
    step: int
    loss_scale: float


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of a step, on the CPU; step -1 draws the first weights."""
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def step_terms(pictures: TrainingSet, settings: TrainingSettings, *, step: int, timesteps: int) -> tuple[LossTerm, ...]:
    """The terms of a step: the photo, and one random view of a random object.

    Args:
        pictures: What is learnt.
        settings: Its seed and lambda.
        step: Zero-based.
        timesteps: Of the training schedule.
    """
    generator = step_generator(settings.seed, step)
    # The photo's numbers come first, so that training without views sees the photo under the same noise.
    photo = _one_of(pictures.photo, generator)
    terms = [LossTerm(photo, NoiseDraw.of(photo.latents, timesteps, generator), 1.0)]
    if pictures.objects and settings.augmentation_weight:
        view = _one_of(_one_of(_one_of(pictures.objects, generator), generator), generator)
        draw = NoiseDraw.of(view.latents, timesteps, generator)
        terms.append(LossTerm(view, draw, settings.augmentation_weight))
    return tuple(terms)


class LoraTraining:
    """A training that is under way; made inside the adapter's `with` block.

    Attributes:
        step: Steps done.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        adapter: LoraAdapter,
        pictures: TrainingSet,
        *,
        alphas: Tensor,
        settings: TrainingSettings,
    ) -> None:
        """Begins at step 0.

        Args:
            unet: Frozen; learns through the adapter, and may be compiled.
            adapter: Its low-rank weights.
            pictures: What is learnt.
            alphas: `timesteps`, cumulative alphas of the training schedule.
            settings: How.
        """
        self.step = 0
        self._unet = unet
        self._adapter = adapter
        self._pictures = pictures
        self._alphas = alphas.cpu()
        self._settings = settings
        self._loss_scale = _HALF_PRECISION_SCALE if unet.dtype == torch.float16 else 1.0
        self._is_fused = adapter.weights.device.type == "cuda"
        self._optimiser = torch.optim.AdamW([adapter.weights], lr=settings.learning_rate, fused=self._is_fused)

    def advance(self) -> Tensor:
        """Does a step; returns its loss, a scalar that may still be on its way on the device.

        Raises:
            DivergedError: In half precision, the gradient is not finite however the loss is scaled.
        """
        terms = step_terms(self._pictures, self._settings, step=self.step, timesteps=len(self._alphas))
        loss = self._backward(terms)
        gradient = self._adapter.take_gradient()
        while self._unet.dtype == torch.float16 and not bool(gradient.isfinite().all()):
            if self._loss_scale <= 1 or not bool(loss.isfinite()):
                raise DivergedError(self.step)
            self._loss_scale /= 2
            loss = self._backward(terms)
            gradient = self._adapter.take_gradient()
        self._adapter.weights.grad = gradient / self._loss_scale
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._adapter.publish()
        self.step += 1
        return loss

    def evaluate(self, *, is_joint: bool) -> None:
        """Chooses how the terms of a step are evaluated from now on, and forgets what a failed evaluation left."""
        self._settings = replace(self._settings, is_joint=is_joint)
        self._adapter.drop_gradient()

    def state(self) -> TrainingState:
        """What the training goes on from, as copies on the CPU."""
        kept = self._optimiser.state.get(self._adapter.weights, {})
        moments = [kept.get(name, torch.zeros_like(self._adapter.weights)) for name in ("exp_avg", "exp_avg_sq")]
        weights, first, second = (tensor.detach().to("cpu", copy=True) for tensor in (self._adapter.weights, *moments))
        return TrainingState(weights, first, second, self.step, self._loss_scale)

    def go_on_from(self, state: TrainingState) -> None:
        """Sets weights, optimiser and step to those of an earlier training of the same settings."""
        weights = self._adapter.weights
        weights.copy_(state.weights)
        self._adapter.publish()
        self.step, self._loss_scale = state.step, state.loss_scale
        if state.step:
            self._optimiser.state[weights] = {
                # Where AdamW itself would put it: a fused one counts on the device.
                "step": torch.tensor(float(state.step), device=weights.device if self._is_fused else "cpu"),
                "exp_avg": state.first_moment.to(weights, copy=True),
                "exp_avg_sq": state.second_moment.to(weights, copy=True),
            }

    def _backward(self, terms: tuple[LossTerm, ...]) -> Tensor:
        """Gathers the gradient of the weighted sum of the terms; returns the sum."""
        total = torch.zeros((), device=self._adapter.weights.device)
        for batch in (terms,) if self._settings.is_joint else ((term,) for term in terms):
            weights = torch.tensor([term.weight for term in batch], device=total.device)
            loss = (noise_losses(self._unet, batch, self._alphas) * weights).sum()
            (loss * self._loss_scale).backward()
            total += loss.detach()
        return total


def _one_of(choices: Sequence[ChoiceT], generator: torch.Generator) -> ChoiceT:
    """A random element; a single one is taken without a draw."""
    if len(choices) == 1:
        return choices[0]
    return choices[int(torch.randint(len(choices), (1,), generator=generator))]
