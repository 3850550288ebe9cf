"""What is looked at in a file with a skeleton before a Blender reads it."""

import json
import struct

import pytest

from i2v3d.blender.figures import read_figure, read_motion
from i2v3d.errors import StageError


def glb(file, document):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunk = struct.pack("<I4s", len(text), b"JSON") + text
    file.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunk)) + chunk)
    return file


@pytest.mark.parametrize("part", ["buffers", "images"])
def test_a_glb_with_its_data_in_other_files_is_refused_before_blender_opens_them(tmp_path, part):
    document = {"asset": {"version": "2.0"}, part: [{"uri": "data:,x"}, {"uri": "../../secret.bin"}]}
    file = glb(tmp_path / "hero.glb", document)
    for read in (
        lambda: read_figure(file, tmp_path / "o.glb", tmp_path / "o.npz", work_dir=tmp_path),
        lambda: read_motion(file, tmp_path / "o.npz", "", work_dir=tmp_path),
    ):
        with pytest.raises(StageError, match=r"hero\.glb needs other files \(\.\./\.\./secret\.bin\)") as raised:
            read()
        assert raised.value.field == "file"
    assert not (tmp_path / "blender.log").exists()


@pytest.mark.parametrize("content", [b"glTF", b"glTF" + bytes(40), b"glTF\2\0\0\0\x18\0\0\0\4\0\0\0JSON{x:1"])
def test_a_damaged_glb_is_told_as_such(tmp_path, content):
    (tmp_path / "hero.glb").write_bytes(content)
    with pytest.raises(StageError, match=r"hero\.glb is damaged"):
        read_motion(tmp_path / "hero.glb", tmp_path / "o.npz", "", work_dir=tmp_path)


@pytest.mark.blender
def test_what_a_file_lacks_is_told_in_plain_words(tmp_path):
    file = glb(tmp_path / "hero.glb", {"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": []}]})
    with pytest.raises(StageError) as raised:
        read_motion(file, tmp_path / "o.npz", "-dance", work_dir=tmp_path)
    assert raised.value.message == "hero.glb has no skeleton"
    assert raised.value.field == "file"
