"""Folders in the hub's layout to models: diffusers' own classes, safetensors only, never code from a folder.

Every function takes the device that the model is put on. Weights and activations have the type of `files.precision`;
samplers do their own arithmetic in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from i2v3d.backends.weight_files import check_fits, check_part, find_part, weight_variant
from i2v3d.diffusion.keyframe_model import TextCondition
from i2v3d.errors import StageError

if TYPE_CHECKING:
    from diffusers import (
        AutoencoderKL,
        AutoencoderKLTemporalDecoder,
        ControlNetModel,
        DDIMScheduler,
        EulerDiscreteScheduler,
        UNet2DConditionModel,
        UNetSpatioTemporalConditionModel,
    )

    from i2v3d.backends.base import ModelFiles
    from i2v3d.backends.paper.image_encoder import ImageEncoder
    from i2v3d.diffusion.svd_controlnet import SvdControlNet

_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
_M = TypeVar("_M")
_LOG = logging.getLogger(__name__)


def model_dtype(files: ModelFiles) -> torch.dtype:
    """Returns the type of weights and activations."""
    return _DTYPES[files.precision]


def load_part(kind: type[_M], files: ModelFiles, role: str, name: str) -> _M:
    """Returns a part of any role on the CPU, checked and ready to evaluate.

    Args:
        kind: Class of diffusers or transformers.
        files: Where it is, and in which precision it is wanted.
        role: Whose part.
        name: Its sub-folder.

    Raises:
        StageError: The folder does not hold it.
    """
    return _model(kind, files, role, name)


def load_sdxl_unet(files: ModelFiles, device: torch.device) -> UNet2DConditionModel:
    """Returns SDXL's UNet.

    Raises:
        StageError: The folder holds no SDXL, `field` is `sdxl`; so with every function here.
    """
    from diffusers import UNet2DConditionModel

    return _model(UNet2DConditionModel, files, "sdxl", "unet").to(device)


def load_sdxl_vae(files: ModelFiles, device: torch.device) -> AutoencoderKL:
    """Returns SDXL's autoencoder; in float32 where its config says that it overflows in half precision."""
    from diffusers import AutoencoderKL

    vae = _model(AutoencoderKL, files, "sdxl_vae", "")
    return (vae.float() if _overflows(vae) else vae).to(device)


def load_controlnet_depth(files: ModelFiles, device: torch.device) -> ControlNetModel:
    """Returns the depth ControlNet of SDXL."""
    from diffusers import ControlNetModel

    check_fits("controlnet_depth", files.folders)
    return _model(ControlNetModel, files, "controlnet_depth", "").to(device)


def load_ddim_scheduler(files: ModelFiles) -> DDIMScheduler:
    """Returns DDIM on the noise levels that SDXL was trained with, whatever sampler its folder names."""
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_config(_scheduler_config(files, "sdxl"))


def encode_sdxl_prompts(files: ModelFiles, prompts: Sequence[str], device: torch.device) -> list[TextCondition]:
    """Returns each prompt as SDXL's base pipeline encodes it; both text encoders are loaded, used and freed.

    Hidden states of the last layer but one of both encoders side by side, and the pooled output of the second, padded
    to the encoders' length. A longer prompt is cut, and the log says what was left out. An empty prompt is encoded like
    any other (SDXL's pipeline takes zeros only where no negative prompt is given at all).
    """
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    hidden: list[torch.Tensor] = []
    pooled = torch.zeros(0)
    for kind, encoder_part, tokenizer_part in (
        (CLIPTextModel, "text_encoder", "tokenizer"),
        (CLIPTextModelWithProjection, "text_encoder_2", "tokenizer_2"),
    ):
        tokens = _tokens(files, tokenizer_part, prompts)
        encoder = _model(kind, files, "sdxl", encoder_part).to(device)
        with torch.no_grad():
            encoded = encoder(tokens.to(device), output_hidden_states=True)
        hidden.append(encoded.hidden_states[-2])
        pooled = encoded[0]
        del encoder
    embeds = torch.cat(hidden, dim=-1)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return [TextCondition(embeds[index : index + 1], pooled[index : index + 1]) for index in range(len(prompts))]


def load_svd_unet(files: ModelFiles, device: torch.device) -> UNetSpatioTemporalConditionModel:
    """Returns SVD's UNet."""
    from diffusers import UNetSpatioTemporalConditionModel

    return _model(UNetSpatioTemporalConditionModel, files, "svd", "unet").to(device)


def load_svd_vae(files: ModelFiles, device: torch.device) -> AutoencoderKLTemporalDecoder:
    """Returns SVD's autoencoder, which encodes under `encoding_precision` and decodes as it is."""
    from diffusers import AutoencoderKLTemporalDecoder

    return _model(AutoencoderKLTemporalDecoder, files, "svd", "vae").to(device)


