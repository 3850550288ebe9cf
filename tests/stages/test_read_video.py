from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from i2v3d.artifacts.images import Frames
from i2v3d.artifacts.videos import VideoFacts
from i2v3d.errors import StageError, UsageError
from i2v3d.stages import read_video
from tests.hand_made_scene import work


def facts(count: int, fps: float, width: int = 64, height: int = 48) -> VideoFacts:
    return VideoFacts(width, height, count, count / fps, tuple(index / fps for index in range(count)), ())


def params(count: int = 7, fps: float = 24.0, timing: str = "stretch") -> read_video.Params:
    return read_video.Params(64, 48, count, fps, timing)


def grey_clip(file: Path, count: int, fps: int = 24, size: tuple[int, int] = (64, 48)) -> Path:
    """Frame k is a grey of 10 k + 20."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt, stream.options = *size, "yuv420p", {"crf": "5"}
        for index in range(count):
            pixels = np.full((size[1], size[0], 3), 10 * index + 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return file


def read(folder: Path, file: Path, given: read_video.Params) -> list[int]:
    outputs = read_video.run(read_video.Inputs(file), given, None, work(folder / "work", frames=Frames))
    pictures = [image.read() for image in outputs.frames]
    assert {picture.shape for picture in pictures} == {(48, 64, 3)}
    return [round((float(picture.mean()) - 20) / 10) for picture in pictures]


def test_as_many_frames_are_taken_one_for_one_whatever_the_rate():
    assert read_video.frame_choice(facts(7, 8), 7, 24.0, "seconds") == [0, 1, 2, 3, 4, 5, 6]


def test_a_shorter_video_is_stretched_from_end_to_end():
    assert read_video.frame_choice(facts(4, 8), 7, 24.0, "stretch") == [0, 0, 1, 1, 2, 2, 3]


def test_a_longer_video_loses_frames_evenly():
    assert read_video.frame_choice(facts(13, 24), 7, 24.0, "stretch") == [0, 2, 4, 6, 8, 10, 12]


def test_by_seconds_the_rate_counts_and_the_last_frame_stays():
    assert read_video.frame_choice(facts(13, 48), 7, 24.0, "seconds") == [0, 2, 4, 6, 8, 10, 12]
    assert read_video.frame_choice(facts(4, 24), 7, 24.0, "seconds") == [0, 1, 2, 3, 3, 3, 3]


def test_a_video_of_one_frame_is_that_frame_all_the_time():
    assert read_video.frame_choice(facts(1, 24), 3, 24.0, "stretch") == [0, 0, 0]


def test_what_is_done_to_a_video_is_said():
    assert read_video.reading_notes(facts(7, 24), params()) == ()
    assert read_video.reading_notes(facts(7, 8), params()) == ("8 fps, 24 in the scene: taken frame by frame",)
    (said,) = read_video.reading_notes(facts(4, 8), params())
    assert said == "4 frames at 8 fps stretched over 7 at 24 fps: each frame of the clip takes the nearest"
    scaled, laid, ends = read_video.reading_notes(facts(4, 24, 32, 24), params(timing="seconds"))
    assert scaled == "scaled from 32x24 to 64x48"
    assert "second by second" in laid
    assert "its last frame stays" in ends


def test_another_shape_is_refused_with_the_cut_that_mends_it():
    with pytest.raises(UsageError, match="another shape") as raised:
        read_video.check_shape(facts(4, 24, 64, 64), 64, 48, Path("x.mp4"))
    assert "crop=64:48" in raised.value.hint
    read_video.check_shape(facts(4, 24, 1288, 960), 64, 48, Path("x.mp4"))  # 0.6 % off


def test_frames_are_read_in_order_and_repeated_where_the_clip_is_longer(tmp_path):
    file = grey_clip(tmp_path / "clip.mp4", 4)
    assert read(tmp_path, file, params()) == [0, 0, 1, 1, 2, 2, 3]


def test_a_video_of_another_size_is_scaled(tmp_path):
    file = grey_clip(tmp_path / "clip.mp4", 3, size=(128, 96))
    assert read(tmp_path, file, params(3)) == [0, 1, 2]


def test_a_video_that_is_none_fails_the_step_with_what_to_do(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video at all" * 50)
    with pytest.raises(StageError, match="not a video") as raised:
        read(tmp_path, tmp_path / "clip.mp4", params())
    assert ".mp4" in raised.value.hint
