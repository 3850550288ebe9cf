"""Writes a tiny random Wan VACE in the layout of the hub: `python -m tests.tiny_models_wan FOLDER`.

The structure is the real model's (a UMT5 encoder, a causal video autoencoder that takes 8 x 8 pixels and four frames
together, control blocks beside every other layer); only channels, layers and the vocabulary are small. Equal seeds give
equal bytes.
"""

import json
import sys
from pathlib import Path

import torch

SEED = 7
WORDS = (
    "a",
    "sks",
    "rocket",
    "on",
    "launch",
    "pad",
    "at",
    "dusk",
    "the",
    "photo",
    "of",
    "cup",
    "blurry",
    "low",
    "quality",
)
# The config of the published model.
SCHEDULER = {
    "_class_name": "UniPCMultistepScheduler",
    "_diffusers_version": "0.34.0.dev0",
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "disable_corrector": [],
    "dynamic_thresholding_ratio": 0.995,
    "final_sigmas_type": "zero",
    "flow_shift": 3.0,
    "lower_order_final": True,
    "num_train_timesteps": 1000,
    "predict_x0": True,
    "prediction_type": "flow_prediction",
    "rescale_betas_zero_snr": False,
    "sample_max_value": 1.0,
    "solver_order": 2,
    "solver_p": None,
    "solver_type": "bh2",
    "steps_offset": 0,
    "thresholding": False,
    "timestep_spacing": "linspace",
    "trained_betas": None,
    "use_beta_sigmas": False,
    "use_exponential_sigmas": False,
    "use_flow_sigmas": True,
    "use_karras_sigmas": False,
}
PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")


def write_wan_vace(folder, seed=SEED):
    """Writes every part, and returns the folder."""
    from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    folder = Path(folder)
    tokens = write_tokenizer(folder / "tokenizer")
    transformer = _random(
        WanVACETransformer3DModel,
        seed,
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=32,
        freq_dim=32,
        ffn_dim=48,
        num_layers=4,
        vace_layers=[0, 2],
    )
    vae = _random(AutoencoderKLWan, seed + 1, base_dim=8, dim_mult=[1, 1, 2, 2], num_res_blocks=1)
    with torch.no_grad():  # latents and hints about as large as the real ones, else the conditions are hardly heard
        vae.quant_conv.weight.mul_(16)
        for block in transformer.vace_blocks:
            block.proj_out.weight.mul_(4)
    text = UMT5Config(
        vocab_size=tokens, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"
    )
    for name, model in (
        ("transformer", transformer),
        ("vae", vae),
        ("text_encoder", _random(UMT5EncoderModel, seed + 2, text)),
    ):
        model.save_pretrained(folder / name, safe_serialization=True)
    _write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    index = {"_class_name": "WanVACEPipeline", "_diffusers_version": "0.34.0.dev0"}
    _write_json(folder / "model_index.json", index)
    return folder


def write_tokenizer(folder):
    """Writes a unigram tokenizer as UMT5 has it, of a few words and single letters; returns how many tokens it has."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(f"▁{word}", -2.0 - 0.01 * number) for number, word in enumerate(WORDS)]
    known = {piece for piece, _ in pieces}
    pieces += [(letter, -5.0 - 0.01 * number) for number, letter in enumerate(letters) if letter not in known]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer.add_special_tokens(list(special.values()))
    settings = {**special, "extra_ids": 0, "model_max_length": 512, "tokenizer_class": "T5Tokenizer"}
    _write_json(folder / "tokenizer_config.json", settings)
    _write_json(folder / "special_tokens_map.json", special)
    tokenizer.save(str(folder / "tokenizer.json"))
    return len(pieces)


def _random(kind, seed, *arguments, **config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(*arguments, **config)
    return model.half().float().eval()  # exact in half precision


def _write_json(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(f"models:\n  precision: fp32\n  wan_vace: {write_wan_vace(sys.argv[1]).resolve()}\n")
