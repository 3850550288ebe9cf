"""Writes tiny random models with the real models' structure, in the layout of the hub.

`python -m tests.tiny_models FOLDER [ROLE ...]` writes `FOLDER/ROLE` for each role of `models:` in a spec, and prints
the lines of YAML that name them. Equal seeds give equal bytes. Values are exact in half precision, so that the
`fp16` files and the plain ones hold the same model. The models run on frames of 128 x 64 pixels and larger.

Structure (kinds of blocks, depths of transformers, layers) is that of the real models; only channels, heads and
vocabularies are small. Convolutions that a ControlNet begins at zero are random here, so that it does something.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from tests.tiny_models_measuring import CLIP_PREPROCESSING, DEPTH_PREPROCESSING, clip_model, depth_anything_model
from tests.tiny_models_wan import write_wan_vace

SEED = 7
WORDS = ("a", "an", "sks", "rocket", "on", "launch", "pad", "at", "dusk", "the", "photo", "of", "cup", "blurry")

_SDXL_BLOCKS = {
    "block_out_channels": (8, 16, 32),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (1, 2, 4),  # heads, in spite of the name: as in SDXL's own config
    "cross_attention_dim": 32,  # 16 of each text encoder
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 16,
    "use_linear_projection": True,
    "norm_num_groups": 4,
}
_SVD_BLOCKS = {
    "block_out_channels": (32, 32, 32, 32),
    "down_block_types": (
        "CrossAttnDownBlockSpatioTemporal",
        "CrossAttnDownBlockSpatioTemporal",
        "CrossAttnDownBlockSpatioTemporal",
        "DownBlockSpatioTemporal",
    ),
    "layers_per_block": 2,
    "transformer_layers_per_block": 1,
    "num_attention_heads": (2, 2, 2, 2),
    "cross_attention_dim": 32,
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 24,
    "in_channels": 8,
    "out_channels": 4,
    "num_frames": 14,
}
_NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "interpolation_type": "linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
}
SDXL_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.19.0.dev0",
    **_NOISE,
    "clip_sample": False,
    "prediction_type": "epsilon",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "use_karras_sigmas": False,
}
SVD_SCHEDULER = {
    "_class_name": "EulerDiscreteScheduler",
    "_diffusers_version": "0.24.0.dev0",
    **_NOISE,
    "clip_sample": False,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": False,
    "set_alpha_to_one": False,
    "sigma_max": 700.0,
    "sigma_min": 0.002,
    "skip_prk_steps": True,
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
}
# Mean and deviation of the colours that CLIP was trained on, as SVD's feature extractor has them.
_CLIP_COLOURS = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}


def write_models(folder, roles=None, seed=SEED):
    """Writes the models of some roles, all by default; returns their folders by role."""
    written = {}
    for role in roles or _WRITERS:
        written[role] = Path(folder) / role
        _WRITERS[role](written[role], seed)
    return written


def write_hub_cache(cache, repos, seed=SEED, commit="0123456789abcdef0123456789abcdef01234567"):
    """Writes models as the hub's clients keep them (`HF_HUB_CACHE=cache`), by role: `{"sdxl": "owner/name"}`."""
    for role, repo in repos.items():
        entry = Path(cache) / f"models--{repo.replace('/', '--')}"
        _WRITERS[role](entry / "snapshots" / commit, seed)
        write_text(entry / "refs" / "main", commit)
    return commit


