import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from i2v3d.artifacts.images import Frames, Image
from i2v3d.errors import StageError
from i2v3d.stages.encode import Inputs, Outputs, Params, planes_of, run
from tests.moving_clip import MovingClip, coffee
from tests.work_folder import WorkFolder

ROOT = Path(__file__).resolve().parent.parent.parent


def encoded(folder, pictures, clips=(), fps: float = 24.0):
    folder.mkdir()
    artifacts = []
    for index, pixels in enumerate(pictures):
        artifacts.append(Image(folder / f"{index}.png"))
        artifacts[-1].write(pixels)
    work = WorkFolder(folder, Outputs)
    return run(Inputs(tuple(clips), tuple(artifacts)), Params(fps=fps), None, work).video.path


def decoded(path):
    with av.open(str(path)) as container:
        return [_rgb(frame.to_ndarray(format="yuv420p")) for frame in container.decode(video=0)]


def _rgb(planes: np.ndarray) -> np.ndarray:
    """The exact inverse of BT.709; the library's own quick conversion is off by a level on average."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    luma = (planes[:height].astype(np.float32) - 16) * 255 / 219
    chroma = (planes[height:].reshape(2, height // 2, width // 2).astype(np.float32) - 128) * 255 / 224
    # Chroma lies on every second column, between each two rows.
    columns = (np.arange(width, dtype=np.float32) / 2)[None].repeat(height, 0)
    rows = ((np.arange(height, dtype=np.float32) - 0.5) / 2)[:, None].repeat(width, 1)
    blue, red = (cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in chroma)
    r, b = luma + 1.5748 * red, luma + 1.8556 * blue
    return np.rint(np.clip(np.dstack([r, (luma - 0.2126 * r - 0.0722 * b) / 0.7152, b]), 0, 255)).astype(np.uint8)


def moving_pictures(count: int = 9):
    clip = MovingClip(end_px=900, steps=count - 1)
    return [frame.colour for frame in clip.frames()]


def test_equal_frames_give_equal_bytes_whatever_the_thread_count(tmp_path):
    pictures = moving_pictures()
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        first = encoded(tmp_path / "a", pictures)
    finally:
        cv2.setNumThreads(before)
    second = encoded(tmp_path / "another_longer_name", pictures)
    assert first.read_bytes() == second.read_bytes()


def test_equal_frames_give_equal_bytes_in_every_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests.stages.test_encode import encoded, moving_pictures;"
        "sys.stdout.buffer.write(encoded(Path(sys.argv[1]), moving_pictures()).read_bytes())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / str(fill)],
            cwd=ROOT,
            env={**os.environ, "MALLOC_PERTURB_": str(fill)},  # uninitialised memory differs from run to run
            capture_output=True,
            check=True,
        ).stdout
        for fill in (11, 200)
    ]
    assert outputs[0]
    assert outputs[0] == outputs[1]


def test_the_file_names_no_library_version_and_starts_with_its_index(tmp_path):
    content = encoded(tmp_path / "a", moving_pictures(3)).read_bytes()
    assert b"Lavf" not in content
    assert content.index(b"moov") < content.index(b"mdat")


def test_colours_survive(tmp_path):
    pictures = moving_pictures()
    back = decoded(encoded(tmp_path / "a", pictures))
    assert len(back) == len(pictures)
    for before, after in zip(pictures, back, strict=True):
        difference = before.astype(float) - after
        assert np.abs(difference).mean() < 2.5, f"mean abs diff {np.abs(difference).mean():.2f}"
        assert np.abs(difference.mean(axis=(0, 1))).max() < 1.0, f"mean shift {difference.mean(axis=(0, 1))}"


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 120, 200)])
def test_plain_colours_survive_within_two_levels(tmp_path, colour):
    picture = np.full((64, 96, 3), colour, np.uint8)
    (back,) = decoded(encoded(tmp_path / "a", [picture]))
    assert np.abs(back.astype(int) - picture).max() <= 2


def test_tags_rate_and_length_are_as_asked(tmp_path):
    path = encoded(tmp_path / "a", moving_pictures(5), fps=23.976)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert float(stream.average_rate) == pytest.approx(24000 / 1001, abs=1e-4)
        assert stream.frames == 5


def test_clips_come_before_pictures_in_order(tmp_path):
    greys = [30, 90, 150, 210]
    clips = []
    for number, pair in enumerate((greys[:2], greys[2:3])):
        clips.append(Frames(tmp_path / f"clip{number}"))
        clips[-1].path.mkdir()
        for index, grey in enumerate(pair):
            clips[-1].item(index).write(np.full((64, 96, 3), grey, np.uint8))
    back = decoded(encoded(tmp_path / "a", [np.full((64, 96, 3), greys[3], np.uint8)], clips))
    assert [frame.mean() for frame in back] == pytest.approx(greys, abs=1.5)


def test_planes_are_the_matrix_of_bt709():
    photo = coffee()[:64, :96]
    planes = planes_of(photo)
    red, green, blue = (photo[..., index].astype(float) for index in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert np.abs(planes[:64] - (16 + luma * 219 / 255)).max() <= 0.51
    blueness = 128 + (blue - luma) / 1.8556 * 224 / 255
    coarse = planes[64:].reshape(-1)[: 32 * 48].reshape(32, 48)
    assert np.abs(coarse.astype(float) - blueness.reshape(32, 2, 48, 2).mean(axis=(1, 3))).mean() < 2.0


def test_no_frame_is_an_error(tmp_path):
    with pytest.raises(StageError, match="no frame to encode"):
        encoded(tmp_path / "a", [])


def test_colour_lies_over_every_second_column():
    grey, red = np.array([100, 100, 100], np.uint8), np.array([200, 60, 60], np.uint8)
    chroma = {}
    for column in (6, 7):
        photo = np.tile(grey, (4, 16, 1))
        photo[:, column] = red
        chroma[column] = planes_of(photo)[-1:].reshape(-1)[-8:].astype(int) - 128  # V of the last two rows
    whole = int(planes_of(np.tile(red, (4, 16, 1)))[-1, -1]) - 128
    assert chroma[6].tolist() == [0, 0, 0, pytest.approx(whole / 2, abs=1), 0, 0, 0, 0]
    assert chroma[7].tolist() == [0, 0, 0, pytest.approx(whole / 4, abs=1), pytest.approx(whole / 4, abs=1), 0, 0, 0]
