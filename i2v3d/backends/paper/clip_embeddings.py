"""Pictures as CLIP sees them: the directions in which its image encoder puts them.

In single precision whatever `models: {precision}` says: a measured value should not depend on how a clip was made, and
the encoder is small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from i2v3d.backends.device import open_device
from i2v3d.backends.memory import plan_embeddings
from i2v3d.backends.paper.kept_models import KeptModels, identity_of
from i2v3d.backends.paper.loading import load_part
from i2v3d.backends.paper.preprocessing import Preprocessing, read_preprocessing
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

    from i2v3d.backends.base import ModelFiles


class ClipEmbedder:
    """CLIP's image encoder with its projection, after CLIP's own preprocessing; a `PictureEmbedder`."""

    def __init__(self) -> None:
        self._kept = KeptModels()

    def embed(self, pictures: Sequence[Array], models: ModelFiles) -> Iterator[Array]:
        """Yields float32 (channels,) of length 1 for each picture.

        Raises:
            StageError: The folder holds no CLIP, or other preprocessing than the model's.
        """
        opened = open_device()
        device = opened.torch_device
        made_from = (*identity_of(models, "clip"), str(device))
        encoder = self._kept.get("encoder", made_from, lambda: _load(models, device))
        preprocessing = read_preprocessing(models, "clip")
        _check_size(encoder, preprocessing)
        at_once = plan_embeddings(opened.vram_gb).at_once
        for batch in preprocessing.batches(pictures, at_once):
            with torch.no_grad():
                embeds = encoder(pixel_values=torch.from_numpy(batch).to(device)).image_embeds
            yield from functional.normalize(embeds.float(), dim=-1).cpu().numpy()


def _load(files: ModelFiles, device: torch.device) -> CLIPVisionModelWithProjection:
    from transformers import CLIPVisionModelWithProjection

    return load_part(CLIPVisionModelWithProjection, files, "clip", "").to(device)


def _check_size(encoder: CLIPVisionModelWithProjection, preprocessing: Preprocessing) -> None:
    side = encoder.config.image_size
    if preprocessing.crop != (side, side):
        cut = " x ".join(map(str, preprocessing.crop or ("nothing",)))
        raise StageError(
            f"the model sees {side} x {side} pixels, its preprocessing cuts out {cut}",
            hint="both files must be of one model",
            field="clip",
        )