def write_text(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def write_json(file, content):
    write_text(file, json.dumps(content, indent=2, sort_keys=True) + "\n")


def random_model(kind, seed, *arguments, **config):
    """A model with weights that are exact in half precision and zero nowhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(*arguments, **config)
        for weights in model.parameters():
            if not weights.any():
                torch.nn.init.normal_(weights, std=0.05)
    return model.half().float().eval()


def save(model, folder, *, variant=None):
    """Writes a model; a variant `fp16` in half precision under its own file name, as the hub has it."""
    named = {"variant": variant} if variant else {}
    (model.half() if variant else model).save_pretrained(folder, safe_serialization=True, **named)


def rename_weights(file, *, prefix):
    """Gives every tensor of a file the prefix that the hub's files have; newer libraries write them without."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(file)
    named = {name if name.startswith(prefix) else prefix + name: tensor for name, tensor in tensors.items()}
    save_file(named, file, metadata={"format": "pt"})


def write_sdxl(folder, seed):
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    unet = random_model(
        UNet2DConditionModel,
        seed,
        **_SDXL_BLOCKS,
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        sample_size=128,
    )
    save(unet, folder / "unet", variant="fp16")
    text = {
        "vocab_size": len(vocabulary()),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "projection_dim": 16,
        "max_position_embeddings": 77,
        "bos_token_id": 0,  # odd, but as in SDXL's own configs
        "eos_token_id": 2,
        "pad_token_id": 1,
    }
    first = random_model(CLIPTextModel, seed + 1, CLIPTextConfig(**text, hidden_act="quick_gelu"))
    save(first, folder / "text_encoder", variant="fp16")
    rename_weights(folder / "text_encoder" / "model.fp16.safetensors", prefix="text_model.")
    second = random_model(CLIPTextModelWithProjection, seed + 2, CLIPTextConfig(**text, hidden_act="gelu"))
    save(second, folder / "text_encoder_2", variant="fp16")
    write_tokenizer(folder / "tokenizer", pad="<|endoftext|>")
    write_tokenizer(folder / "tokenizer_2", pad="!")
    write_json(folder / "scheduler" / "scheduler_config.json", SDXL_SCHEDULER)


def write_sdxl_vae(folder, seed):
    from diffusers import AutoencoderKL

    save(random_model(AutoencoderKL, seed + 3, **_autoencoder(4), scaling_factor=0.13025, force_upcast=False), folder)


def write_controlnet_depth(folder, seed):
    from diffusers import ControlNetModel

    conditioning = {"conditioning_embedding_out_channels": (8, 8, 16, 16)}
    save(random_model(ControlNetModel, seed + 4, **_SDXL_BLOCKS, **conditioning), folder)


def write_svd(folder, seed):
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    unet = random_model(
        UNetSpatioTemporalConditionModel,
        seed + 5,
        **_SVD_BLOCKS,
        up_block_types=(
            "UpBlockSpatioTemporal",
            "CrossAttnUpBlockSpatioTemporal",
            "CrossAttnUpBlockSpatioTemporal",
            "CrossAttnUpBlockSpatioTemporal",
        ),
        sample_size=96,
    )
    save(unet, folder / "unet", variant="fp16")
    autoencoder = {
        "block_out_channels": (32, 32, 32, 32),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "layers_per_block": 1,
        "latent_channels": 4,
        "scaling_factor": 0.18215,
        "force_upcast": True,
        "sample_size": 768,
    }
    save(random_model(AutoencoderKLTemporalDecoder, seed + 6, **autoencoder), folder / "vae", variant="fp16")
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=32,
        image_size=224,
        patch_size=32,
    )
    encoder = random_model(CLIPVisionModelWithProjection, seed + 7, vision)
    save(encoder, folder / "image_encoder", variant="fp16")
    extractor = {
        "feature_extractor_type": "CLIPFeatureExtractor",
        "crop_size": {"height": 224, "width": 224},
        "size": {"shortest_edge": 224},
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "resample": 3,
        **_CLIP_COLOURS,
    }
    write_json(folder / "feature_extractor" / "preprocessor_config.json", extractor)
    write_json(folder / "scheduler" / "scheduler_config.json", SVD_SCHEDULER)


def write_svd_controlnet_depth(folder, seed):
    from i2v3d.diffusion.svd_controlnet import SvdControlNet

    conditioning = {"conditioning_embedding_out_channels": (8, 8, 16, 16), "sample_size": 96}
    controlnet = random_model(SvdControlNet, seed + 8, **_SVD_BLOCKS, **conditioning)
    save(controlnet, folder / "controlnet")
    config = folder / "controlnet" / "config.json"
    # The public checkpoint names the class of its own code.
    write_json(config, {**json.loads(config.read_text(encoding="utf-8")), "_class_name": "ControlNetSVDModel"})


def write_clip(folder, seed):
    save(clip_model(random_model, seed + 9), folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for half in ("text_config", "vision_config"):
        del config[half]["projection_dim"]  # published files may have it at the top only
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", CLIP_PREPROCESSING)


def write_depth_anything(folder, seed):
    save(depth_anything_model(random_model, seed + 10), folder)
    write_json(folder / "preprocessor_config.json", DEPTH_PREPROCESSING)


def _autoencoder(latent_channels):
    return {
        "block_out_channels": (8, 8, 16, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "latent_channels": latent_channels,
        "norm_num_groups": 4,
        "sample_size": 128,
    }


def merges():
    """Byte-pair merges that make each of `WORDS` one token."""
    pairs = []
    for word in WORDS:
        symbols = [*word[:-1], f"{word[-1]}</w>"]
        while len(symbols) > 1:
            known = next((i for i in range(len(symbols) - 1) if (symbols[i], symbols[i + 1]) in pairs), 0)
            pair = (symbols[known], symbols[known + 1])
            if pair not in pairs:
                pairs.append(pair)
            symbols[known : known + 2] = ["".join(pair)]
    return pairs


def vocabulary():
    """Token to number, as CLIP numbers them: bytes, bytes that end a word, merges, start and end."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [*map(chr, printable), *(chr(256 + index) for index in range(len(others)))]
    joined = ["".join(pair) for pair in merges()]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *joined, "<|startoftext|>", "<|endoftext|>"]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def write_tokenizer(folder, *, pad):
    """Writes a real CLIP tokenizer with a small vocabulary."""
    write_json(folder / "vocab.json", vocabulary())
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges())]
    write_text(folder / "merges.txt", "\n".join(lines) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(folder / "special_tokens_map.json", {**special, "pad_token": pad})
    settings = {
        **special,
        "pad_token": pad,
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
    }
    write_json(folder / "tokenizer_config.json", settings)


_WRITERS = {
    "sdxl": write_sdxl,
    "sdxl_vae": write_sdxl_vae,
    "controlnet_depth": write_controlnet_depth,
    "svd": write_svd,
    "svd_controlnet_depth": write_svd_controlnet_depth,
    "wan_vace": write_wan_vace,
    "clip": write_clip,
    "depth_anything": write_depth_anything,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("roles", nargs="*", choices=[*_WRITERS, []], metavar="ROLE")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    lines = [
        f"  {role}: {path.resolve()}" for role, path in write_models(given.folder, given.roles, given.seed).items()
    ]
    sys.stdout.write("models:\n  precision: fp32\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
