"""What must lie in a folder of weights, read from its configs alone: no model library is imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2v3d.backends.weights import find_model
from i2v3d.errors import StageError

_DIFFUSERS = "diffusion_pytorch_model"
_TRANSFORMERS = "model"


@dataclass(frozen=True)
class Part:
    """One sub-folder of a role's weights.

    Attributes:
        role: Whose part it is.
        name: The sub-folder; empty for the folder itself.
        classes: What its config may call itself; empty where that is not asked.
        weights: Stem of its safetensors files; empty where it has none.
        config: Its config file.
        one_of: Sets of files of which one must be whole.
        settings: What its config must say, by key, that tells it from its relatives.
    """

    role: str
    name: str
    classes: tuple[str, ...] = ()
    weights: str = ""
    config: str = "config.json"
    one_of: tuple[tuple[str, ...], ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()  # any value of JSON

    def folder(self, of_role: Path) -> Path:
        """The part's folder in that of its role; a role of one part may be given as the part itself."""
        inside = of_role / self.name
        is_only = sum(part.role == self.role for part in PARTS) == 1
        return of_role if is_only and not inside.is_dir() else inside


PREPROCESSING_FILE = "preprocessor_config.json"
_CLIP_VOCABULARY = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_PREPROCESSING = ((PREPROCESSING_FILE,),)
PARTS: tuple[Part, ...] = (
    Part("sdxl", "unet", ("UNet2DConditionModel",), _DIFFUSERS, settings=(("addition_embed_type", "text_time"),)),
    Part("sdxl", "text_encoder", ("CLIPTextModel",), _TRANSFORMERS),
    Part("sdxl", "text_encoder_2", ("CLIPTextModelWithProjection",), _TRANSFORMERS),
    Part("sdxl", "tokenizer", config="tokenizer_config.json", one_of=_CLIP_VOCABULARY),
    Part("sdxl", "tokenizer_2", config="tokenizer_config.json", one_of=_CLIP_VOCABULARY),
    Part("sdxl", "scheduler", config="scheduler_config.json", settings=(("prediction_type", "epsilon"),)),
    Part("sdxl_vae", "", ("AutoencoderKL",), _DIFFUSERS, settings=(("latent_channels", 4),)),
    Part("controlnet_depth", "", ("ControlNetModel",), _DIFFUSERS, settings=(("addition_embed_type", "text_time"),)),
    Part("svd", "unet", ("UNetSpatioTemporalConditionModel",), _DIFFUSERS),
    Part("svd", "vae", ("AutoencoderKLTemporalDecoder",), _DIFFUSERS),
    Part("svd", "image_encoder", ("CLIPVisionModelWithProjection",), _TRANSFORMERS),
    Part("svd", "feature_extractor", config="preprocessor_config.json"),
    Part("svd", "scheduler", config="scheduler_config.json", settings=(("prediction_type", "v_prediction"),)),
    Part("svd_controlnet_depth", "controlnet", ("ControlNetSVDModel", "SvdControlNet"), _DIFFUSERS),
    Part("wan_vace", "transformer", ("WanVACETransformer3DModel",), _DIFFUSERS),
    Part("wan_vace", "vae", ("AutoencoderKLWan",), _DIFFUSERS),
    Part("wan_vace", "text_encoder", ("UMT5EncoderModel",), _TRANSFORMERS),
    Part("wan_vace", "tokenizer", config="tokenizer_config.json", one_of=(("tokenizer.json",), ("spiece.model",))),
    Part("wan_vace", "scheduler", config="scheduler_config.json"),
    Part("clip", "", ("CLIPModel", "CLIPVisionModelWithProjection"), _TRANSFORMERS, one_of=_PREPROCESSING),
    Part("depth_anything", "", ("DepthAnythingForDepthEstimation",), _TRANSFORMERS, one_of=_PREPROCESSING),
)

# A ControlNet's blocks are its UNet's: these must be equal in both configs.
_SHARED = ("block_out_channels", "cross_attention_dim", "down_block_types", "layers_per_block", "in_channels")
_FITS = {"controlnet_depth": "sdxl", "svd_controlnet_depth": "svd"}


def parts_of(role: str) -> tuple[Part, ...]:
    """Returns the parts of a role, in the order in which they are read."""
    return tuple(part for part in PARTS if part.role == role)


def find_part(role: str, name: str) -> Part:
    """Returns a part by its name.

    Raises:
        KeyError: The role has no such part.
    """
    for part in parts_of(role):
        if part.name == name:
            return part
    raise KeyError((role, name))


