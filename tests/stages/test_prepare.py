import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from i2v3d.errors import StageError
from i2v3d.stages import prepare
from tests.photo_scenes import scene
from tests.work_folder import WorkFolder


def prepared(tmp_path: Path, file: Path, size=(40, 30)):
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    folder = WorkFolder(work, prepare.Outputs)
    return prepare.run(prepare.Inputs(file), prepare.Params(*size), None, folder).photo.read()


def picture(width=80, height=60) -> Pillow.Image:
    """Red grows to the right, green downwards."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Pillow.fromarray(np.dstack([x, y, np.full_like(x, 90)]).astype(np.uint8))


def test_the_whole_photo_is_scaled_to_the_working_size(tmp_path):
    picture().save(tmp_path / "a.png")
    photo = prepared(tmp_path, tmp_path / "a.png")
    assert photo.shape == (30, 40, 3)
    assert photo[15, 2, 0] < 40 < 200 < photo[15, -3, 0]
    assert photo[2, 20, 1] < 40 < 200 < photo[-3, 20, 1]


def test_an_exif_turned_photo_is_set_upright(tmp_path):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the stored picture must be turned clockwise
    picture(60, 80).save(tmp_path / "a.jpg", exif=exif, quality=95)
    photo = prepared(tmp_path, tmp_path / "a.jpg")
    assert photo[15, 2, 1] > 200 > 40 > photo[15, -3, 1]
    assert photo[2, 20, 0] < 40 < 200 < photo[-3, 20, 0]


def test_sixteen_bit_greys_are_scaled_and_not_clipped(tmp_path):
    levels = np.linspace(0, 65535, 80).astype(np.uint16)[None].repeat(60, axis=0)
    Pillow.fromarray(levels).save(tmp_path / "a.png")
    photo = prepared(tmp_path, tmp_path / "a.png", (80, 60))
    assert np.array_equal(photo[30, :, 0], photo[30, :, 1])
    assert np.abs(photo[30, :, 0].astype(int) - np.linspace(0, 255, 80)).max() <= 1


def test_transparent_parts_are_laid_on_white_and_said_so(tmp_path):
    rgba = picture().convert("RGBA")
    rgba.putalpha(Pillow.fromarray(np.repeat(np.array([[0], [255]], np.uint8), 30, axis=0).repeat(80, axis=1)))
    rgba.save(tmp_path / "a.png")
    rgb, notes = prepare.read_srgb(tmp_path / "a.png")
    assert np.asarray(rgb)[10, 40].tolist() == [255, 255, 255]
    assert np.array_equal(np.asarray(rgb)[40], np.asarray(picture())[40])
    assert "white" in notes[0]


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGB"])
def test_every_colour_mode_becomes_rgb(tmp_path, mode):
    file = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture().convert(mode).save(file)
    photo = prepared(tmp_path, file)
    expected = np.asarray(picture().convert(mode).convert("RGB").resize((40, 30), Pillow.Resampling.LANCZOS))
    assert np.abs(photo.astype(int) - expected).mean() < 4


def test_a_colour_profile_is_converted_to_srgb(tmp_path):
    lab_like = ImageCms.createProfile("LAB")
    flat = Pillow.new("LAB", (20, 20), (200, 128, 128))  # a light neutral grey
    file = tmp_path / "a.tif"
    flat.save(file, icc_profile=ImageCms.ImageCmsProfile(lab_like).tobytes())
    rgb, _ = prepare.read_srgb(file)
    red, green, blue = (int(value) for value in np.asarray(rgb)[10, 10])
    assert abs(red - green) <= 3 and abs(green - blue) <= 3 and red > 150


def test_a_truncated_photo_is_refused_with_its_name(tmp_path):
    buffer = io.BytesIO()
    picture(400, 300).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:3000])
    with pytest.raises(StageError, match=r"cut\.jpg is damaged or cut short") as caught:
        prepared(tmp_path, tmp_path / "cut.jpg")
    assert "again" in caught.value.hint


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(StageError, match=r"a\.jpg is not a picture"):
        prepared(tmp_path, tmp_path / "a.jpg")


def test_a_photo_of_sixty_megapixels_is_refused(tmp_path):
    Pillow.new("1", (10_000, 6_000)).save(tmp_path / "a.png")
    with pytest.raises(StageError, match=r"10000 x 6000 pixels; the limit is 50"):
        prepared(tmp_path, tmp_path / "a.png")


def test_equal_photos_give_equal_bytes(tmp_path):
    picture().save(tmp_path / "a.png")
    results = []
    for name in "xy":
        (tmp_path / name).mkdir()
        folder = WorkFolder(tmp_path / name, prepare.Outputs)
        outputs = prepare.run(prepare.Inputs(tmp_path / "a.png"), prepare.Params(40, 30), None, folder)
        results.append(outputs.photo.path.read_bytes())
    assert results[0] == results[1]


def test_its_node_takes_the_photo_at_the_working_size(tmp_path):
    (node,) = prepare.nodes(scene(tmp_path / "p.jpg"))
    assert node.params == prepare.Params(160, 120)
    assert node.inputs["photo"].path == tmp_path / "p.jpg"