def load_svd_image_encoder(files: ModelFiles, device: torch.device) -> ImageEncoder:
    """Returns what SVD's UNet is told of a picture, with its own preprocessing."""
    from transformers import CLIPVisionModelWithProjection

    from i2v3d.backends.paper.image_encoder import ImageEncoder

    preprocessing = _checked(files, "svd", "feature_extractor")
    encoder = _model(CLIPVisionModelWithProjection, files, "svd", "image_encoder")
    try:
        return ImageEncoder(
            encoder.to(device),
            mean=tuple(preprocessing["image_mean"]),
            deviation=tuple(preprocessing["image_std"]),
        )
    except (KeyError, TypeError) as error:
        folder = files.folders["svd"]
        raise StageError(
            f"{folder}/feature_extractor/preprocessor_config.json has no `image_mean` and `image_std`", field="svd"
        ) from error


def load_svd_controlnet(files: ModelFiles, device: torch.device) -> SvdControlNet:
    """Returns the depth ControlNet of SVD."""
    from i2v3d.diffusion.svd_controlnet import SvdControlNet

    check_fits("svd_controlnet_depth", files.folders)
    return _model(SvdControlNet, files, "svd_controlnet_depth", "controlnet").to(device)


def load_euler_scheduler(files: ModelFiles) -> EulerDiscreteScheduler:
    """Returns Euler on SVD's continuous noise levels."""
    from diffusers import EulerDiscreteScheduler

    return EulerDiscreteScheduler.from_config(_scheduler_config(files, "svd"))


@contextmanager
def encoding_precision(vae: AutoencoderKLTemporalDecoder) -> Iterator[None]:
    """Inside, an autoencoder that overflows in half precision is in float32; after it, as it was to the bit."""
    dtype = vae.dtype
    if not _overflows(vae):
        yield
        return
    vae.float()
    try:
        yield
    finally:
        vae.to(dtype)


def _overflows(vae: Any) -> bool:  # any autoencoder of diffusers
    return vae.dtype == torch.float16 and bool(getattr(vae.config, "force_upcast", False))


def _model(kind: type[_M], files: ModelFiles, role: str, name: str) -> Any:  # _M, whose methods have no types
    """Loads a part on the CPU, ready to evaluate and not to train."""
    _be_quiet()
    _checked(files, role, name)
    part = find_part(role, name)
    folder = part.folder(files.folders[role])
    dtype = model_dtype(files)
    variant = weight_variant(part, folder, is_half=dtype != torch.float32)
    arguments: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    if variant:
        arguments["variant"] = variant
    arguments["torch_dtype" if _is_of_diffusers(kind) else "dtype"] = dtype
    try:
        model, info = kind.from_pretrained(folder, **arguments)  # type: ignore[attr-defined]
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise StageError(
            f"{folder} can't be loaded as {kind.__name__}: {_first_line(error)}",
            hint="its config and its weights do not fit each other, or a file is damaged",
            field=role,
        ) from error
    if lacking := sorted(info["missing_keys"]):
        raise StageError(
            f"the weights in {folder} lack {len(lacking)} tensors of {kind.__name__}, such as `{lacking[0]}`",
            hint=f"they are of another model; see `models.{role}`",
            field=role,
        )
    return model.eval().requires_grad_(False)


def _is_of_diffusers(kind: type[object]) -> bool:
    from diffusers.models.modeling_utils import ModelMixin

    return issubclass(kind, ModelMixin)


def _checked(files: ModelFiles, role: str, name: str) -> dict[str, Any]:
    return check_part(find_part(role, name), files.folders[role])


def _scheduler_config(files: ModelFiles, role: str) -> dict[str, Any]:
    config = _checked(files, role, "scheduler")
    # Its class is chosen here; left in, diffusers would speak of fields that belong to another sampler.
    return {key: value for key, value in config.items() if not key.startswith("_")}


def _tokens(files: ModelFiles, name: str, prompts: Sequence[str]) -> torch.Tensor:
    """Returns int64 (prompts, tokens), padded and cut to what the encoder takes."""
    from transformers import CLIPTokenizer

    _be_quiet()
    _checked(files, "sdxl", name)
    folder = files.folders["sdxl"] / name
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StageError(f"{folder} can't be loaded as a tokenizer: {_first_line(error)}", field="sdxl") from error
    length = tokenizer.model_max_length
    if name == "tokenizer":  # both tokenizers have one vocabulary, so one of them tells
        for prompt in prompts:
            _tell_what_is_cut(tokenizer, prompt)
    padded = tokenizer(list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return padded.input_ids


def _tell_what_is_cut(tokenizer: Any, prompt: str) -> None:  # a tokenizer of transformers
    given, length = tokenizer(prompt, truncation=False, verbose=False).input_ids, tokenizer.model_max_length
    if len(given) > length:
        left_out = tokenizer.decode(given[length - 1 : -1])
        message = "the prompt has %d tokens, SDXL reads %d; left out: `%s`"
        _LOG.warning(message, len(given), length, left_out, extra={"field": "prompt"})


def _be_quiet() -> None:
    """Ends the chatter and the progress bars of the libraries in this process; errors are still raised."""
    import diffusers.utils.logging as diffusers_logging
    import transformers.utils.logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
