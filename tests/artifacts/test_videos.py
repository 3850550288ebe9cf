"""Videos of other makers: colours, range, rotation, odd files."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.scene import Video
from i2v3d.artifacts.videos import probe_video, read_pictures
from i2v3d.errors import UsageError
from i2v3d.stages import encode
from tests.hand_made_scene import work
from tests.moving_clip import coffee

BT709, BT601 = 1, 6
LIMITED, FULL = 1, 2
WEIGHTS = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114)}
COLOURS = np.array([[200, 40, 30], [30, 190, 60], [40, 60, 210], [128, 128, 128], [250, 250, 5], [12, 8, 20]], np.uint8)


def bars(height: int = 64, width: int = 96) -> np.ndarray:
    return np.repeat(COLOURS[None, np.arange(width) * len(COLOURS) // width], height, axis=0)


def planes(rgb: np.ndarray, matrix: int, *, is_full: bool) -> np.ndarray:
    """4:4:4 planes by the textbook."""
    red, blue = WEIGHTS[matrix]
    r, g, b = (rgb[..., index].astype(float) for index in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    if not is_full:
        y, u, v = 16 + y * 219 / 255, u * 224 / 255, v * 224 / 255
    return np.rint(np.clip(np.stack([y, u + 128, v + 128]), 0, 255)).astype(np.uint8)


def write(file: Path, matrix: int, tagged: int, colour_range: int, count: int = 3) -> Path:
    """Writes lossless frames of bars."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264rgb" if matrix == 0 else "libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "rgb24" if matrix == 0 else "yuv444p"
        stream.options = {"crf": "0", "qp": "0"}
        stream.codec_context.colorspace, stream.codec_context.color_range = tagged, colour_range
        for _ in range(count):
            if matrix == 0:
                frame = av.VideoFrame.from_ndarray(bars(), format="rgb24")
            else:
                frame = av.VideoFrame.from_ndarray(
                    planes(bars(), matrix, is_full=colour_range == FULL), format="yuv444p"
                )
                frame.colorspace, frame.color_range = tagged, colour_range
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


@pytest.mark.parametrize("matrix", [BT709, BT601])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
def test_colours_come_out_as_they_went_in_whatever_the_matrix_and_range(tmp_path, matrix, colour_range):
    file = write(tmp_path / "bars.mp4", matrix, matrix, colour_range)
    pictures = list(read_pictures(file))
    assert len(pictures) == 3
    error = np.abs(pictures[0][0].astype(int) - bars()).max()
    assert error <= 2, f"{error} levels off"
    assert pictures[0][1] == ()


def test_a_small_video_that_names_no_matrix_is_taken_as_players_do_and_that_is_said(tmp_path):
    pixels, notes = next(read_pictures(write(tmp_path / "bars.mp4", BT601, 2, LIMITED)))
    assert np.abs(pixels.astype(int) - bars()).max() <= 2
    assert "BT.601 taken" in notes[0]


def test_rgb_video_is_read_as_it_is(tmp_path):
    pixels, notes = next(read_pictures(write(tmp_path / "bars.mp4", 0, 0, FULL)))
    assert np.array_equal(pixels, bars())
    assert notes == ()


def test_what_encode_writes_is_read_back(tmp_path):
    photo = coffee()[40:200, 60:284]
    image = Image(tmp_path / "frame.png")
    image.write(photo)
    params = encode.Params(fps=24.0, crf=4)
    video = encode.run(encode.Inputs((), (image,) * 3), params, None, work(tmp_path / "work", video=Video)).video
    (pixels, notes), *_ = read_pictures(video.path)
    error = np.abs(pixels.astype(int) - photo)
    assert error.mean() < 1.6, f"{error.mean():.2f} levels off"
    assert notes == ()
    bias = np.abs((pixels.astype(float) - photo).mean(axis=(0, 1))).max()
    assert bias < 0.15, f"{bias:.3f} levels"


def test_a_video_is_turned_upright_as_its_metadata_says(tmp_path):
    file = tmp_path / "turned.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(90)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(bars(), format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    facts = probe_video(file)
    assert (facts.width, facts.height) == (64, 96)
    assert any("turned by 90" in note for note in facts.notes)
    pixels, _ = next(read_pictures(file))
    # Turned counter-clockwise, what was on the right is on top.
    assert pixels[2, 30] == pytest.approx(COLOURS[-1], abs=12)
    assert pixels[-3, 30] == pytest.approx(COLOURS[0], abs=12)


def test_wide_pixels_are_made_square(tmp_path):
    file = tmp_path / "wide.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(bars(), format="rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    facts = probe_video(file)
    assert (facts.width, facts.height) == (128, 64)


def test_times_and_number_of_frames_are_known_before_decoding(tmp_path):
    facts = probe_video(write(tmp_path / "bars.mp4", BT709, BT709, LIMITED, count=12))
    assert facts.frame_count == 12
    assert facts.fps == pytest.approx(24)
    assert facts.times_s[-1] == pytest.approx(11 / 24)


def test_a_gif_is_a_video_too(tmp_path):
    from PIL import Image as Pillow

    frames = [Pillow.fromarray(np.roll(bars(), 10 * index, axis=1)) for index in range(4)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:], duration=100)
    facts = probe_video(tmp_path / "clip.gif")
    assert (facts.width, facts.height, facts.frame_count) == (96, 64, 4)
    assert facts.fps == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such video"), (b"", "empty"), (b"not a video" * 99, "can be read")]
)
def test_a_file_that_is_no_video_is_refused_with_its_name(tmp_path, content, said):
    file = tmp_path / "clip.mp4"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=said) as raised:
        probe_video(file)
    assert "clip.mp4" in raised.value.message


def test_a_video_that_is_cut_off_is_refused(tmp_path):
    file = write(tmp_path / "bars.mp4", BT709, BT709, LIMITED)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UsageError, match=r"bars\.mp4"):
        probe_video(file)


def test_a_file_with_sound_only_is_refused(tmp_path):
    file = tmp_path / "sound.wav"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(UsageError, match="no picture"):
        probe_video(file)
