"""Maps between noise levels, as pure functions of tensors: DDIM for pictures, explicit Euler on sigmas for video.

The diffusers schedulers hold a step counter and go one way only. Inversion goes the other way, so only their tables of
levels are taken and the maps, of three lines each, are written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, EulerDiscreteScheduler


@dataclass(frozen=True)
class DdimLevels:
    """The noise levels that a DDIM run of N steps passes, clean to noisy.

    Attributes:
        timesteps: N training timesteps, ascending.
        alphas: Cumulative alpha at each of them.
        clean_alpha: Cumulative alpha before the first (`final_alpha_cumprod`).
    """

    timesteps: tuple[int, ...]
    alphas: tuple[float, ...]
    clean_alpha: float

    @classmethod
    def of(cls, scheduler: DDIMScheduler, steps: int) -> DdimLevels:
        """The levels of a diffusers DDIM scheduler that predicts noise.

        Raises:
            ValueError: If the scheduler predicts anything but noise.
        """
        if scheduler.config.prediction_type != "epsilon":
            message = f"DDIM inversion wants a model that predicts noise, not {scheduler.config.prediction_type}"
            raise ValueError(message)
        scheduler.set_timesteps(steps)
        timesteps = tuple(int(timestep) for timestep in scheduler.timesteps.flip(0))
        alphas = tuple(float(scheduler.alphas_cumprod[timestep]) for timestep in timesteps)
        return cls(timesteps=timesteps, alphas=alphas, clean_alpha=float(scheduler.final_alpha_cumprod))

    @property
    def steps(self) -> int:
        """The number of steps N."""
        return len(self.timesteps)

    def alpha_before(self, index: int) -> float:
        """Cumulative alpha one level cleaner than level `index`."""
        return self.alphas[index - 1] if index else self.clean_alpha


def ddim_move(sample: Tensor, noise: Tensor, *, alpha: float, to_alpha: float) -> Tensor:
    """The sample moved along its predicted noise from one cumulative alpha to another, either way.

    Source: DDIM (Song et al. 2021), Eq. 12 with sigma 0.
    """
    clean = (sample - (1 - alpha) ** 0.5 * noise) / alpha**0.5
    return to_alpha**0.5 * clean + (1 - to_alpha) ** 0.5 * noise


@dataclass(frozen=True)
class EulerLevels:
    """The sigmas that an Euler run of N steps passes, noisy to clean.

    Attributes:
        sigmas: `N+1`, float32, descending, the last one 0.
        timesteps: `N`, float32, what the model is told at each but the last.
    """

    sigmas: Tensor
    timesteps: Tensor

    @classmethod
    def of(cls, scheduler: EulerDiscreteScheduler, steps: int) -> EulerLevels:
        """The levels of a diffusers Euler scheduler with v-prediction on continuous timesteps.

        Raises:
            ValueError: If the scheduler is of another kind.
        """
        config = scheduler.config
        if config.prediction_type != "v_prediction" or config.timestep_type != "continuous":
            message = "the video sampler wants v-prediction on continuous timesteps, as SVD has"
            raise ValueError(message)
        scheduler.set_timesteps(steps)
        return cls(sigmas=scheduler.sigmas.clone().float(), timesteps=scheduler.timesteps.clone().float())

    @property
    def steps(self) -> int:
        """The number of steps N."""
        return self.timesteps.shape[0]

    @property
    def start_scale(self) -> float:
        """The spread of a sample at the first level, given unit data: `sqrt(1 + sigma_max^2)`."""
        return float((self.sigmas[0] ** 2 + 1) ** 0.5)

    def ascending(self) -> EulerLevels:
        """The same levels clean to noisy, as inversion takes them; `N+1` sigmas and `N` timesteps.

        No step can start at sigma 0, so the sequence `0, s1, s2, ...` begins with `s1^2 / s2` in its stead: one more
        geometric step down. The timestep of a continuous sigma is `ln(sigma) / 4`.
        """
        sigmas = self.sigmas.flip(0).clone()
        sigmas[0] = sigmas[1] * sigmas[1] / sigmas[2]
        first = 0.25 * sigmas[0].log()
        return EulerLevels(sigmas=sigmas, timesteps=torch.cat([first[None], self.timesteps.flip(0)[:-1]]))


def scaled_model_input(sample: Tensor, sigma: float) -> Tensor:
    """The sample at a sigma, brought to unit spread as the model wants it."""
    return sample / (sigma**2 + 1) ** 0.5


def euler_move(sample: Tensor, velocity: Tensor, *, sigma: float, to_sigma: float) -> Tensor:
    """The sample moved by one explicit Euler step between two sigmas, either way.

    Source: Karras et al. 2022, Algorithm 1 without churn; v-prediction preconditioning as in Salimans & Ho 2022.
    """
    clean = sample / (sigma**2 + 1) - velocity * (sigma / (sigma**2 + 1) ** 0.5)
    return sample + (sample - clean) / sigma * (to_sigma - sigma)
