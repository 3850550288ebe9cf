"""The depth ControlNet of Stable Video Diffusion, and the way its residuals reach the UNet (paper section 3.3).

diffusers has neither. The network is the encoder half of SVD's UNet beside an embedding of the condition and one 1x1
convolution per skip connection. Parameter names are those of the public checkpoint
`CiaraRowles/temporal-controlnet-depth-svd-v1`, so `SvdControlNet.from_pretrained` loads it. The UNet stays diffusers'
own: hooks add the residuals where its up-blocks read the skips.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.unets.unet_3d_blocks import UNetMidBlockSpatioTemporal, get_down_block
from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers import UNetSpatioTemporalConditionModel


@dataclass(frozen=True)
class Residuals:
    """What a ControlNet adds to the UNet.

    Attributes:
        skips: One per skip connection, `batch*frames channels height width`, outermost first.
        middle: For the output of the middle block.
    """

    skips: tuple[Tensor, ...]
    middle: Tensor


class SvdControlNet(ModelMixin, ConfigMixin):
    """A ControlNet for SVD; every argument is the UNet's of the same name but the `conditioning_*`."""

    @register_to_config
    def __init__(
        self,
        sample_size: int | None = None,
        in_channels: int = 8,
        out_channels: int = 4,
        down_block_types: tuple[str, ...] = (
            "CrossAttnDownBlockSpatioTemporal",
            "CrossAttnDownBlockSpatioTemporal",
            "CrossAttnDownBlockSpatioTemporal",
            "DownBlockSpatioTemporal",
        ),
        up_block_types: tuple[str, ...] = (),
        block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280),
        addition_time_embed_dim: int = 256,
        projection_class_embeddings_input_dim: int = 768,
        layers_per_block: int = 2,
        cross_attention_dim: int = 1024,
        transformer_layers_per_block: int = 1,
        num_attention_heads: tuple[int, ...] = (5, 10, 20, 20),
        num_frames: int = 25,
        conditioning_channels: int = 3,
        conditioning_embedding_out_channels: tuple[int, ...] = (16, 32, 96, 256),
    ) -> None:
        super().__init__()
        first, last = block_out_channels[0], block_out_channels[-1]
        time_channels = 4 * first
        self.conv_in = nn.Conv2d(in_channels, first, kernel_size=3, padding=1)
        self.time_proj = Timesteps(first, True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(first, time_channels)
        self.add_time_proj = Timesteps(addition_time_embed_dim, True, downscale_freq_shift=0)
        self.add_embedding = TimestepEmbedding(projection_class_embeddings_input_dim, time_channels)
        self.controlnet_cond_embedding = ControlNetConditioningEmbedding(
            first, conditioning_channels, tuple(conditioning_embedding_out_channels)
        )
        self.down_blocks = nn.ModuleList(
            get_down_block(
                kind,
                num_layers=layers_per_block,
                transformer_layers_per_block=transformer_layers_per_block,
                in_channels=block_out_channels[max(index - 1, 0)],
                out_channels=block_out_channels[index],
                temb_channels=time_channels,
                add_downsample=index < len(down_block_types) - 1,
                resnet_eps=1e-5,
                cross_attention_dim=cross_attention_dim,
                num_attention_heads=num_attention_heads[index],
                resnet_act_fn="silu",
            )
            for index, kind in enumerate(down_block_types)
        )
        self.mid_block = UNetMidBlockSpatioTemporal(
            last,
            temb_channels=time_channels,
            transformer_layers_per_block=transformer_layers_per_block,
            cross_attention_dim=cross_attention_dim,
            num_attention_heads=num_attention_heads[-1],
        )
        # One skip after conv_in, one after each layer, one after each downsampler.
        self.controlnet_down_blocks = nn.ModuleList(
            _zero_convolution(channels) for channels in [first, *_skip_channels(block_out_channels, layers_per_block)]
        )
        self.controlnet_mid_block = _zero_convolution(last)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        encoder_hidden_states: Tensor,
        added_time_ids: Tensor,
        condition: Tensor,
        scale: float = 1.0,
    ) -> Residuals:
        """The residuals, times `scale`.

        Args:
            sample: `batch frames 8 height width`: scaled latents beside image latents, as the UNet gets them.
            timestep: Scalar, `ln(sigma) / 4`.
            encoder_hidden_states: `batch 1 channels`, image embeddings.
            added_time_ids: `batch 3`: fps - 1, motion bucket, noise augmentation.
            condition: `batch frames 3 8*height 8*width`, inverse depth, -1 far to 1 near.
            scale: Of all residuals.
        """
        batch, frames = sample.shape[:2]
        embedded_time = self.time_embedding(self.time_proj(timestep.expand(batch)).to(sample.dtype))
        ids = self.add_time_proj(added_time_ids.flatten()).reshape(batch, -1).to(sample.dtype)
        embedded_time = (embedded_time + self.add_embedding(ids)).repeat_interleave(frames, dim=0)
        images = encoder_hidden_states.repeat_interleave(frames, dim=0)
        is_image_only = torch.zeros(batch, frames, dtype=sample.dtype, device=sample.device)

        hidden = self.conv_in(sample.flatten(0, 1)) + self.controlnet_cond_embedding(condition.flatten(0, 1))
        skips = [hidden]
        for block in self.down_blocks:
            text = {"encoder_hidden_states": images} if getattr(block, "has_cross_attention", False) else {}
            hidden, outputs = block(
                hidden_states=hidden, temb=embedded_time, image_only_indicator=is_image_only, **text
            )
            skips += outputs
        hidden = self.mid_block(
            hidden_states=hidden, temb=embedded_time, encoder_hidden_states=images, image_only_indicator=is_image_only
        )
        projected = zip(self.controlnet_down_blocks, skips, strict=True)
        return Residuals(
            skips=tuple(project(skip) * scale for project, skip in projected),
            middle=self.controlnet_mid_block(hidden) * scale,
        )


