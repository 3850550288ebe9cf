from __future__ import annotations

import pytest

from i2v3d.errors import ArtifactError
from i2v3d.store.outputs import StoredFile, StoredOutput


def sequence(*digests: str, start: int = 0) -> StoredOutput:
    files = tuple(StoredFile(f"{start + i:06d}.png", digest, 1) for i, digest in enumerate(digests))
    return StoredOutput(files, is_folder=True)


def test_a_slice_is_keyed_on_its_items_and_not_on_its_place():
    whole = sequence("a", "b", "c", "a", "b")
    assert whole.slice(0, 2, ".png").content == whole.slice(3, 5, ".png").content == sequence("a", "b").content
    assert whole.slice(0, 2, ".png").content != whole.slice(1, 3, ".png").content
    assert whole.slice(None, None, ".png").content == whole.content


def test_items_may_be_folders():
    files = tuple(StoredFile(f"{i:06d}/{name}", f"{name}{i}", 1) for i in range(2) for name in ("depth", "ids"))
    output = StoredOutput(files, is_folder=True)
    assert [file.path for file in output.items[1].files] == ["depth", "ids"]
    assert output.slice(1, 2, "").files[0] == StoredFile("000000/depth", "depth1", 1)
    assert output.slice(0, 2, "").content == output.content


def test_a_single_files_name_never_matters_but_names_in_a_folder_do():
    one = StoredOutput((StoredFile("", "a", 1),), is_folder=False)
    assert one.content == "a"
    assert sequence("a").content != one.content
    assert (
        StoredOutput((StoredFile("x", "a", 1),), True).content != StoredOutput((StoredFile("y", "a", 1),), True).content
    )


@pytest.mark.parametrize(("start", "stop"), [(0, 4), (3, None), (2, 9)])
def test_a_slice_past_the_end_is_refused(start, stop):
    with pytest.raises(ArtifactError, match="were asked of a sequence of 3"):
        sequence("a", "b", "c").slice(start, stop, ".png")
