"""Which frames are keyframes, and what is said of intervals that a video model does badly."""

from itertools import pairwise

import pytest

from i2v3d.errors import SpecError
from i2v3d.spec.load import load_scene
from tests.spec.project import make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("keyframes") / "project")


@pytest.fixture
def load(project):
    def load_text(text):
        file = project / "scene.yaml"
        file.write_text("source: photo.jpg\n" + text)
        return load_scene(file)

    return load_text


def told(loaded):
    return [problem.message for problem in loaded.warnings if problem.message.startswith(("intervals", "the last"))]


@pytest.mark.parametrize(
    ("frames", "every", "wanted"),
    [(61, 15, (0, 15, 30, 45, 60)), (49, 15, (0, 12, 24, 36, 48)), (32, 15, (0, 10, 21, 31)), (9, 15, (0, 8))],
)
def test_even_keyframes_have_about_the_same_distances(load, frames, every, wanted):
    text = f"output: {{duration: {frames - 1}f}}\nkeyframes: {{every: {every}, spacing: even}}\n"
    assert load(text).scene.keyframing.frames == wanted


@pytest.mark.parametrize("every", [1, 2, 7, 15, 40])
def test_even_keyframes_are_never_further_apart_than_asked_nor_one_frame_nearer_than_needed(load, every):
    for last in range(1, 80, 3):
        keyframing = load(
            f"output: {{duration: {last}f}}\nkeyframes: {{every: {every}, spacing: even}}\n"
        ).scene.keyframing
        distances = [after - before for before, after in pairwise(keyframing.frames)]
        assert keyframing.frames[0] == 0 and keyframing.frames[-1] == last
        assert max(distances) <= every and max(distances) - min(distances) <= 1
        assert len(distances) == -(-last // every)


def test_frames_of_an_interval_are_the_distance_of_keyframes_and_one(load):
    scene = load("output: {duration: 48f}\ninterpolate: {frames: 25}\n").scene
    assert scene.keyframing.frames == (0, 24, 48)
    assert load("keyframes: {every: 20}\ninterpolate: {frames: 21}\n").scene.keyframing.frames == (0, 20, 40, 60)


def test_frames_of_an_interval_that_do_not_fit_the_distance_of_keyframes_are_an_error(load):
    with pytest.raises(SpecError) as caught:
        load("keyframes: {every: 15}\ninterpolate: {frames: 25}\n")
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (3, "interpolate.frames")
    assert "25 frames do not fit keyframes every 15" in problem.message
    assert "frames: 16" in problem.hint and "every: 24" in problem.hint


PAPER = "profile: paper\n"


def test_a_short_last_interval_is_told_where_a_video_model_makes_it(load):
    remainder = "output: {duration: 48f}\n"
    assert told(load(PAPER + remainder)) == ["the last interval has 4 frames only, too few for a video model"]
    assert told(load(remainder)) == []
    assert told(load(PAPER + remainder + "keyframes: {spacing: even}\n")) == []
    assert told(load(PAPER + "output: {duration: 60f}\n")) == []
    assert told(load(PAPER + "output: {duration: 5f}\n")) == []  # a short clip is what was asked for


def test_intervals_beyond_what_the_model_was_trained_on_are_told(load):
    assert told(load(PAPER + "keyframes: {every: 30}\n")) == [
        "intervals of 31 frames: the video model was trained on 25 at most"
    ]
    assert told(load(PAPER + "keyframes: {every: 24}\noutput: {duration: 48f}\n")) == []


def test_guidance_between_keyframes_is_the_scenes_unless_said_otherwise(load):
    def guided(text):
        return load(PAPER + text).scene.generation.clip_guidance

    usual = guided("")
    assert (usual.depth, usual.features.convolution_until, usual.features.attention_until) == (1.0, 1.0, 1.0)
    assert guided("guidance: {depth: 0.5}\n").depth == 0.5
    assert guided("guidance: {depth: 0.5}\ninterpolate: {depth: 0}\n").depth == 0
    assert guided("guidance: {features: off}\n").features is None
    assert guided("interpolate: {features: off}\n").features is None
    assert guided("interpolate: {features: {attention_until: 40%}}\n").features.attention_until == 0.4
    # The lengths of keyframes (the paper's section 4.1) are not those of video.
    assert guided("guidance: {features: {conv_until: 0.1, attention_until: 0.2}}\n").features == usual.features
