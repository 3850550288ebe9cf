"""Stable Video Diffusion's networks, loaded when they are first used and kept between intervals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from i2v3d.backends.paper import loading

if TYPE_CHECKING:
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel

    from i2v3d.backends.base import ModelFiles
    from i2v3d.backends.device import Device
    from i2v3d.diffusion.svd_controlnet import SvdControlNet
