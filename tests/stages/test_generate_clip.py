"""An interval as a step: renders and keyframes from disk, finished frames to disk."""

from dataclasses import replace

import numpy as np
import pytest

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.errors import StageError
from i2v3d.spec.resolved_generation import ClipFeatures, ClipSampling
from i2v3d.stages.generate_clip import Inputs, Outputs, Params, run
from tests.moving_clip import MovingClip
from tests.work_folder import WorkFolder

COUNT = 4
PARAMS = Params(
    is_final=True,
    fps=12.0,
    prompt="",
    sampling=ClipSampling(steps=2),
    depth=1.0,
    features=ClipFeatures(),
    strengths=((1.0, 1.0, 0.5),) * COUNT,
    precision="fp32",
    models=(),
    seed=1,
)


class Handing:
    """Hands back what it is given, or too little of it."""

    def __init__(self, missing=0):
        self.missing = missing
        self.task = None

    def generate(self, task, progress):
        self.task = task
        progress(1.0, "done")
        return [frame.colour for frame in task.frames][: COUNT - self.missing]


@pytest.fixture
def inputs(tmp_path):
    frames = MovingClip(height=64, width=128, square_px=(30, 20, 24), steps=COUNT - 1).frames()
    colours = tuple(Image(tmp_path / f"{index}.png") for index in range(COUNT))
    passes = tuple(Passes(tmp_path / f"{index}.npz") for index in range(COUNT))
    for frame, colour, file in zip(frames, colours, passes, strict=True):
        colour.write(frame.colour)
        file.write(frame.passes)
    folders = dict.fromkeys(("svd", "svd_controlnet_depth", "wan_vace"))
    return Inputs(first=colours[0], last=colours[-1], colours=colours, passes=passes, range=None, **folders)


def made(folder, inputs, backend, **changes):
    folder.mkdir()
    outputs = run(inputs, replace(PARAMS, **changes), backend, WorkFolder(folder, Outputs))
    return [frame.read() for frame in outputs.frames]


def test_the_last_interval_alone_keeps_its_last_frame(inputs, tmp_path):
    final, inner = (made(tmp_path / str(way), inputs, Handing(), is_final=way) for way in (True, False))
    assert (len(final), len(inner)) == (COUNT, COUNT - 1)
    assert all(np.array_equal(*pair) for pair in zip(final, inner, strict=False))


def test_the_backend_is_given_the_strength_of_what_each_pixel_shows(inputs, tmp_path):
    backend = Handing()
    made(tmp_path / "work", inputs, backend)
    frame = backend.task.frames[0]
    assert set(np.unique(frame.strength[frame.is_foreground])) == {0.5}
    assert set(np.unique(frame.strength[~frame.is_foreground])) == {1.0}
    assert 0 <= frame.depth.min() < frame.depth.max() <= 1


def test_a_backend_that_makes_too_few_frames_is_told(inputs, tmp_path):
    with pytest.raises(StageError, match="made 3 frames where 4 were asked for"):
        made(tmp_path / "work", inputs, Handing(missing=1))


@pytest.mark.slow
def test_stable_video_diffusion_fills_an_interval_the_same_way_each_time(inputs, tmp_path, tiny_models):
    from i2v3d.backends.paper.interpolate import SvdInterpolator

    weights = {role: tiny_models[role] for role in ("svd", "svd_controlnet_depth")}
    inputs = replace(inputs, **weights)
    first, again = (made(tmp_path / name, inputs, SvdInterpolator()) for name in ("first", "again"))
    assert [picture.shape for picture in first] == [(64, 128, 3)] * COUNT
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
