import json

import numpy as np
import pytest

from i2v3d.errors import UsageError
from i2v3d.execute.baseline import FILE, Baseline, TakenPrint, read_baseline, write_baseline
from i2v3d.metrics.fingerprint import ClipPrint, FramePrint, geometry_print, make_thumbnail, mean_colours
from i2v3d.metrics.thumbnails import decode_thumbnail, encode_thumbnail

NAMES = {1: "Background", 2: "thing"}


def a_baseline(count=3):
    chance = np.random.default_rng(5)
    frames, files = [], []
    for index in range(count):
        pixels = chance.integers(0, 256, (90, 160, 3)).astype(np.uint8)
        ids = np.ones((90, 160), np.uint8)
        ids[20:60, 30 + index : 70 + index] = 2
        depth = np.where(ids == 2, 3.0, np.inf).astype(np.float32)
        files.append(encode_thumbnail(make_thumbnail(pixels), 50))
        frames.append(FramePrint(decode_thumbnail(files[-1]), mean_colours(pixels), geometry_print(ids, depth, NAMES)))
    clip = ClipPrint(160, 90, 24.0, tuple(frames), NAMES)
    return Baseline(
        TakenPrint(clip, tuple(files), 50), {"i2v3d": "1"}, {"ssim_to_render": 0.9}, {"ssim_to_render": "higher"}
    )


def test_what_was_written_is_read(tmp_path):
    written = a_baseline()
    write_baseline(tmp_path, written)
    found = read_baseline(tmp_path)
    assert (found.metrics, found.better, found.made_with) == (written.metrics, written.better, written.made_with)
    assert (found.taken.thumbnails, found.taken.quality) == (written.taken.thumbnails, 50)
    assert (found.taken.clip.names, found.taken.clip.fps) == (NAMES, 24.0)
    for one, other in zip(found.taken.clip.frames, written.taken.clip.frames, strict=True):
        assert (one.thumbnail == other.thumbnail).all()
        assert (one.colours == other.colours).all()
        assert (one.geometry.ids == other.geometry.ids).all()
        assert (one.geometry.nearness == other.geometry.nearness).all()
        assert one.geometry.objects == other.geometry.objects


def test_equal_clips_give_equal_bytes_and_a_size_in_bytes(tmp_path):
    sizes = [write_baseline(tmp_path / name, a_baseline()) for name in "ab"]
    files = {name: {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "ab"}
    assert files["a"] == files["b"]
    assert sizes[0] == sizes[1] == sum(map(len, files["a"].values()))


def test_a_shorter_clip_leaves_no_thumbnail_behind_and_other_files_stay(tmp_path):
    write_baseline(tmp_path, a_baseline(5))
    (tmp_path / "README.md").write_text("ours")
    write_baseline(tmp_path, a_baseline(2))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000000.webp", "000001.webp", "README.md", FILE]


def test_no_baseline_is_none(tmp_path):
    assert read_baseline(tmp_path / "nowhere") is None


def broken(tmp_path, edit):
    write_baseline(tmp_path, a_baseline())
    document = json.loads((tmp_path / FILE).read_text())
    edit(document)
    (tmp_path / FILE).write_text(json.dumps(document))
    with pytest.raises(UsageError) as caught:
        read_baseline(tmp_path)
    assert str(tmp_path / FILE) in caught.value.message
    assert "--update" in caught.value.hint
    return caught.value.message


def test_a_baseline_of_another_format_says_so(tmp_path):
    assert "format 99" in broken(tmp_path, lambda document: document.update(format=99))


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.pop("size"),
        lambda document: document.update(size=[10**9, 10]),
        lambda document: document.update(frames=[]),
        lambda document: document["frames"][1].update(colours="not base64!"),
        lambda document: document["frames"][1].update(ids="eJwDAAAAAAE="),
        lambda document: document["frames"][0]["objects"].update(thing=[1, 2]),
        lambda document: document["frames"].append(document["frames"][0]),
    ],
    ids=["no_size", "huge", "no_frames", "not_base64", "wrong_length", "short_object", "missing_thumbnail"],
)
def test_a_damaged_baseline_is_a_clear_error(tmp_path, edit):
    broken(tmp_path, edit)


def test_text_that_is_not_json_is_a_clear_error(tmp_path):
    (tmp_path / FILE).write_text("{<<<<<<< HEAD")
    with pytest.raises(UsageError, match="can't be read"):
        read_baseline(tmp_path)


def test_arrays_that_unpack_to_more_than_they_may_are_refused_without_unpacking_them(tmp_path):
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(200_000_000), 9)).decode()
    broken(tmp_path, lambda document: document["frames"][0].update(ids=bomb))
