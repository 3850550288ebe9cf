"""Wan VACE from a folder in the hub's layout, and its prompts as embeddings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from i2v3d.backends.paper.loading import load_part
from i2v3d.backends.weight_files import check_part, find_part
from i2v3d.errors import StageError

if TYPE_CHECKING:
    from diffusers import UniPCMultistepScheduler, WanVACEPipeline

    from i2v3d.backends.base import ModelFiles

ROLE = "wan_vace"
TEXT_LENGTH = 512
_SHIFT_480P, _SHIFT_720P = 3.0, 5.0
_480P, _720P = 832 * 480, 1280 * 720  # pixels of a frame
_LOG = logging.getLogger(__name__)


def load_wan_vace(files: ModelFiles) -> WanVACEPipeline:
    """Returns the pipeline on the CPU, without text encoder and tokenizer.

    The autoencoder is in float32 whatever `files.precision` says, as its makers run it.

    Raises:
        StageError: The folder holds no Wan VACE, or one of its parts does not fit.
    """
    from diffusers import AutoencoderKLWan, WanVACEPipeline, WanVACETransformer3DModel

    check_part(find_part(ROLE, "scheduler"), files.folders[ROLE])
    pipeline = WanVACEPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=load_part(AutoencoderKLWan, replace(files, precision="fp32"), ROLE, "vae"),
        scheduler=load_scheduler(files, _480P),
        transformer=load_part(WanVACETransformer3DModel, files, ROLE, "transformer"),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_scheduler(files: ModelFiles, pixels: int) -> UniPCMultistepScheduler:
    """Returns the sampler, with its noise shifted for a frame of so many pixels.

    Larger frames need more of the steps at high noise. The shift is 3 for 480p and 5 for 720p, as the model's makers
    advise, and follows the frame's area between them.
    """
    from diffusers import UniPCMultistepScheduler

    share = min(max((pixels - _480P) / (_720P - _480P), 0.0), 1.0)
    config = check_part(find_part(ROLE, "scheduler"), files.folders[ROLE])
    shift = _SHIFT_480P + share * (_SHIFT_720P - _SHIFT_480P)
    given = {key: value for key, value in config.items() if not key.startswith("_")}
    own = UniPCMultistepScheduler.from_config(given).config
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": shift}
    return UniPCMultistepScheduler.from_config({**own, **flow})


def encode_texts(files: ModelFiles, texts: Sequence[str], device: torch.device) -> list[torch.Tensor]:
    """Returns `1 512 channels` on the CPU for each text, zeros after its end; the encoder is loaded, used and freed.

    Raises:
        StageError: The folder holds no UMT5 encoder or tokenizer.
    """
    from transformers import UMT5EncoderModel

    tokens, is_token = _tokens(files, [" ".join(text.split()) for text in texts])
    encoder = load_part(UMT5EncoderModel, files, ROLE, "text_encoder").to(device)
    with torch.no_grad():
        hidden = encoder(tokens.to(device), attention_mask=is_token.to(device)).last_hidden_state.cpu()
    del encoder
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return [(hidden * is_token[..., None])[index : index + 1].clone() for index in range(len(texts))]


def _tokens(files: ModelFiles, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns int64 (texts, 512) ids, and as many zeros and ones: 1 where there is a token."""
    from transformers import AutoTokenizer

    check_part(find_part(ROLE, "tokenizer"), files.folders[ROLE])
    folder = files.folders[ROLE] / "tokenizer"
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageError(f"{folder} can't be loaded as a tokenizer: {error}", field=ROLE) from error
    for text in texts:
        count = len(tokenizer(text, truncation=False, verbose=False).input_ids)
        if count > TEXT_LENGTH:
            _LOG.warning("the prompt has %d tokens, Wan reads %d; the rest is left out", count, TEXT_LENGTH)
    given = tokenizer(list(texts), padding="max_length", max_length=TEXT_LENGTH, truncation=True, return_tensors="pt")
    return given.input_ids, given.attention_mask
