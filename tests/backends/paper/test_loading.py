"""Folders in the hub's layout become models, and folders of something else an error that says so."""

import json
import logging
import shutil
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
diffusers = pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from diffusers import StableDiffusionXLPipeline, StableVideoDiffusionPipeline
from transformers import (
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionModelWithProjection,
)

from i2v3d.backends.base import ModelFiles
from i2v3d.backends.paper import loading
from i2v3d.diffusion.noise_levels import DdimLevels, EulerLevels
from i2v3d.errors import StageError
from tests.tiny_models import write_models

CPU = torch.device("cpu")
PROMPTS = ("A sks rocket, on a launch pad at dusk!", "", "blurry")
LOADERS = {
    "sdxl": loading.load_sdxl_unet,
    "sdxl_vae": loading.load_sdxl_vae,
    "controlnet_depth": loading.load_controlnet_depth,
    "svd": loading.load_svd_unet,
    "svd_controlnet_depth": loading.load_svd_controlnet,
}


@pytest.fixture
def files(tiny_models):
    return ModelFiles(tiny_models, "fp32")


@pytest.fixture
def own_files(tiny_models, tmp_path):
    """Copies that a test may damage."""
    folders = {role: shutil.copytree(folder, tmp_path / role) for role, folder in tiny_models.items()}
    return ModelFiles(folders, "fp32")


