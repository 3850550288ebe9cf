"""A LoRA file into a UNet: added to the weights, so that it costs nothing afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from i2v3d.errors import StageError

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

_PREFIX = "lora_unet_"


@torch.no_grad()
def apply_lora(unet: UNet2DConditionModel, path: Path) -> None:
    """Adds `alpha / rank * up @ down` to the weights of every layer that the file names.

    The sum is made in float32 and rounded once to the number type of the UNet.

    Raises:
        StageError: The file is no LoRA of this UNet; nothing was changed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise StageError(f"{path.name} is no safetensors file: {error}", field="lora") from error
    layers = {
        f"{_PREFIX}{name.replace('.', '_')}": module
        for name, module in unet.named_modules()
        if isinstance(module, nn.Linear)
    }
    named = {name.partition(".")[0] for name in tensors}
    if foreign := sorted(named - set(layers)):
        raise StageError(
            f"{path.name} has weights of {len(foreign)} layers that the model lacks, such as `{foreign[0]}`",
            hint="it was trained for another model",
            field="lora",
        )
    changes = {}
    for name in sorted(named):
        try:
            down, up, alpha = (tensors[f"{name}.{part}"] for part in ("lora_down.weight", "lora_up.weight", "alpha"))
        except KeyError as error:
            raise StageError(f"{path.name} lacks `{error.args[0]}`", field="lora") from error
        weight = layers[name].weight
        if (up.shape[0], down.shape[1]) != tuple(weight.shape) or up.shape[1] != down.shape[0]:
            raise StageError(f"{path.name}: the weights of `{name}` do not fit the model's layer", field="lora")
        changes[name] = (down, up, float(alpha) / down.shape[0])
    for name, (down, up, scale) in changes.items():
        weight = layers[name].weight
        change = scale * (up.to(weight.device, torch.float32) @ down.to(weight.device, torch.float32))
        weight.copy_(weight.float() + change)
