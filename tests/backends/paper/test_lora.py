"""The LoRA file is what other programs load, and changes the model as it did in training."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.artifacts.lora import Lora
from i2v3d.backends.base import ModelFiles
from i2v3d.backends.paper.loading import load_sdxl_unet, load_sdxl_vae
from i2v3d.backends.paper.lora import apply_lora
from i2v3d.diffusion.lora_layers import LoraAdapter, lora_targets
from i2v3d.errors import ArtifactError, StageError

CPU = torch.device("cpu")


@pytest.fixture
def unet(tiny_models):
    return load_sdxl_unet(ModelFiles(tiny_models, "fp32"), CPU)


def random_adapter(unet):
    adapter = LoraAdapter(unet, rank=3, generator=torch.Generator().manual_seed(1))
    adapter.weights.copy_(0.2 * torch.randn(adapter.weights.shape, generator=torch.Generator().manual_seed(2)))
    adapter.publish()
    return adapter


def write(adapter, path):
    factors = {name: (pair.down.numpy(), pair.up.numpy()) for name, pair in adapter.factors().items()}
    Lora(path).write(factors, base_model="sdxl_base_v1-0")
    return path


@torch.no_grad()
def evaluate(unet):
    draw = torch.Generator().manual_seed(5)
    return unet(
        torch.randn(1, 4, 8, 16, generator=draw),
        300,
        encoder_hidden_states=torch.randn(1, 77, 32, generator=draw),
        added_cond_kwargs={"text_embeds": torch.randn(1, 16, generator=draw), "time_ids": torch.full((1, 6), 64.0)},
    ).sample


def test_the_file_changes_the_model_as_the_training_did(unet, tmp_path):
    before = evaluate(unet)
    adapter = random_adapter(unet)
    with adapter:
        wanted = evaluate(unet)
    apply_lora(unet, write(adapter, tmp_path / "a.safetensors"))
    torch.testing.assert_close(evaluate(unet), wanted, rtol=1e-4, atol=1e-5)
    assert (wanted - before).abs().max() > 0.05 * before.abs().max()


def test_the_loader_of_diffusers_reads_it_whole(unet, tiny_models, tmp_path):
    pytest.importorskip("peft")
    adapter = random_adapter(unet)
    with adapter:
        wanted = evaluate(unet)
    path = write(adapter, tmp_path / "lora.safetensors")
    vae = load_sdxl_vae(ModelFiles(tiny_models, "fp32"), CPU)
    parts = dict.fromkeys(("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"))
    scheduler = diffusers.EulerDiscreteScheduler()
    pipe = diffusers.StableDiffusionXLPipeline(vae=vae, unet=unet, scheduler=scheduler, **parts)
    pipe.load_lora_weights(str(tmp_path), weight_name=path.name)
    layers = [module for name, module in pipe.unet.named_modules() if name.endswith("lora_A.default_0")]
    assert len(layers) == len(adapter.factors())
    torch.testing.assert_close(evaluate(pipe.unet), wanted, rtol=1e-4, atol=1e-5)


def test_names_are_those_that_comfyui_looks_up(unet, tmp_path):
    # ComfyUI's table for SDXL has `lora_unet_` and the diffusers name of each weight with `_` for `.`, and it reads
    # `<name>.lora_up.weight`, `<name>.lora_down.weight` and `<name>.alpha`.
    path = write(random_adapter(unet), tmp_path / "a.safetensors")
    table = {
        f"lora_unet_{name[: -len('.weight')].replace('.', '_')}" for name in unet.state_dict() if ".weight" in name
    }
    names = Lora(path).tensor_names()
    assert {name.partition(".")[0] for name in names} <= table
    assert {name.partition(".")[2] for name in names} == {"lora_up.weight", "lora_down.weight", "alpha"}
    assert len(names) == 3 * len(lora_targets(unet))


def test_equal_weights_are_equal_bytes_and_the_header_says_what_they_are_for(unet, tmp_path):
    paths = [write(random_adapter(unet), tmp_path / f"{number}.safetensors") for number in range(4)]
    contents = [path.read_bytes() for path in paths]
    assert len(set(contents)) == 1
    header = json.loads(contents[0][8 : 8 + int.from_bytes(contents[0][:8], "little")])
    assert header["__metadata__"]["ss_base_model_version"] == "sdxl_base_v1-0"
    assert header["__metadata__"]["ss_network_dim"] == "3"
    Lora(paths[0]).check()


def test_a_file_without_pairs_is_no_lora(tmp_path):
    Lora(tmp_path / "a.safetensors").write({"x": (np.zeros((2, 4), "f4"), np.zeros((4, 2), "f4"))}, base_model="")
    cut = (tmp_path / "a.safetensors").read_bytes().replace(b"lora_up", b"lora_oo")
    (tmp_path / "b.safetensors").write_bytes(cut)
    with pytest.raises(ArtifactError, match="no pairs"):
        Lora(tmp_path / "b.safetensors").check()


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        ("mid_block.nowhere", ((2, 4), (4, 2)), "1 layers that the model lacks, such as `lora_unet_mid_block_nowhere`"),
        ("mid_block.attentions.0.transformer_blocks.0.attn1.to_q", ((2, 4), (4, 2)), "do not fit the model's layer"),
    ],
)
def test_a_lora_of_another_model_is_told_and_changes_nothing(layer, shapes, message, unet, tmp_path):
    before = evaluate(unet)
    down, up = (np.ones(shape, np.float32) for shape in shapes)
    Lora(tmp_path / "a.safetensors").write({layer: (down, up)}, base_model="")
    with pytest.raises(StageError, match=message):
        apply_lora(unet, tmp_path / "a.safetensors")
    assert torch.equal(evaluate(unet), before)


def test_a_damaged_file_is_told(unet, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(StageError, match="no safetensors file"):
        apply_lora(unet, tmp_path / "a.safetensors")