def edit_config(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_tiny_models_are_the_same_bytes_each_time(tiny_models, tmp_path):
    again = write_models(tmp_path, ["sdxl_vae", "svd_controlnet_depth"])
    for role, folder in again.items():
        written = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        assert written
        for file in written:
            assert file.read_bytes() == (tiny_models[role] / file.relative_to(folder)).read_bytes(), file


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("role", LOADERS)
def test_each_model_loads_in_each_precision_ready_to_evaluate(files, role, precision):
    chosen = replace(files, precision=precision)
    model = LOADERS[role](chosen, CPU)
    assert model.dtype == {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    assert not model.training
    assert not any(weights.requires_grad for weights in model.parameters())


def test_half_precision_files_are_taken_where_the_folder_has_both(own_files):
    folder = own_files.folders["controlnet_depth"]
    model = loading.load_controlnet_depth(own_files, CPU)
    model.half().save_pretrained(folder, variant="fp16")
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"not read")
    loading.load_controlnet_depth(replace(own_files, precision="fp16"), CPU)
    with pytest.raises(StageError, match="can't be loaded as ControlNetModel"):
        loading.load_controlnet_depth(own_files, CPU)


def test_sharded_weights_load_and_a_missing_shard_is_noticed(own_files):
    folder = own_files.folders["controlnet_depth"]
    whole = loading.load_controlnet_depth(own_files, CPU)
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    whole.save_pretrained(folder, max_shard_size="1MB")
    again = loading.load_controlnet_depth(own_files, CPU)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    next(folder.glob("*-00002-of-*.safetensors")).unlink()
    with pytest.raises(StageError, match=r"has no `diffusion_pytorch_model\.safetensors`"):
        loading.load_controlnet_depth(own_files, CPU)


def test_prompts_are_encoded_as_by_the_base_pipeline(files):
    folder = files.folders["sdxl"]
    pipeline = StableDiffusionXLPipeline(
        vae=loading.load_sdxl_vae(files, CPU),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", variant="fp16", dtype=torch.float32),
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(
            folder / "text_encoder_2", variant="fp16", dtype=torch.float32
        ),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        unet=loading.load_sdxl_unet(files, CPU),
        scheduler=loading.load_ddim_scheduler(files),
    )
    ours = loading.encode_sdxl_prompts(files, PROMPTS, CPU)
    assert len({text.embeds.sum().item() for text in ours}) == len(PROMPTS)
    for prompt, text in zip(PROMPTS, ours, strict=True):
        embeds, _, pooled, _ = pipeline.encode_prompt(prompt, do_classifier_free_guidance=False)
        torch.testing.assert_close(text.embeds, embeds)
        torch.testing.assert_close(text.pooled, pooled)


def test_a_prompt_is_encoded_alike_alone_and_beside_others(files):
    together = loading.encode_sdxl_prompts(files, PROMPTS, CPU)
    (alone,) = loading.encode_sdxl_prompts(files, PROMPTS[:1], CPU)
    torch.testing.assert_close(alone.embeds, together[0].embeds)
    assert alone.embeds.shape == (1, 77, 32)
    assert alone.pooled.shape == (1, 16)


def test_a_prompt_that_is_too_long_is_cut_and_the_log_says_what_went(files, caplog):
    with caplog.at_level(logging.WARNING):
        long, cut = loading.encode_sdxl_prompts(files, ("rocket " * 75 + "cup", "rocket " * 75), CPU)
    torch.testing.assert_close(long.embeds, cut.embeds)
    assert [record.getMessage() for record in caplog.records] == [
        "the prompt has 78 tokens, SDXL reads 77; left out: `cup`"
    ]


def test_pictures_are_embedded_as_by_the_video_pipeline(files):
    folder = files.folders["svd"]
    pipeline = StableVideoDiffusionPipeline(
        vae=loading.load_svd_vae(files, CPU),
        image_encoder=CLIPVisionModelWithProjection.from_pretrained(
            folder / "image_encoder", variant="fp16", dtype=torch.float32
        ),
        unet=loading.load_svd_unet(files, CPU),
        scheduler=loading.load_euler_scheduler(files),
        feature_extractor=CLIPImageProcessor.from_pretrained(folder / "feature_extractor"),
    )
    encoder = loading.load_svd_image_encoder(files, CPU)
    for height, width in ((64, 128), (576, 1024)):
        picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
        array = picture[0].permute(1, 2, 0).mul(255).round().byte().numpy()
        wanted = pipeline._encode_image(
            [as_picture(array)], CPU, num_videos_per_prompt=1, do_classifier_free_guidance=False
        )
        got = encoder.embed(picture.mul(255).round() / 255)
        assert got.shape == (1, 1, 32)
        torch.testing.assert_close(got, wanted)


def as_picture(array):
    from PIL import Image

    return Image.fromarray(array)


def test_schedulers_have_the_noise_levels_that_the_samplers_ask_for(files):
    levels = DdimLevels.of(loading.load_ddim_scheduler(files), 50)
    assert levels.timesteps[:2] == (1, 21)
    assert levels.clean_alpha == pytest.approx(1 - 0.00085)
    sigmas = EulerLevels.of(loading.load_euler_scheduler(files), 25).sigmas
    assert (float(sigmas[0]), float(sigmas[-1])) == (pytest.approx(700.0), 0.0)


def test_an_autoencoder_that_overflows_encodes_in_single_precision_and_is_the_same_after_it(files):
    vae = loading.load_svd_vae(replace(files, precision="fp16"), CPU)
    before = [weights.clone() for weights in vae.parameters()]
    with loading.encoding_precision(vae):
        assert vae.dtype == torch.float32
    assert vae.dtype == torch.float16
    assert all(torch.equal(a, b) for a, b in zip(before, vae.parameters(), strict=True))


def test_a_picture_autoencoder_that_overflows_is_loaded_in_single_precision(own_files):
    edit_config(own_files.folders["sdxl_vae"] / "config.json", force_upcast=True)
    assert loading.load_sdxl_vae(replace(own_files, precision="fp16"), CPU).dtype == torch.float32


def test_an_older_unet_given_as_sdxl_is_told(own_files):
    folder = own_files.folders["sdxl"]
    edit_config(folder / "unet" / "config.json", addition_embed_type=None)
    with pytest.raises(StageError, match="is no `sdxl`: its config has `addition_embed_type: None`") as told:
        loading.load_sdxl_unet(own_files, CPU)
    assert told.value.field == "sdxl"
    assert str(folder) in told.value.message


def test_a_controlnet_given_as_an_autoencoder_is_told(own_files):
    swapped = ModelFiles({"sdxl_vae": own_files.folders["controlnet_depth"]}, "fp32")
    with pytest.raises(StageError, match="its config names ControlNetModel, where AutoencoderKL is needed") as told:
        loading.load_sdxl_vae(swapped, CPU)
    assert told.value.field == "sdxl_vae"


@pytest.mark.parametrize(
    ("role", "config"),
    [("controlnet_depth", "config.json"), ("svd_controlnet_depth", "controlnet/config.json")],
)
def test_a_controlnet_of_another_size_is_told(own_files, role, config):
    edit_config(own_files.folders[role] / config, cross_attention_dim=64)
    with pytest.raises(StageError, match=r"does not fit the UNet.*`cross_attention_dim` is 64, the UNet's 32") as told:
        LOADERS[role](own_files, CPU)
    assert told.value.field == role


@pytest.mark.parametrize("part", ["unet", "text_encoder_2", "tokenizer_2", "scheduler"])
def test_a_part_that_is_missing_is_named_with_its_folder(own_files, part):
    folder = own_files.folders["sdxl"]
    shutil.rmtree(folder / part)
    with pytest.raises(StageError) as told:
        loading.load_sdxl_unet(own_files, CPU)
        loading.load_ddim_scheduler(own_files)
        loading.encode_sdxl_prompts(own_files, PROMPTS, CPU)
    assert f"{folder}, has no `{part}/" in told.value.message
    assert told.value.field == "sdxl"


def test_weights_of_another_model_under_a_right_config_are_told(own_files):
    folders = own_files.folders
    name = "diffusion_pytorch_model.safetensors"
    shutil.copy(folders["controlnet_depth"] / name, folders["sdxl_vae"] / name)
    with pytest.raises(StageError) as told:
        loading.load_sdxl_vae(own_files, CPU)
    assert told.value.field == "sdxl_vae"
    assert str(folders["sdxl_vae"]) in told.value.message


def test_pickled_weights_are_never_read(own_files):
    folder = own_files.folders["sdxl_vae"]
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")
    with pytest.raises(StageError, match=r"has no `diffusion_pytorch_model\.safetensors`") as told:
        loading.load_sdxl_vae(own_files, CPU)
    assert "pickled" in told.value.hint


def test_nothing_is_printed_while_models_load(files, capfd):
    for load in LOADERS.values():
        load(files, CPU)
    loading.encode_sdxl_prompts(files, PROMPTS, CPU)
    loading.load_svd_image_encoder(files, CPU)
    assert capfd.readouterr() == ("", "")
