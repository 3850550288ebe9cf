"""How deep a picture looks, by Depth Anything: inverse depth up to a factor and an offset.

In single precision whatever `models: {precision}` says; see `clip_embeddings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from i2v3d.backends.device import open_device
from i2v3d.backends.memory import plan_depths
from i2v3d.backends.paper.kept_models import KeptModels, identity_of
from i2v3d.backends.paper.loading import load_part
from i2v3d.backends.paper.preprocessing import read_preprocessing
from i2v3d.backends.paper.single_precision import single_precision
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from transformers import DepthAnythingForDepthEstimation

    from i2v3d.backends.base import ModelFiles


class DepthAnything:
    """Depth Anything on whole pictures, after its own preprocessing; a `DepthEstimator`."""

    def __init__(self) -> None:
        self._kept = KeptModels()

    def estimate(self, pictures: Sequence[Array], models: ModelFiles) -> Iterator[Array]:
        """Yields float32 (height, width) for each picture, resized to the picture by bicubic interpolation.

        Raises:
            StageError: The folder holds no Depth Anything that estimates relative depth.
        """
        if not pictures:
            return
        opened = open_device()
        device = opened.torch_device
        made_from = (*identity_of(models, "depth_anything"), str(device))
        model = self._kept.get("model", made_from, lambda: _load(models, device))
        preprocessing = read_preprocessing(models, "depth_anything")
        size = pictures[0].shape[:2]
        at_once = plan_depths(opened.vram_gb, *preprocessing.resized(*size)).at_once
        for batch in preprocessing.batches(pictures, at_once):
            with single_precision():
                depths = model(pixel_values=torch.from_numpy(batch).to(device)).predicted_depth.float()
                whole = functional.interpolate(depths[:, None], size=size, mode="bicubic", align_corners=False)
            yield from whole[:, 0].cpu().numpy()


def _load(files: ModelFiles, device: torch.device) -> DepthAnythingForDepthEstimation:
    from transformers import DepthAnythingForDepthEstimation

    model = load_part(DepthAnythingForDepthEstimation, files, "depth_anything", "")
    kind = model.config.depth_estimation_type
    if kind != "relative":
        raise StageError(
            f"this Depth Anything estimates {kind} depth, where relative depth is needed",
            hint="take one without `Metric` in its name",
            field="depth_anything",
        )
    return model.to(device)
