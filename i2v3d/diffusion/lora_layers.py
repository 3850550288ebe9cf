"""Low-rank weights beside a UNet's frozen ones, in a `with` block (LoRA, Hu et al. 2021; paper section 4.1).

Written here and not taken from a library for speed: a layer adds two matrix products and nothing else, in the number
type of the UNet, and the weights that are learnt are one flat float32 tensor, so that an optimiser step is one kernel.
A test holds results and gradients to those of peft.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_FEED_FORWARD = ("ff.net.0.proj", "ff.net.2")


def lora_targets(unet: UNet2DConditionModel) -> dict[str, nn.Linear]:
    """The layers that learn, by name: q, k, v, out of both attentions and both feed-forward projections of each block.

    The blocks are those of the UNet's transformers, wherever they are.
    """
    targets = {}
    for name, module in unet.named_modules():
        if hasattr(module, "transformer_blocks"):
            for depth, block in enumerate(module.transformer_blocks):
                attentions = [kind for kind in ("attn1", "attn2") if getattr(block, kind, None) is not None]
                places = [f"{kind}.{layer}" for kind in attentions for layer in _ATTENTION]
                for place in (*places, *_FEED_FORWARD):
                    targets[f"{name}.transformer_blocks.{depth}.{place}"] = block.get_submodule(place)
    return targets


@dataclass(frozen=True)
class LowRank:
    """The two factors of a change of weights, `up @ down`.

    Attributes:
        down: `rank inputs`.
        up: `outputs rank`.
    """

    down: Tensor
    up: Tensor


class LoraLinear(nn.Module):
    """A frozen linear layer plus its low-rank change."""

    def __init__(self, base: nn.Linear, down: nn.Parameter, up: nn.Parameter) -> None:
        super().__init__()
        self.base = base
        self.down = down
        self.up = up

    def forward(self, sample: Tensor) -> Tensor:
        """The layer's output; the sum is rounded once, as part of the second product."""
        output = self.base(sample)
        low = functional.linear(sample, self.down)
        return torch.addmm(output.flatten(0, -2), low.flatten(0, -2), self.up.t()).view_as(output)


class LoraAdapter:
    """Low-rank weights of a UNet, which take part in it inside the `with` block and are gone after it.

    Alpha equals the rank, so the change is `up @ down` itself. At first it is zero: `up` is zero, and `down` is normal
    with a deviation of 1/rank.

    Attributes:
        rank: Of every change.
        weights: Flat, float32: all factors, in the order of the layers, `down` before `up`. After changing it in place,
            call `publish`.
    """

    def __init__(self, unet: UNet2DConditionModel, *, rank: int, generator: torch.Generator) -> None:
        """Makes the weights on the UNet's device, drawn from a CPU generator so that every device gets the same."""
        self.rank = rank
        self._unet = unet
        self._targets = lora_targets(unet)
        drawn = []
        for layer in self._targets.values():
            drawn.append(torch.randn(rank * layer.in_features, generator=generator) / rank)
            drawn.append(torch.zeros(rank * layer.out_features))
        self.weights = torch.cat(drawn).to(unet.device)
        # The UNet reads these, rounded to its own number type; they are views of one tensor too.
        self._published = self.weights.to(unet.dtype, copy=True)
        views = self._views(self._published)
        self._parameters = {
            name: (nn.Parameter(factors.down), nn.Parameter(factors.up)) for name, factors in views.items()
        }

    def __enter__(self) -> Self:
        for name, (down, up) in self._parameters.items():
            self._put(name, LoraLinear(self._targets[name], down, up))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, layer in self._targets.items():
            self._put(name, layer)

    def factors(self) -> dict[str, LowRank]:
        """The weights by layer, float32, as views."""
        return self._views(self.weights)

    def publish(self) -> None:
        """Lets the UNet see the weights as they are now."""
        self._published.copy_(self.weights)

    def take_gradient(self) -> Tensor:
        """The gradient that has gathered, flat and float32, in the order of `weights`; gathering begins anew."""
        parameters = [factor for pair in self._parameters.values() for factor in pair]
        gradients = [torch.zeros_like(factor) if factor.grad is None else factor.grad for factor in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients]).float()
        self.drop_gradient()
        return flat

    def drop_gradient(self) -> None:
        """Forgets the gradient that has gathered."""
        for pair in self._parameters.values():
            for factor in pair:
                factor.grad = None

    def _views(self, flat: Tensor) -> dict[str, LowRank]:
        found, start = {}, 0
        for name, layer in self._targets.items():
            middle = start + self.rank * layer.in_features
            end = middle + self.rank * layer.out_features
            found[name] = LowRank(
                flat[start:middle].view(self.rank, layer.in_features), flat[middle:end].view(layer.out_features, -1)
            )
            start = end
        return found

    def _put(self, name: str, layer: nn.Module) -> None:
        parent, _, child = name.rpartition(".")
        setattr(self._unet.get_submodule(parent), child, layer)
