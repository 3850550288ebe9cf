"""Pictures as CLIP sees them: the directions in which its image encoder puts them.

In single precision whatever `models: {precision}` says: a measured value should not depend on how a clip was made, and
the encoder is small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from i2v3d.backends.device import open_device
from i2v3d.backends.memory import plan_embeddings
from i2v3d.backends.paper.kept_models import KeptModels, identity_of
from i2v3d.backends.paper.loading import load_part
from i2v3d.backends.paper.preprocessing import Preprocessing, read_preprocessing
from i2v3d.backends.paper.single_precision import single_precision
from i2v3d.backends.weight_files import find_part, read_config
from i2v3d.errors import StageError
from i2v3d.geometry.frames import Array

if TYPE_CHECKING:
    from transformers.models.clip.modeling_clip import CLIPVisionTransformer

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
            with single_precision():
                pooled = encoder.vision(pixel_values=torch.from_numpy(batch).to(device)).pooler_output
                embeds = encoder.projection(pooled)
            yield from functional.normalize(embeds, dim=-1).cpu().numpy()


@dataclass(frozen=True)
class _ImageEncoder:
    """The half of CLIP that sees, and what brings its output to where pictures and texts are compared."""

    vision: CLIPVisionTransformer
    projection: nn.Linear


def _load(files: ModelFiles, device: torch.device) -> _ImageEncoder:
    """Returns the image encoder of a folder that holds it alone or the whole CLIP.

    A whole one is loaded whole: only its own config is sure to say how wide the projection is.
    """
    from transformers import CLIPModel, CLIPVisionModelWithProjection

    is_whole = "vision_config" in read_config(find_part("clip", ""), files.folders["clip"])
    model = load_part(CLIPModel if is_whole else CLIPVisionModelWithProjection, files, "clip", "")
    return _ImageEncoder(model.vision_model.to(device), model.visual_projection.to(device))


def _check_size(encoder: _ImageEncoder, preprocessing: Preprocessing) -> None:
    side = encoder.vision.config.image_size
    if preprocessing.crop != (side, side):
        cut = " x ".join(map(str, preprocessing.crop or ("nothing",)))
        raise StageError(
            f"the model sees {side} x {side} pixels, its preprocessing cuts out {cut}",
            hint="both files must be of one model",
            field="clip",
        )
