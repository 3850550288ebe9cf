"""Preprocessing held to transformers' own image processors, and files that can't be followed."""

import json

import numpy as np
import pytest

transformers = pytest.importorskip("transformers", reason="needs the extra i2v3d[diffusion]")
pytest.importorskip("torch", reason="needs the extra i2v3d[diffusion]")

from i2v3d.backends.base import ModelFiles
from i2v3d.backends.paper.preprocessing import read_preprocessing
from i2v3d.errors import StageError
from tests.tiny_models_measuring import CLIP_PREPROCESSING, DEPTH_PREPROCESSING

SIZES = ((576, 1024), (1024, 576), (90, 160), (61, 47), (518, 518), (300, 1000))
CLIP = {**CLIP_PREPROCESSING, "size": 224, "crop_size": 224}  # as published
DEPTH = {**DEPTH_PREPROCESSING, "size": {"height": 518, "width": 518}}
CASES = {
    "clip": (transformers.CLIPImageProcessor, CLIP),
    "clip, sizes as mappings": (
        transformers.CLIPImageProcessor,
        {**CLIP, "size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}},
    ),
    "depth_anything": (transformers.DPTImageProcessor, DEPTH),
    "depth_anything, stretched": (
        transformers.DPTImageProcessor,
        {**DEPTH, "keep_aspect_ratio": False, "size": {"height": 280, "width": 420}},
    ),
}


def preprocessing(folder, name, settings):
    role = name.partition(",")[0]
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return read_preprocessing(ModelFiles({role: folder}, "fp32"), role)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES)
def test_a_picture_becomes_what_transformers_makes_of_it(case, size, tmp_path):
    kind, settings = CASES[case]
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8)
    given = {key: value for key, value in settings.items() if value is not None and not key.endswith("_type")}
    theirs = kind(**given)(picture, return_tensors="np")["pixel_values"][0]
    ours = preprocessing(tmp_path, case, settings).prepare(picture)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-3


def test_a_wide_frame_is_seen_whole_by_depth_anything_and_cut_by_clip(tmp_path):
    assert preprocessing(tmp_path, "depth_anything", DEPTH).resized(576, 1024) == (518, 924)
    seen = preprocessing(tmp_path, "clip", CLIP)
    assert (seen.resized(576, 1024), seen.crop) == ((224, 398), (224, 224))


def test_batches_hold_every_picture_once(tmp_path):
    seen = preprocessing(tmp_path, "clip", CLIP_PREPROCESSING)
    pictures = [np.full((64, 64, 3), value, np.uint8) for value in range(5)]
    batches = list(seen.batches(pictures, 2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert all(np.array_equal(*pair) for pair in zip(np.concatenate(batches), map(seen.prepare, pictures), strict=True))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"do_resize": False}, "do_resize: False"),
        ({"do_normalize": False}, "do_normalize: False"),
        ({"image_mean": [0.5]}, "image_mean"),
        ({"image_std": None}, "image_std"),
        ({"size": {"height": 64}}, "width"),
        ({"size": -4}, "size"),
        ({"crop_size": 65}, "crop_size"),
    ],
)
def test_settings_that_are_not_followed_are_told(changes, told, tmp_path):
    with pytest.raises(StageError, match=r"preprocessor_config\.json") as refused:
        preprocessing(tmp_path, "clip", {**CLIP_PREPROCESSING, **changes})
    assert told in refused.value.message
    assert refused.value.field == "clip"
