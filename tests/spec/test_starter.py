"""`i2v3d init`: a folder with a starter spec that loads."""

import pytest
from PIL import Image

from i2v3d.errors import UsageError
from i2v3d.spec import load_scene
from i2v3d.spec.starter import starter_names, write_starter


@pytest.fixture
def photo(tmp_path):
    Image.new("RGB", (640, 427)).save(tmp_path / "my photo.jpg")
    return tmp_path / "my photo.jpg"


@pytest.mark.parametrize("template", starter_names())
def test_a_new_folder_holds_a_spec_that_loads(tmp_path, photo, template):
    spec = write_starter(tmp_path / "my scene!", image=photo, template=template)
    scene = load_scene(spec).scene
    assert scene.name == "my-scene"
    assert scene.photo.file == (tmp_path / "my scene!" / "my photo.jpg").resolve()
    assert spec.read_text().startswith("# yaml-language-server: $schema=/")


def test_without_a_photo_the_spec_names_the_one_to_add(tmp_path):
    assert "photo.jpg" in write_starter(tmp_path / "new", image=None, template="minimal").read_text()


def test_an_existing_spec_is_never_overwritten(tmp_path, photo):
    write_starter(tmp_path / "new", image=photo, template="minimal")
    with pytest.raises(UsageError, match=r"scene\.yaml is there already"):
        write_starter(tmp_path / "new", image=photo, template="minimal")


def test_an_unknown_starter_is_an_error_with_suggestion(tmp_path, photo):
    with pytest.raises(UsageError, match="there is no starter `liftoff`") as caught:
        write_starter(tmp_path / "new", image=photo, template="liftoff")
    assert caught.value.hint == "did you mean `lift_off`?"


def test_what_is_no_picture_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="is not a picture"):
        write_starter(tmp_path / "new", image=tmp_path / "notes.txt", template="minimal")
    assert not (tmp_path / "new").exists()
