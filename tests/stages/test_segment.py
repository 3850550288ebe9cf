import numpy as np
import pytest

from i2v3d.backends.embedded.segment import GrabCutMatting
from i2v3d.errors import StageError
from i2v3d.stages import segment
from tests.photo_scenes import HEIGHT, WIDTH, disc, octagon, photo_with_disc, prompts, scene, written_image
from tests.work_folder import WorkFolder


class Fixed:
    """A segmenter that returns one alpha, to test what the stage makes of it."""

    def __init__(self, alpha):
        self.alpha = alpha

    def segment(self, photo, prompts):
        return self.alpha

    def foreground_colours(self, photo, alpha):
        return photo


def cut(tmp_path, given, backend=None, mask=None):
    folder = tmp_path / "work"
    folder.mkdir()
    photo = written_image(tmp_path / "photo.png", photo_with_disc())
    params = segment.Params("ball", given)
    return segment.run(
        segment.Inputs(photo, mask), params, backend or GrabCutMatting(), WorkFolder(folder, segment.Outputs)
    )


def test_the_cut_out_over_the_true_background_gives_the_photo_back(tmp_path):
    from tests.photo_scenes import sky_and_ground

    outputs = cut(tmp_path, prompts(polygons=(octagon(),)))
    rgba = outputs.cutout.read().astype(float)
    alpha = rgba[..., 3:] / 255
    composite = rgba[..., :3] * alpha + sky_and_ground() * (1 - alpha)
    assert np.abs(composite - photo_with_disc()).mean() < 0.5
    assert np.array_equal(outputs.alpha.read(), rgba[..., 3].astype(np.uint8))


def test_an_empty_mask_is_refused(tmp_path):
    empty = np.zeros((HEIGHT, WIDTH), np.float32)
    with pytest.raises(StageError, match="mask of `ball` is empty"):
        cut(tmp_path, prompts(), Fixed(empty))


def test_a_mask_that_covers_everything_is_refused(tmp_path):
    full = np.ones((HEIGHT, WIDTH), np.float32)
    with pytest.raises(StageError, match="mask of `ball` covers the whole photo"):
        cut(tmp_path, prompts(), Fixed(full))


def test_the_mask_file_of_the_node_is_an_input_and_not_a_parameter(tmp_path):
    import dataclasses

    plain = scene(tmp_path / "p.jpg")
    mask = tmp_path / "m.png"
    thing = dataclasses.replace(plain.objects[0], prompts=prompts(mask_file=mask))
    (node,) = segment.nodes(dataclasses.replace(plain, objects=(thing,)))
    assert node.params.prompts.mask_file is None
    assert node.inputs["mask"].path == mask


def test_a_mask_file_decides_the_outline(tmp_path):
    from PIL import Image as Pillow

    Pillow.fromarray((disc(60, 60, 20) > 0.5).astype(np.uint8) * 255).resize((320, 240)).save(tmp_path / "m.png")
    outputs = cut(tmp_path, prompts(soft_px=1.0), mask=tmp_path / "m.png")
    found = outputs.alpha.read() > 127
    wanted = disc(60, 60, 20) > 0.5
    assert (found & wanted).sum() / (found | wanted).sum() > 0.95
