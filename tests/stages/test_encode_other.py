"""WebM and GIF of the finished frames."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from i2v3d.artifacts.images import Image
from i2v3d.errors import StageError
from i2v3d.stages.encode_other import Inputs, Outputs, Params, run, shown_in_gif
from tests.moving_clip import MovingClip
from tests.work_folder import WorkFolder

COUNT = 9


def written(folder, form, pictures, fps=24.0):
    folder.mkdir()
    artifacts = []
    for index, pixels in enumerate(pictures):
        artifacts.append(Image(folder / f"{index}.png"))
        artifacts[-1].write(pixels)
    params = Params(fps, is_webm=form == "webm", is_gif=form == "gif")
    outputs = run(Inputs((), tuple(artifacts)), params, None, WorkFolder(folder, Outputs))
    made = getattr(outputs, form)
    assert [name for name in ("webm", "gif") if getattr(outputs, name)] == [form]
    return made.path


@pytest.fixture(scope="module")
def pictures():
    return [frame.colour for frame in MovingClip(end_px=900, steps=COUNT - 1).frames()]


def psnr_db(one, other):
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


def test_a_webm_has_every_frame_at_its_time_and_is_close_to_it(tmp_path, pictures):
    with av.open(str(written(tmp_path / "a", "webm", pictures))) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.average_rate) in [("vp9", Fraction(24)), ("libvpx-vp9", Fraction(24))]
        frames = list(container.decode(video=0))
    assert [round(frame.time * 24) for frame in frames] == list(range(COUNT))
    for frame, picture in zip(frames, pictures, strict=True):
        found = psnr_db(frame.to_ndarray(format="rgb24"), picture)
        assert found > 28, f"{found:.1f} dB"


def test_a_gif_is_small_loops_and_keeps_time(tmp_path, pictures):
    wide = [np.asarray(Pillow.fromarray(picture).resize((1000, 562))) for picture in pictures]
    with Pillow.open(written(tmp_path / "a", "gif", wide)) as gif:
        assert gif.size == (640, 360)
        assert gif.info["loop"] == 0
        durations_ms = []
        for index, shown in enumerate(shown_in_gif(COUNT, 24.0)):
            gif.seek(index)
            durations_ms.append(gif.info["duration"])
            small = Pillow.fromarray(wide[shown]).resize((640, 360), Pillow.Resampling.LANCZOS)
            found = psnr_db(np.asarray(gif.convert("RGB")), np.asarray(small))
            assert found > 24, f"{found:.1f} dB"
    assert abs(sum(durations_ms) - 1000 * COUNT / 24) <= 10


@pytest.mark.parametrize("form", ["webm", "gif"])
def test_equal_frames_give_equal_bytes(tmp_path, pictures, form):
    first, second = (written(tmp_path / name, form, pictures[:4]).read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize(
    ("count", "fps", "wanted"),
    [(5, 12, [0, 1, 2, 3, 4]), (5, 24, [0, 2, 4]), (7, 30, [0, 2, 4, 6]), (9, 60, [0, 4, 8]), (1, 24, [0])],
)
def test_a_gif_shows_every_nth_frame_at_most_fifteen_a_second(count, fps, wanted):
    assert shown_in_gif(count, fps) == wanted


def test_no_frame_is_an_error(tmp_path):
    with pytest.raises(StageError, match="no frame"):
        written(tmp_path / "a", "gif", [])
