import numpy as np
import pytest

from i2v3d.artifacts.images import Frames, Image
from i2v3d.artifacts.passes import Passes
from i2v3d.backends.embedded.interpolate import FlowInterpolator
from i2v3d.backends.embedded.refine import PatchRefiner
from i2v3d.errors import StageError
from i2v3d.stages import interpolate, keyframes
from tests.moving_clip import MovingClip, coffee
from tests.work_folder import WorkFolder


def written(folder, clip: MovingClip):
    """The clip's renders as files: (colours, passes)."""
    folder.mkdir()
    colours, passes = [], []
    for index, frame in enumerate(clip.frames()):
        colours.append(Image(folder / f"{index}.png"))
        colours[-1].write(frame.colour)
        passes.append(Passes(folder / f"{index}.npz"))
        passes[-1].write(frame.passes)
    photo = Image(folder / "photo.png")
    photo.write(coffee())
    return tuple(colours), tuple(passes), photo


def refined(folder, clip: MovingClip):
    colours, passes, photo = written(folder, clip)
    params = keyframes.Params(*clip.corner_px, seed=3)
    outputs = []
    for index in (0, clip.steps):
        inputs = keyframes.Inputs(
            colour=colours[index],
            passes=passes[index],
            photo=photo,
            previous=outputs[0].colour if outputs else None,
            previous_trace=outputs[0].trace if outputs else None,
            passes_since=passes if outputs else (),
        )
        work = folder / f"work{index}"
        work.mkdir()
        outputs.append(keyframes.run(inputs, params, PatchRefiner(), WorkFolder(work, keyframes.Outputs)))
    return colours, passes, outputs


def between(folder, clip: MovingClip, *, is_final: bool):
    colours, passes, ends = refined(folder, clip)
    inputs = interpolate.Inputs(ends[0].colour, ends[1].colour, colours, passes)
    work = folder / "between"
    work.mkdir()
    params = interpolate.Params(is_final=is_final)
    return interpolate.run(inputs, params, FlowInterpolator(), WorkFolder(work, interpolate.Outputs)).frames, ends


def digest(frames: Frames):
    return [item.path.read_bytes() for item in frames]


def test_two_runs_in_two_folders_write_equal_bytes(tmp_path):
    clip = MovingClip(end_px=330, zoom=1.02)
    (first, first_ends), (second, second_ends) = (
        between(tmp_path / name, clip, is_final=True) for name in ("a", "a_longer_name")
    )
    assert digest(first) == digest(second)
    for a, b in zip(first_ends, second_ends, strict=True):
        assert a.colour.path.read_bytes() == b.colour.path.read_bytes()
        assert a.trace.path.read_bytes() == b.trace.path.read_bytes()


def test_an_unmoved_keyframe_equals_the_photo(tmp_path):
    clip = MovingClip(end_px=900, steps=2, slide_px=(0.0, 0.0), square_slide_px=(0.0, 0.0))
    _, _, ends = refined(tmp_path / "a", clip)
    for end in ends:
        assert np.array_equal(end.colour.read(), clip.photo)


@pytest.mark.parametrize(("is_final", "count"), [(False, 8), (True, 9)])
def test_only_the_last_interval_keeps_its_last_keyframe(tmp_path, is_final, count):
    frames, ends = between(tmp_path / "a", MovingClip(end_px=330), is_final=is_final)
    frames.check()
    assert len(frames) == count
    assert np.array_equal(frames.item(0).read(), ends[0].colour.read())
    if is_final:
        assert np.array_equal(frames.item(count - 1).read(), ends[1].colour.read())


def test_a_window_outside_the_photo_is_an_error(tmp_path):
    colours, passes, photo = written(tmp_path / "a", MovingClip(steps=1))
    inputs = keyframes.Inputs(colours[0], passes[0], photo, None, None, ())
    params = keyframes.Params(window_left=500, window_top=0, seed=1)
    with pytest.raises(StageError, match=r"window at \(500, 0\) of 224x160 pixels is not inside the photo"):
        keyframes.run(inputs, params, PatchRefiner(), WorkFolder(tmp_path, keyframes.Outputs))
