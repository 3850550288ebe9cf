"""A small task for the LoRA trainer, on tiny models."""

import shutil

import numpy as np
import pytest

from i2v3d.backends.base import CustomizationTask, ModelFiles, NovelViews
from i2v3d.spec.resolved_generation import Customization


@pytest.fixture(scope="session")
def small_models(tiny_models, tmp_path_factory):
    """SDXL with one transformer block where the tiny one has ten: training it takes a third of the time."""
    from diffusers import UNet2DConditionModel

    from tests.tiny_models import _SDXL_BLOCKS, random_model, save

    folder = shutil.copytree(tiny_models["sdxl"], tmp_path_factory.mktemp("small_models") / "sdxl")
    shutil.rmtree(folder / "unet")
    shallow = {**_SDXL_BLOCKS, "layers_per_block": 1, "transformer_layers_per_block": 1}
    blocks = ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")
    save(random_model(UNet2DConditionModel, 7, **shallow, up_block_types=blocks, sample_size=128), folder / "unet")
    return {"sdxl": folder, "sdxl_vae": tiny_models["sdxl_vae"]}


def cut_out(colour, *, side=96):
    """A thing of one colour in the middle of a square, RGBA, with a soft edge."""
    view = np.zeros((side, side, 4), np.uint8)
    view[side // 4 : -side // 4, side // 3 : -side // 3] = (*colour, 255)
    view[side // 4, side // 3 : -side // 3, 3] = 100
    return view


def photo(height=64, width=128):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 128)], -1).astype(np.uint8)


def task(models, *, precision="fp32", **changes):
    """Two objects with two views each, in a photo of 160 x 90 pixels of which a window is seen."""
    training = {"rank": 2, "steps": 3, "learning_rate": 1e-3, **changes.pop("training", {})}
    given = {
        "photo": photo(),
        "original_height": 90,
        "original_width": 160,
        "crop_top": 10,
        "crop_left": 20,
        "prompt": "a sks rocket on a launch pad",
        "objects": (
            NovelViews("rocket", (cut_out((200, 40, 30)), cut_out((190, 50, 40)))),
            NovelViews("cup", (cut_out((20, 40, 200)), cut_out((30, 30, 190)))),
        ),
        "training": Customization(**training),
        "models": ModelFiles(models, precision),
        "seed": 7,
        **changes,
    }
    return CustomizationTask(**given)
