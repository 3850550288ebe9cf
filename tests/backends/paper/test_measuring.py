"""CLIP and Depth Anything, tiny and random, held to a plain call of transformers."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")
transformers = pytest.importorskip("transformers", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("diffusers", reason="needs the extra i2v3d[diffusion]")

from i2v3d.backends.base import ModelFiles
from i2v3d.backends.device import VRAM_VARIABLE
from i2v3d.backends.paper.clip_embeddings import ClipEmbedder
from i2v3d.backends.paper.depth_anything import DepthAnything
from i2v3d.errors import StageError
from i2v3d.metrics.depth_error import aligned_rmse
from i2v3d.metrics.likeness import likeness_to

SIZE = (90, 160)


@pytest.fixture(scope="module")
def pictures():
    """A scene, the same moved a little, and noise."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    scene = np.stack([rows * 2, columns, 255 * ((rows - 50) ** 2 + (columns - 70) ** 2 < 400)], axis=2).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, scene.shape).astype(np.uint8)
    return [scene, np.roll(scene, 2, axis=1), noise]


@pytest.fixture
def files(tiny_models):
    return ModelFiles(tiny_models, "fp32")


@pytest.fixture
def own_files(tiny_models, tmp_path):
    """Copies that a test may damage."""
    roles = ("clip", "depth_anything")
    return ModelFiles({role: shutil.copytree(tiny_models[role], tmp_path / role) for role in roles}, "fp32")


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def embedded(pictures, files):
    return np.stack(list(ClipEmbedder().embed(pictures, files)))


def estimated(pictures, files):
    return np.stack(list(DepthAnything().estimate(pictures, files)))


def test_embeddings_are_those_of_transformers_own_model_and_processor(pictures, files):
    model = transformers.CLIPModel.from_pretrained(files.folders["clip"])
    processor = transformers.CLIPImageProcessor.from_pretrained(files.folders["clip"])
    with torch.no_grad():
        vision = model.vision_model(**processor(pictures, return_tensors="pt"))
        wanted = model.visual_projection(vision.pooler_output)
    wanted = (wanted / wanted.norm(dim=1, keepdim=True)).numpy()
    found = embedded(pictures, files)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_picture_like_the_first_is_closer_to_it_than_noise(pictures, files):
    found = embedded(pictures, files)
    itself, moved, noise = likeness_to(found[0], found)
    assert itself == pytest.approx(1)
    assert noise < moved - 0.01


def test_depths_are_those_of_transformers_own_model_and_processor(pictures, files):
    folder = files.folders["depth_anything"]
    model = transformers.DepthAnythingForDepthEstimation.from_pretrained(folder)
    processor = transformers.DPTImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        outputs = model(**processor(pictures, return_tensors="pt"))
    wanted = processor.post_process_depth_estimation(outputs, target_sizes=[SIZE] * len(pictures))
    found = estimated(pictures, files)
    assert (found.dtype, found.shape) == (np.float32, (len(pictures), *SIZE))
    for depth, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(depth, theirs["predicted_depth"].numpy(), atol=1e-4)


def test_noise_looks_deep_in_another_way_than_a_scene(pictures, files):
    scene, moved, noise = estimated(pictures, files)
    assert aligned_rmse(scene, scene) == 0
    assert 0 < aligned_rmse(moved, scene) < aligned_rmse(noise, scene)


@pytest.mark.parametrize("measure", [embedded, estimated])
def test_how_much_is_measured_at_once_does_not_show(measure, pictures, files, monkeypatch):
    together = measure(pictures, files)
    monkeypatch.setenv(VRAM_VARIABLE, "0.5")
    np.testing.assert_allclose(measure(pictures, files), together, atol=1e-5)


@pytest.mark.parametrize("measure", [embedded, estimated])
def test_the_same_pictures_give_the_same_bytes(measure, pictures, files):
    assert np.array_equal(measure(pictures, files), measure(pictures, files))


@pytest.mark.parametrize("backend", [ClipEmbedder().embed, DepthAnything().estimate])
def test_no_pictures_are_no_work(backend, files):
    assert list(backend([], files)) == []


def test_a_clip_that_lies_as_the_image_encoder_alone_is_read_too(pictures, files, own_files):
    whole = transformers.CLIPModel.from_pretrained(files.folders["clip"])
    config = transformers.CLIPVisionConfig(**{**whole.config.vision_config.to_dict(), "projection_dim": 24})
    alone = transformers.CLIPVisionModelWithProjection(config)
    alone.vision_model.load_state_dict(whole.vision_model.state_dict())
    alone.visual_projection.load_state_dict(whole.visual_projection.state_dict())
    alone.save_pretrained(own_files.folders["clip"])
    assert np.array_equal(embedded(pictures, own_files), embedded(pictures, files))


def test_depth_in_metres_is_refused(pictures, own_files):
    edit(own_files.folders["depth_anything"] / "config.json", depth_estimation_type="metric")
    with pytest.raises(StageError, match="estimates metric depth") as refused:
        estimated(pictures, own_files)
    assert refused.value.field == "depth_anything"


def test_preprocessing_of_another_clip_is_refused(pictures, own_files):
    edit(own_files.folders["clip"] / "preprocessor_config.json", size=32, crop_size=32)
    with pytest.raises(StageError, match="sees 64 x 64 pixels, its preprocessing cuts out 32 x 32"):
        embedded(pictures, own_files)


def test_another_model_is_refused_by_its_name(pictures, own_files):
    swapped = ModelFiles({"clip": own_files.folders["depth_anything"]}, "fp32")
    with pytest.raises(StageError, match="DepthAnythingForDepthEstimation, where CLIPModel is needed"):
        embedded(pictures, swapped)


def test_precision_is_as_before_after_measuring(pictures, files, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    embedded(pictures, files)
    estimated(pictures, files)
    assert torch.backends.cudnn.allow_tf32
    assert torch.is_grad_enabled()
