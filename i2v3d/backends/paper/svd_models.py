"""Stable Video Diffusion's networks: loaded when first used, kept between intervals, on the device when they run.

Where the device can't hold them all, those that don't run wait in host memory. Nothing of it shows in a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from i2v3d.backends.paper.kept_models import KeptModels, identity_of
from i2v3d.backends.paper.loading import (
    encoding_precision,
    load_euler_scheduler,
    load_svd_controlnet,
    load_svd_image_encoder,
    load_svd_unet,
    load_svd_vae,
)

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel

    from i2v3d.backends.base import ModelFiles
    from i2v3d.backends.paper.image_encoder import ImageEncoder
    from i2v3d.diffusion.svd_controlnet import SvdControlNet

_HOST = torch.device("cpu")


@dataclass(frozen=True)
class SvdModels:
    """The networks of one step; each loads when it is asked for.

    Attributes:
        unet: SVD's.
        controlnet: Its depth ControlNet.
        vae: Its autoencoder.
        image_encoder: CLIP.
        scheduler: Its noise levels.
        device: Where they run.
        is_resident: Whether they stay there while another runs.
    """

    unet: UNetSpatioTemporalConditionModel
    controlnet: SvdControlNet
    vae: AutoencoderKLTemporalDecoder
    image_encoder: ImageEncoder
    scheduler: EulerDiscreteScheduler
    device: torch.device
    is_resident: bool = True

    @property
    def multiple(self) -> int:
        """Pixels that both sides of a picture must be a multiple of for every level to halve exactly; SVD's is 64."""
        halvings = len(self.vae.config.block_out_channels) - 1 + len(self.unet.config.block_out_channels) - 1
        return int(2**halvings)

    @property
    def size_bytes(self) -> int:
        """Memory that all weights take."""
        networks = (self.unet, self.controlnet, self.vae, self.image_encoder.model)
        return sum(weight.numel() * weight.element_size() for network in networks for weight in network.parameters())

    @contextmanager
    def running(self, *networks: Any) -> Iterator[None]:  # modules of diffusers and transformers
        """Inside, the networks are on the device."""
        for network in networks:
            network.to(self.device)
        try:
            yield
        finally:
            if not self.is_resident:
                for network in networks:
                    network.to(_HOST)

    def embed(self, pictures: Tensor) -> Tensor:
        """CLIP's embeddings of pictures: `pictures 1 channels`, float32.

        Args:
            pictures: `pictures 3 height width`, 0 to 1.
        """
        with self.running(self.image_encoder.model):
            return self.image_encoder.embed(pictures).float()

    @contextmanager
    def encoding(self) -> Iterator[AutoencoderKLTemporalDecoder]:
        """The autoencoder on the device, in a precision in which its encoder doesn't overflow."""
        with self.running(self.vae), encoding_precision(self.vae):
            yield self.vae


def svd_models(kept: KeptModels, files: ModelFiles, device: torch.device) -> SvdModels:
    """The networks of a step; those that are kept from the step before are not loaded again.

    They are loaded into host memory, and move as they run.
    """
    svd, control = identity_of(files, "svd"), identity_of(files, "svd_controlnet_depth")
    return SvdModels(
        unet=kept.get("unet", svd, lambda: load_svd_unet(files, _HOST)),
        controlnet=kept.get("controlnet", (svd, control), lambda: load_svd_controlnet(files, _HOST)),
        vae=kept.get("vae", svd, lambda: load_svd_vae(files, _HOST)),
        image_encoder=kept.get("image_encoder", svd, lambda: load_svd_image_encoder(files, _HOST)),
        scheduler=load_euler_scheduler(files),
        device=device,
    )