@contextmanager
def residuals_added(unet: UNetSpatioTemporalConditionModel, residuals: Residuals | None) -> Iterator[None]:
    """Evaluations of the UNet inside add the residuals to its skips and its middle; None adds none.

    A skip gets its residual once for each down-block from its own to the last: up to four times for the outermost. The
    UNet that was published beside the checkpoint adds them inside its loop over down-blocks, again at each turn, so
    that is what the checkpoint's weights were trained for.

    Raises:
        ValueError: If the UNet has another number of skips.
    """
    if residuals is None:
        yield
        return
    counts = [len(block.resnets) for block in unet.up_blocks]
    if sum(counts) != len(residuals.skips):
        message = f"the UNet has {sum(counts)} skips, the ControlNet {len(residuals.skips)}"
        raise ValueError(message)

    def add_to_middle(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:  # any inputs
        return output + residuals.middle

    with ExitStack() as hooks:
        hooks.callback(unet.mid_block.register_forward_hook(add_to_middle).remove)
        weights = _times_added(unet)
        weighted = tuple(skip * weight for skip, weight in zip(residuals.skips, weights, strict=True))
        end = len(weighted)
        for block, count in zip(unet.up_blocks, counts, strict=True):
            add = _adder(weighted[end - count : end])
            hooks.callback(block.register_forward_pre_hook(add, with_kwargs=True).remove)
            end -= count
        yield


def _times_added(unet: UNetSpatioTemporalConditionModel) -> Iterator[int]:
    """How often each skip gets its residual, outermost first; the first skip is conv_in's."""
    blocks = len(unet.down_blocks)
    yield blocks
    for index, block in enumerate(unet.down_blocks):
        yield from [blocks - index] * (len(block.resnets) + bool(block.downsamplers))


def _adder(residuals: tuple[Tensor, ...]) -> Any:  # a hook of torch, which has no name for its type
    def add_to_skips(
        _module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        skips = named["res_hidden_states_tuple"]
        summed = tuple(skip + residual for skip, residual in zip(skips, residuals, strict=True))
        return arguments, {**named, "res_hidden_states_tuple": summed}

    return add_to_skips


def _skip_channels(block_out_channels: tuple[int, ...], layers_per_block: int) -> Iterator[int]:
    for index, channels in enumerate(block_out_channels):
        is_last = index == len(block_out_channels) - 1
        yield from [channels] * (layers_per_block + (not is_last))


def _zero_convolution(channels: int) -> nn.Conv2d:
    """A 1x1 convolution that begins training by adding nothing."""
    convolution = nn.Conv2d(channels, channels, kernel_size=1)
    nn.init.zeros_(convolution.weight)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution
