import numpy as np

from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.base import RenderedFrame
from i2v3d.backends.embedded.interpolate import FlowInterpolator
from i2v3d.stages.interpolate import Inputs, Outputs, Params, run
from tests.moving_clip import MovingClip
from tests.work_folder import WorkFolder


def written(folder, frames: list[RenderedFrame]) -> tuple[tuple[Image, ...], tuple[Passes, ...]]:
    colours = tuple(Image(folder / f"{index}.png") for index in range(len(frames)))
    passes = tuple(Passes(folder / f"{index}.npz") for index in range(len(frames)))
    for frame, colour, file in zip(frames, colours, passes, strict=True):
        colour.write(frame.colour)
        file.write(frame.passes)
    return colours, passes


def frames_of(folder, inputs: Inputs, *, is_final: bool) -> list[np.ndarray]:
    folder.mkdir()
    outputs = run(inputs, Params(is_final), FlowInterpolator(), WorkFolder(folder, Outputs))
    return [frame.read() for frame in outputs.frames]


def test_the_last_interval_alone_keeps_its_last_keyframe(tmp_path):
    clip = MovingClip(end_px=330, steps=3)
    colours, passes = written(tmp_path, clip.frames())
    inputs = Inputs(colours[0], colours[-1], colours, passes)
    inner, final = (frames_of(tmp_path / str(way), inputs, is_final=way) for way in (False, True))
    assert (len(inner), len(final)) == (3, 4)
    assert all(np.array_equal(a, b) for a, b in zip(inner, final[:-1], strict=True))
    assert np.array_equal(final[-1], colours[-1].read())


def test_an_interval_without_corrections_reads_no_depth_and_no_flow(tmp_path):
    colours, passes = written(tmp_path, MovingClip(end_px=900, steps=3).frames())
    for file in passes:
        kept = file.read_arrays()
        file.write_arrays({name: kept[name] for name in ("header", "ids")})
    frames = frames_of(tmp_path / "work", Inputs(colours[0], colours[-1], colours, passes), is_final=True)
    assert all(np.array_equal(frame, colour.read()) for frame, colour in zip(frames, colours, strict=True))
