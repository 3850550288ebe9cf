from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from i2v3d.artifacts.scene import FramePasses
from i2v3d.backends.base import KeyframePast, RenderedFrame
from i2v3d.backends.embedded.refine import PatchRefiner
from i2v3d.backends.embedded.warping import motion_of, resting_track, sample, step_back
from tests.moving_clip import MovingClip


def refine_ends(clip: MovingClip):
    frames = clip.frames()
    refiner = PatchRefiner()
    first = refiner.refine(frames[0], clip.photo, None, seed=1)
    past = KeyframePast(first.colour, first.memory, [frame.passes for frame in frames])
    return frames, first, refiner.refine(frames[-1], clip.photo, past, seed=1)


def track_over(frames):
    track = resting_track(frames[0].passes.ids.shape)
    motions = [motion_of(frame.passes) for frame in frames]
    for before, current in pairwise(motions):
        track = step_back(before, current, track)
    return track


def still_clip(steps: int = 3) -> MovingClip:
    return MovingClip(end_px=900, steps=steps, slide_px=(0.0, 0.0), square_slide_px=(0.0, 0.0))


def test_an_unmoved_keyframe_is_the_render_to_the_byte():
    frames, first, last = refine_ends(still_clip())
    for refined, frame in ((first, frames[0]), (last, frames[-1])):
        assert np.array_equal(refined.colour, frame.colour)
        assert not refined.memory.is_torn.any()


def test_a_moved_keyframe_at_the_photo_s_scale_is_the_render_too():
    frames, _, last = refine_ends(MovingClip(end_px=900))
    difference = np.abs(last.colour.astype(float) - frames[-1].colour).mean()
    assert difference <= 0.2, f"{difference:.3f} of 255"


def test_completed_texture_is_no_reason_to_touch_a_pixel():
    clip = MovingClip(end_px=900)
    frame = clip.frame(0)
    unseen = RenderedFrame(frame.colour, replace(frame.passes, is_observed=np.zeros_like(frame.passes.is_observed)))
    assert np.array_equal(PatchRefiner().refine(unseen, clip.photo, None, seed=1).colour, frame.colour)


def test_pixels_without_geometry_are_filled_and_only_those():
    clip = MovingClip(end_px=330)
    frames, _, last = refine_ends(clip)
    is_hole = frames[-1].passes.ids == 0
    assert is_hole.any()
    assert np.array_equal(last.colour[~is_hole], frames[-1].colour[~is_hole])
    assert last.colour[is_hole].mean(axis=0) == pytest.approx(frames[-1].colour[~is_hole].mean(axis=0), abs=45)
    assert (last.colour[is_hole].max(axis=1) > 8).mean() > 0.99, "black is left in the hole"


def test_what_was_invented_stays_on_its_surface():
    frames, first, last = refine_ends(MovingClip(end_px=300, slide_px=(2.5, 0.5), zoom=1.005))
    track = track_over(frames)
    is_kept = (frames[-1].passes.ids == 0) & track.is_visible
    assert is_kept.mean() > 0.03
    warped = sample(first.colour.astype(np.float32), track.at_px)
    kept = np.abs(warped - last.colour)[is_kept].mean()
    alone = PatchRefiner().refine(frames[-1], frames[0].colour, None, seed=1)
    independent = np.abs(warped - alone.colour)[is_kept].mean()
    assert kept < 2.0, f"warp error {kept:.2f} of 255 in invented pixels"
    assert kept < 0.5 * independent, f"{kept:.2f} kept against {independent:.2f} when invented afresh"


def test_equal_inputs_give_equal_keyframes():
    clip = MovingClip(end_px=330, zoom=1.02)
    assert np.array_equal(refine_ends(clip)[2].colour, refine_ends(clip)[2].colour)


def test_a_magnified_surface_gets_detail_back_and_nothing_else():
    clip = MovingClip(end_px=900, square_px=None, zoom=1.05, slide_px=(0.0, 0.0))
    frames, _, last = refine_ends(clip)
    zoom = clip.zoom**clip.steps
    assert np.median(last.memory.magnification) == pytest.approx(zoom, rel=0.05)

    def fine_energy(picture):
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        return float(((luma - cv2.GaussianBlur(luma, (0, 0), 1.4)) ** 2).mean())

    rendered, refined = fine_energy(frames[-1].colour), fine_energy(last.colour)
    assert 1.1 * rendered < refined < 2.6 * rendered
    coarse = [cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 6) for picture in (frames[-1].colour, last.colour)]
    assert np.abs(coarse[0] - coarse[1]).mean() < 0.6