def weight_variant(part: Part, folder: Path, *, is_half: bool) -> str:
    """Returns which of a part's safetensors files to read: `` for the plain ones, `fp16` for those in half precision.

    Args:
        part: The part.
        folder: Of the part.
        is_half: Whether the model will run in half precision; then the smaller files are taken where there are any.

    Raises:
        StageError: There is neither.
    """
    variants = [variant for variant in ("", "fp16") if _has_weights(folder, part.weights, variant)]
    if not variants:
        raise StageError(f"{folder} has no `{part.weights}.safetensors`", hint=_advice(folder), field=part.role)
    return "fp16" if variants == ["fp16"] or (is_half and "fp16" in variants) else ""


def read_config(part: Part, of_role: Path) -> dict[str, Any]:
    """Returns the config of a part.

    Raises:
        StageError: It is missing or no JSON mapping.
    """
    file = part.folder(of_role) / part.config
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        missing = f"`{part.name}/{part.config}`" if part.name else f"`{part.config}`"
        raise StageError(
            f"the folder of `{part.role}`, {of_role}, has no {missing}",
            hint=f"it must have the layout of the hub: {_layout(part.role)}",
            field=part.role,
        ) from error
    except (OSError, ValueError) as error:
        raise StageError(f"{file} can't be read as JSON: {error}", field=part.role) from error
    if not isinstance(config, dict):
        raise StageError(f"{file} is no JSON mapping", field=part.role)
    return config


def check_part(part: Part, of_role: Path) -> dict[str, Any]:
    """Returns the config of a part after a look at it and at which files lie beside it.

    Raises:
        StageError: A file is missing, or the part is that of another kind of model.
    """
    config = read_config(part, of_role)
    folder = part.folder(of_role)
    names = [config.get("_class_name"), *(config.get("architectures") or ())]
    if part.classes and not any(name in part.classes for name in names):
        found = " ".join(str(name) for name in names if name) or "nothing"
        raise _wrong(part, folder, f"its config names {found}, where {part.classes[0]} is needed")
    for key, wanted in part.settings:
        if config.get(key) != wanted:
            raise _wrong(part, folder, f"its config has `{key}: {config.get(key)}`, where `{wanted}` is needed")
    if part.weights:
        weight_variant(part, folder, is_half=False)
    if part.one_of and not any(all((folder / name).is_file() for name in names) for names in part.one_of):
        wanted = " or ".join("+".join(names) for names in part.one_of)
        raise StageError(f"{folder} lacks {wanted}", hint="copy the whole folder", field=part.role)
    return config


def check_fits(role: str, folders: Mapping[str, Path]) -> None:
    """Compares a ControlNet with its UNet where both are there; other roles fit anything.

    Args:
        role: Whose fit is looked at.
        folders: By role.

    Raises:
        StageError: See `check_fit`.
    """
    base = _FITS.get(role)
    if base is not None and role in folders and base in folders:
        check_fit(role, folders[role], folders[base])


def check_fit(role: str, controlnet: Path, base: Path) -> None:
    """Compares a ControlNet's config with that of the UNet it steers.

    Args:
        role: The ControlNet's.
        controlnet: Its folder.
        base: Folder of the model with the UNet.

    Raises:
        StageError: Their blocks differ.
    """
    (part,) = parts_of(role)
    own, of_unet = read_config(part, controlnet), read_config(find_part(_FITS[role], "unet"), base)
    for key in _SHARED:
        if key in own and key in of_unet and own[key] != of_unet[key]:
            raise StageError(
                f"the ControlNet in {controlnet} does not fit the UNet in {base}: "
                f"its `{key}` is {own[key]}, the UNet's {of_unet[key]}",
                hint=f"take a ControlNet that was trained for this `{_FITS[role]}`",
                field=role,
            )


def _has_weights(folder: Path, stem: str, variant: str) -> bool:
    """Whether a variant's weights are whole: one file, or an index and every shard that it names."""
    dotted = f".{variant}" if variant else ""
    if (folder / f"{stem}{dotted}.safetensors").is_file():
        return True
    for index in (folder / f"{stem}.safetensors.index{dotted}.json", folder / f"{stem}{dotted}.safetensors.index.json"):
        if index.is_file():
            return all((folder / shard).is_file() for shard in _shards(index))
    return False


def _shards(index: Path) -> Iterator[str]:
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (OSError, ValueError, KeyError, TypeError):
        yield "a shard that the index can't name"
        return
    yield from sorted(set(weight_map.values()))


def _advice(folder: Path) -> str:
    if any(folder.glob("*.bin")) or any(folder.glob("*.ckpt")):
        return "its weights are pickled, which is never read; get the safetensors files"
    return "get the weights as safetensors; an interrupted download leaves such a folder"


def _wrong(part: Part, folder: Path, why: str) -> StageError:
    title = find_model(part.role).title
    return StageError(f"{folder} is no `{part.role}`: {why}", hint=f"give a folder of {title}", field=part.role)


def _layout(role: str) -> str:
    names = [f"{part.name}/" for part in parts_of(role) if part.name]
    return ", ".join(names) if names else "config.json and its safetensors side by side"
