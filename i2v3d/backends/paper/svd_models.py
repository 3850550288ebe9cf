"""Stable Video Diffusion's networks: kept from one interval to the next, on the device when they run.

Where the device can't hold them all, those that don't run wait in host memory. Nothing of it shows in a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from i2v3d.backends.paper.residency import on_device, taking_turns
from i2v3d.diffusion.compiling import tuned_for_gpu

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel

    from i2v3d.backends.base import ModelFiles
    from i2v3d.backends.memory import Residency
    from i2v3d.backends.paper.image_encoder import ImageEncoder
    from i2v3d.diffusion.svd_controlnet import SvdControlNet


@dataclass(frozen=True)
class SvdModels:
    """The networks of one step.

    Attributes:
        unet: SVD's.
        controlnet: Its depth ControlNet.
        vae: Its autoencoder.
        image_encoder: CLIP.
        scheduler: Its noise levels.
        device: Where they run.
        residency: Which of them stay there while others run.
    """

    unet: UNetSpatioTemporalConditionModel
    controlnet: SvdControlNet
    vae: AutoencoderKLTemporalDecoder
    image_encoder: ImageEncoder
    scheduler: EulerDiscreteScheduler
    device: torch.device
    residency: Residency = "all"

    def embed(self, pictures: Tensor) -> Tensor:
        """CLIP's embeddings of pictures: `pictures 1 channels`, float32, on the device.

        Args:
            pictures: `pictures 3 height width`, 0 to 1.
        """
        with on_device(self.image_encoder.model, self.device):
            return self.image_encoder.embed(pictures).float()

    @contextmanager
    def encoding(self) -> Iterator[AutoencoderKLTemporalDecoder]:
        """The autoencoder on the device, in a precision in which its encoder doesn't overflow."""
        with on_device(self.vae, self.device), encoding_precision(self.vae):
            yield self.vae

    @contextmanager
    def decoding(self) -> Iterator[AutoencoderKLTemporalDecoder]:
        """The autoencoder on the device."""
        with on_device(self.vae, self.device):
            yield self.vae

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """UNet and ControlNet on the device, together or in turn."""
        if self.residency == "taking turns":
            with taking_turns((self.unet, self.controlnet), self.device):
                yield
        else:
            # One interval is too little to compile for, and what an interval gives may not depend on those before it:
            # models are compiled if I2V3D_COMPILE says so.
            with (
                on_device(self.unet, self.device),
                on_device(self.controlnet, self.device),
                tuned_for_gpu(self.unet, self.controlnet),
            ):
                yield


def svd_models(kept: KeptModels, files: ModelFiles, device: torch.device, residency: Residency = "all") -> SvdModels:
    """The networks of a step; those that are kept from the step before are not loaded again."""
    home = device if residency == "all" else torch.device("cpu")
    svd = (*identity_of(files, "svd"), str(home))
    control = (*svd, *identity_of(files, "svd_controlnet_depth"))
    return SvdModels(
        unet=kept.get("unet", svd, lambda: load_svd_unet(files, home)),
        controlnet=kept.get("controlnet", control, lambda: load_svd_controlnet(files, home)),
        vae=kept.get("vae", svd, lambda: load_svd_vae(files, home)),
        image_encoder=kept.get("image_encoder", svd, lambda: load_svd_image_encoder(files, home)),
        scheduler=load_euler_scheduler(files),
        device=device,
        residency=residency,
    )