def test_a_magnified_pixel_that_still_equals_the_photo_is_not_touched():
    frames, first, last = refine_ends(MovingClip(end_px=900, square_px=None, zoom=1.05, slide_px=(0.0, 0.0)))
    assert not np.array_equal(last.colour, frames[-1].colour)
    past = KeyframePast(first.colour, first.memory, [frame.passes for frame in frames])
    again = PatchRefiner().refine(frames[-1], frames[-1].colour, past, seed=1)
    assert np.array_equal(again.colour, frames[-1].colour)


def _sheet(open_px: float, size: tuple[int, int] = (120, 160)) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a near wall, a sheet pulled `open_px` wide, and a far wall; and each pixel's place on a 1 px sheet."""
    x = np.broadcast_to(np.arange(size[1], dtype=np.float32), size)
    along = np.clip((x - 60) / open_px, 0, 1)
    depth = 2.0 * (8.0 / 2.0) ** along
    place = np.where(x < 60, x, np.where(x > 60 + open_px, x - open_px + 3, 60 + along * 3))
    return depth.astype(np.float32), place.astype(np.float32)


def test_a_sheet_pulled_wide_is_mended():
    widths = [3.0 + 2.5 * index for index in range(9)]
    random = np.random.default_rng(3)
    texture = cv2.GaussianBlur(random.uniform(40, 220, (120, 200, 3)).astype(np.float32), (0, 0), 1.2)
    rows = np.broadcast_to(np.arange(120, dtype=np.float32)[:, None], (120, 160))
    frames = []
    for index, width in enumerate(widths):
        depth, place = _sheet(width)
        flows = []
        for other in (min(index + 1, 8), max(index - 1, 0)):
            x = np.broadcast_to(np.arange(160, dtype=np.float32), (120, 160))
            along = np.clip((x - 60) / width, 0, 1)
            moved = np.where(x < 60, 0, along * (widths[other] - width))
            flows.append(np.dstack([moved, np.zeros_like(moved)]).astype(np.float32))
        colour = cv2.remap(texture, place, rows, cv2.INTER_LINEAR)
        ones = np.ones((120, 160), np.uint8)
        passes = FramePasses(depth, ones, ones.astype(bool), flows[0], flows[1], index < 8, index > 0)
        frames.append(RenderedFrame(np.rint(colour).astype(np.uint8), passes))
    refiner = PatchRefiner()
    first = refiner.refine(frames[0], frames[0].colour, None, seed=1)
    past = KeyframePast(first.colour, first.memory, [frame.passes for frame in frames])
    last = refiner.refine(frames[-1], frames[0].colour, past, seed=1)
    sheet = slice(66, 78)
    assert last.memory.is_torn[10:-10, sheet].mean() > 0.9
    assert not last.memory.is_torn[:, :50].any()
    assert not last.memory.is_torn[:, 95:].any()
    smear = np.abs(np.diff(frames[-1].colour[..., 0].astype(float), axis=1))[:, sheet].mean()
    mended = np.abs(np.diff(last.colour[..., 0].astype(float), axis=1))[:, sheet].mean()
    assert mended > 2 * smear, f"horizontal detail {smear:.1f} smeared, {mended:.1f} mended"
    at_rest = np.zeros_like(frames[-1].passes.flow_forward_px)
    still = replace(frames[-1].passes, flow_forward_px=at_rest, flow_backward_px=at_rest)
    past = KeyframePast(last.colour, last.memory, [still, still])
    after = refiner.refine(RenderedFrame(frames[-1].colour, still), frames[0].colour, past, seed=1)
    assert np.array_equal(after.memory.is_torn, last.memory.is_torn)
    assert np.array_equal(after.colour[:, sheet], last.colour[:, sheet]), "what was mended is kept"


def test_what_another_object_hid_is_not_torn():
    frames, _, last = refine_ends(MovingClip(end_px=900, slide_px=(0.5, 0.0), square_slide_px=(-4.0, 3.0)))
    assert not last.memory.is_torn.any()
    assert np.array_equal(last.colour, frames[-1].colour)
