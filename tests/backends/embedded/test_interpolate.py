import cv2
import numpy as np

from i2v3d.backends.embedded.interpolate import FlowInterpolator
from tests.backends.embedded.test_refine import refine_ends
from tests.moving_clip import MovingClip


def between(clip: MovingClip):
    frames, first, last = refine_ends(clip)
    return frames, first, last, list(FlowInterpolator().interpolate(first.colour, last.colour, frames))


def test_without_corrections_every_frame_is_its_render():
    frames, _, _, clip = between(MovingClip(end_px=900))
    assert len(clip) == len(frames)
    for frame, colour in zip(frames, clip, strict=True):
        assert np.array_equal(frame.colour, colour)


def test_the_ends_are_the_keyframes():
    _, first, last, clip = between(MovingClip(end_px=330, zoom=1.03))
    assert np.array_equal(clip[0], first.colour)
    assert np.array_equal(clip[-1], last.colour)


def test_a_correction_moves_with_its_surface():
    scene = MovingClip(end_px=900, square_px=None, slide_px=(3.0, 1.0))
    frames = scene.frames()
    mark = np.zeros(frames[0].colour.shape, np.uint8)
    mark[60:80, 100:130] = 40
    shift = (-3 * scene.steps, -scene.steps)
    last_mark = np.roll(mark, (shift[1], shift[0]), (0, 1))
    ends = [cv2.add(frames[index].colour, part) for index, part in ((0, mark), (scene.steps, last_mark))]
    clip = list(FlowInterpolator().interpolate(*ends, frames))
    for index, colour in enumerate(clip):
        expected = cv2.add(frames[index].colour, np.roll(mark, (-index, -3 * index), (0, 1)))
        error = np.abs(colour.astype(float) - expected).mean()
        assert error < 0.1, f"frame {index}: {error:.3f} of 255"


def test_a_correction_does_not_stick_to_what_comes_before_it():
    scene = MovingClip(end_px=900, slide_px=(0.0, 0.0), square_slide_px=(4.0, 0.0))
    frames = scene.frames()
    is_plane = frames[0].passes.ids == 1
    first = np.where(
        is_plane[..., None], cv2.add(frames[0].colour, np.full_like(frames[0].colour, 30)), frames[0].colour
    )
    is_plane = frames[-1].passes.ids == 1
    last = np.where(is_plane[..., None], cv2.add(frames[-1].colour, np.full_like(first, 30)), frames[-1].colour)
    clip = list(FlowInterpolator().interpolate(first, last, frames))
    is_square = cv2.erode((frames[4].passes.ids == 2).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert np.array_equal(clip[4][is_square], frames[4].colour[is_square])


def test_holes_are_filled_in_every_frame_without_flicker():
    scene = MovingClip(end_px=300, slide_px=(2.5, 0.5))
    frames, _, _, clip = between(scene)
    holes = [frame.passes.ids == 0 for frame in frames]
    for index, (colour, is_hole) in enumerate(zip(clip, holes, strict=True)):
        assert (colour[is_hole].max(axis=1) > 8).mean() > 0.99, f"frame {index} has black left"
        assert np.array_equal(colour[:, :100], frames[index].colour[:, :100])
    grid_x, grid_y = np.meshgrid(np.arange(scene.width, dtype=np.float32), np.arange(scene.height, dtype=np.float32))
    errors = []
    for index in range(1, len(clip)):
        at_x, at_y = grid_x + scene.slide_px[0], grid_y + scene.slide_px[1]
        before = cv2.remap(clip[index - 1].astype(np.float32), at_x, at_y, cv2.INTER_LINEAR)
        is_inside = holes[index] & (at_x < scene.width - 3) & (at_y < scene.height - 3)
        errors.append(np.abs(before - clip[index])[is_inside].mean())
    assert np.mean(errors) < 4.0, f"flicker along the flow {np.mean(errors):.2f} of 255"


def test_the_thread_count_changes_no_byte():
    scene = MovingClip(end_px=330, slide_px=(5.0, 0.5), zoom=1.02)
    before = cv2.getNumThreads()
    clips = []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            clips.append(between(scene)[3])
    finally:
        cv2.setNumThreads(before)
    assert all(np.array_equal(a, b) for a, b in zip(*clips, strict=True))
